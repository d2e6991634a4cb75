// A mesh in which a peer also reaches itself, over a pair of links in memory. All other peers are reached over the mesh
// below.
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Link } from "../ports/link.ts";
import { memoryLinkPair } from "./memory-mesh.ts";
import type { Mesh } from "../ports/mesh.ts";

/** Decorates `below`, and stops it as well. */
export class LoopbackMesh implements Mesh {
  readonly #below: Mesh;
  readonly #handlers = new Map<string, (link: Link) => void>();
  readonly #links = new Set<Link>();
  #stopped = false;

  constructor(below: Mesh) {
    this.#below = below;
  }

  get self(): PeerId {
    return this.#below.self;
  }

  async open(peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link> {
    if (peer !== this.self) return this.#below.open(peer, protocol, signal);
    signal.throwIfAborted();
    const handler = this.#handlers.get(protocol);
    if (handler === undefined || this.#stopped) throw new ManyhandsError("PEER_UNREACHABLE", `this peer does not serve ${protocol}`);
    const [near, far] = memoryLinkPair(this.self, this.self);
    this.#links.add(near);
    void near.closed.then(() => this.#links.delete(near));
    handler(far);
    return near;
  }

  handle(protocol: string, onLink: (link: Link) => void): () => void {
    const removeBelow = this.#below.handle(protocol, onLink);
    this.#handlers.set(protocol, onLink);
    return () => {
      removeBelow();
      if (this.#handlers.get(protocol) === onLink) this.#handlers.delete(protocol);
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#handlers.clear();
    await Promise.all([...this.#links].map((link) => link.close()));
    await this.#below.stop();
  }
}
