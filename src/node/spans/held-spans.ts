// The spans that this tab holds now: brings links for each of them from the mesh to the host that serves it.
import type { SpanServiceEvents } from "../../inference/server/span-service.ts";
import type { Link } from "../../mesh/ports/link.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import { sessionProtocol } from "../../protocol/version.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { Emitter, type Observable } from "../../shared/events.ts";
import type { SpanHost } from "./span-host.ts";

interface Held {
  readonly host: SpanHost;
  readonly protocol: string;
  /** Only this tab itself may open sessions: it answers its own prompts, and does not lend. */
  readonly onlySelf: boolean;
}

/** Its events are those of all spans together; `sessions:changed` carries the sums. */
export class HeldSpans implements Observable<SpanServiceEvents> {
  readonly #mesh: Pick<Mesh, "self" | "handle">;
  /** The newest last: if two hold the same layers, the newer one gets the links. */
  #held: readonly Held[] = [];
  /** Functions that stop handling a protocol, by the protocol. */
  readonly #handled = new Map<string, () => void>();
  readonly #emitter = new Emitter<SpanServiceEvents>();

  constructor(mesh: Pick<Mesh, "self" | "handle">) {
    this.#mesh = mesh;
  }

  on<Name extends keyof SpanServiceEvents>(name: Name, listener: (payload: SpanServiceEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  get openSessions(): number {
    return this.#held.reduce((sum, { host }) => sum + host.openSessions, 0);
  }

  /** Positions that all open sessions together may fill. */
  get reservedPositions(): number {
    return this.#held.reduce((sum, { host }) => sum + host.reservedPositions, 0);
  }

  /** Links for the span of `host` go to it from now on. */
  add(host: SpanHost, options: { readonly onlySelf: boolean } = { onlySelf: false }): void {
    const { model, span } = host.plan;
    const protocol = sessionProtocol(model, span);
    this.#held = [...this.#held, { host, protocol, onlySelf: options.onlySelf }];
    if (!this.#handled.has(protocol))
      this.#handled.set(
        protocol,
        this.#mesh.handle(protocol, (link) => this.#accept(protocol, link)),
      );
    host.on("span:served", (served) => this.#emitter.emit("span:served", served));
    host.on("frame:refused", (refused) => this.#emitter.emit("frame:refused", refused));
    host.on("session:tallied", (tally) => this.#emitter.emit("session:tallied", tally));
    host.on("sessions:changed", () => this.#changed());
    void host.died.then(() => this.remove(host));
  }

  /** No further link goes to `host`; its sessions go on. */
  remove(host: SpanHost): void {
    const protocols = this.#held.filter((held) => held.host === host).map((held) => held.protocol);
    this.#held = this.#held.filter((held) => held.host !== host);
    for (const protocol of protocols) {
      if (this.#held.some((held) => held.protocol === protocol)) continue;
      this.#handled.get(protocol)?.();
      this.#handled.delete(protocol);
    }
    this.#changed();
  }

  #changed(): void {
    const { openSessions, reservedPositions } = this;
    this.#emitter.emit("sessions:changed", { open: openSessions, reservedPositions });
  }

  #accept(protocol: string, link: Link): void {
    const held = this.#held.findLast((each) => each.protocol === protocol && (!each.onlySelf || link.remote === this.#mesh.self));
    if (held) held.host.accept(link);
    else link.abort(new ManyhandsError("SESSION_REFUSED", "this span serves only the tab's own prompts"));
  }
}
