// The page's side of a span's worker: starts the worker, loads the span, moves links into it, and notices when it dies.
import { proxy, type Remote, releaseProxy, transfer, wrap } from "comlink";
import type { EngineOptions, EngineReport } from "../../engine/contract.ts";
import type { SpanServiceEvents } from "../../inference/server/span-service.ts";
import type { DetachedLink, Link } from "../../mesh/ports/link.ts";
import { joinLinks, openPortLink } from "../../mesh/port-link.ts";
import { type SpanPlan, spanBuffers, type SplitSpan } from "../../protocol/span-plan.ts";
import { abortable, withDeadline } from "../../shared/abort.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import { Emitter } from "../../shared/events.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { MovedLink, Outcome, SpanWorkerApi, SpanWorkerEvent } from "./span-contract.ts";
import type { SpanHost, SpanHostOptions, StartSpan } from "./span-host.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which a link to the next peer must open. */
  openMs: 10_000,
  /** Milliseconds that a worker gets to end its sessions before it is terminated: a step may be long. */
  stopMs: 500,
});

/** Starts a worker for each span; the source's buffers move into it. */
export function startWorkerSpan(options: SpanHostOptions): StartSpan {
  return async (source, engineOptions, signal) => {
    signal.throwIfAborted();
    const span = new WorkerSpan(source.plan, options);
    try {
      await abortable(span.load(source, engineOptions), signal);
      return span;
    } catch (error) {
      await span.dispose();
      throw error;
    }
  };
}

class WorkerSpan implements SpanHost {
  readonly plan: SpanPlan;
  readonly died: Promise<Error>;
  readonly #options: SpanHostOptions;
  readonly #worker: Worker;
  readonly #api: Remote<SpanWorkerApi>;
  readonly #emitter = new Emitter<SpanServiceEvents>();
  /** Functions to call when a moved link has closed, by its id. */
  readonly #moved = new Map<number, () => void>();
  readonly #death = Promise.withResolvers<Error>();
  #report: EngineReport | undefined;
  #sessions: SpanServiceEvents["sessions:changed"] = { open: 0, reservedPositions: 0 };
  #links = 0;
  #dead: Error | undefined;
  #disposed: Promise<void> | undefined;

  constructor(plan: SpanPlan, options: SpanHostOptions) {
    this.plan = plan;
    this.#options = options;
    this.#worker = new Worker(new URL("./span-worker.ts", import.meta.url), {
      type: "module",
      name: `span ${plan.span.start}-${plan.span.end}`,
    });
    this.#api = wrap<SpanWorkerApi>(this.#worker);
    this.died = this.#death.promise;
    this.#worker.addEventListener("error", (event) => this.#die(`the span's worker stopped: ${event.message || "it could not be loaded"}`));
    this.#worker.addEventListener("messageerror", () => this.#die("the span's worker sent something unreadable"));
  }

  get report(): EngineReport {
    if (!this.#report) throw new ManyhandsError("ENGINE_FAILED", "this span is not loaded yet");
    return this.#report;
  }

  get openSessions(): number {
    return this.#sessions.open;
  }

  get reservedPositions(): number {
    return this.#sessions.reservedPositions;
  }

  on<Name extends keyof SpanServiceEvents>(name: Name, listener: (payload: SpanServiceEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Throws ENGINE_FAILED or MODEL_UNSUPPORTED. */
  async load(source: SplitSpan, options: EngineOptions): Promise<void> {
    const page = proxy({
      open: (peer: PeerId, protocol: string) => this.#open(peer, protocol),
      report: (event: SpanWorkerEvent) => this.#onEvent(event),
    });
    const outcome = await this.#alive<Outcome<EngineReport>>(this.#api.load(transfer(source, spanBuffers(source)), options, page));
    if (!outcome.ok) throw new ManyhandsError(outcome.code, outcome.message);
    this.#report = outcome.value;
  }

  accept(link: Link): void {
    if (this.#dead) {
      link.abort(this.#dead);
      return;
    }
    const moved = this.#moveLink(link);
    // `died` reports a worker that died; a link that was for it is lost with it.
    this.#api.accept(transfer(moved, [moved.end as Transferable])).catch(() => {});
  }

  retire(signal: AbortSignal): Promise<void> {
    return this.#untilAborted(this.#api.retire(), signal);
  }

  leave(signal: AbortSignal): Promise<void> {
    return this.#untilAborted(this.#api.leave(), signal);
  }

  setShare(share: number): void {
    this.#api.setShare(share).catch(() => {}); // the worker died
  }

  dispose(): Promise<void> {
    return (this.#disposed ??= this.#dispose());
  }

  async #dispose(): Promise<void> {
    if (this.#report && !this.#dead) await this.#limited(DEFAULTS.stopMs, () => this.#alive(this.#api.stop())).catch(() => {}); // terminated below
    this.#api[releaseProxy]();
    this.#worker.terminate();
    this.#die("this span is no longer loaded");
  }

  /** Opens a link that the worker asked for. */
  async #open(peer: PeerId, protocol: string): Promise<Outcome<MovedLink>> {
    try {
      const moved = this.#moveLink(await this.#limited(DEFAULTS.openMs, (signal) => this.#options.mesh.open(peer, protocol, signal)));
      return transfer({ ok: true, value: moved }, [moved.end as Transferable]);
    } catch (error) {
      return { ok: false, code: errorCode(error) ?? "PEER_UNREACHABLE", message: errorMessage(error) };
    }
  }

  /** Detaches a link for the worker. A link that cannot move is joined to a port. */
  #moveLink(link: Link): MovedLink {
    const id = ++this.#links;
    const detached: DetachedLink | undefined = link.detach?.();
    if (detached) {
      this.#moved.set(id, detached.released);
      return { id, remote: detached.remote, end: detached.transferable as RTCDataChannel }; // the only thing that is detached
    }
    const { port1, port2 } = new MessageChannel();
    const near = openPortLink(port1, link.remote);
    joinLinks(link, near, (error) => this.#countRefused(link.remote, error));
    // A port does not notice that the thread behind it died.
    this.#moved.set(id, () => near.abort(new ManyhandsError("PEER_LOST", "the span's worker is gone")));
    return { id, remote: link.remote, end: port2 };
  }

  /** Counts bytes that are no frames: they never reach the worker. */
  #countRefused(peer: PeerId, error: Error): void {
    const code = errorCode(error);
    if (code === undefined || code === "PEER_LOST") return;
    this.#options.log.warn("refused a frame and closed its link", { peer, code, error: String(error) });
    this.#emitter.emit("frame:refused", { peer, code });
  }

  #onEvent(event: SpanWorkerEvent): void {
    switch (event.kind) {
      case "served":
        for (const served of event.served) this.#emitter.emit("span:served", served);
        return;
      case "refused":
        this.#emitter.emit("frame:refused", event.refused);
        return;
      case "tallied":
        this.#emitter.emit("session:tallied", event.tally);
        return;
      case "sessions":
        this.#sessions = event.sessions;
        this.#emitter.emit("sessions:changed", event.sessions);
        return;
      case "link-closed":
        this.#moved.get(event.id)?.();
        this.#moved.delete(event.id);
        return;
      case "log":
        this.#options.log[event.level](event.message, { ...event.fields });
        return;
    }
  }

  /** Never rejects: `dispose` ends the sessions that are left. */
  async #untilAborted(done: Promise<void>, signal: AbortSignal): Promise<void> {
    await abortable(this.#alive(done), signal).catch(() => {});
  }

  /**
   * Settles like `pending`, or rejects once the worker has died: a call that is pending then never settles by itself.
   */
  #alive<T>(pending: Promise<T>): Promise<T> {
    pending.catch(() => {}); // the worker's death is thrown instead
    return Promise.race([pending, this.died.then((error) => Promise.reject(error))]);
  }

  /** Throws PEER_UNREACHABLE if `work` takes longer than `ms` milliseconds. */
  #limited<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const onTimeout = (): Error => new ManyhandsError("PEER_UNREACHABLE", `no reply within ${ms} ms`);
    return withDeadline({ clock: this.#options.clock, ms, onTimeout }, new AbortController().signal, work);
  }

  #die(message: string): void {
    if (this.#dead) return;
    this.#dead = new ManyhandsError("ENGINE_FAILED", message);
    this.#sessions = { open: 0, reservedPositions: 0 };
    for (const release of this.#moved.values()) release();
    this.#moved.clear();
    this.#death.resolve(this.#dead);
    this.#emitter.emit("sessions:changed", this.#sessions);
  }
}
