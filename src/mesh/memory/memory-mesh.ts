// A mesh without a network, between peers of one process: for tests, and for the links from a peer to itself.
import { frameCost, LINK } from "../../protocol/link-frames.ts";
import { LIMITS } from "../../protocol/version.ts";
import { AsyncQueue } from "../../shared/async-queue.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Link } from "../ports/link.ts";
import type { Mesh } from "../ports/mesh.ts";

interface WaitingFrame {
  readonly frame: Uint8Array;
  readonly settle: (error?: Error) => void;
}

const lost = (why: string): ManyhandsError => new ManyhandsError("PEER_LOST", why);

/** One end of a pair. It has the bounds and errors of `StreamLink`. */
class MemoryLink implements Link {
  readonly remote: PeerId;
  readonly closed: Promise<void>;
  readonly #settleClosed: () => void;
  readonly #queue: AsyncQueue<Uint8Array>;
  #other: MemoryLink | undefined;
  #state: "open" | "closing" | "over" = "open";
  #closing: Promise<void> | undefined;
  #waiting: WaitingFrame[] = [];
  #onFlushed: (() => void) | undefined;
  /** Cost of the frames that arrived here and are not read yet. */
  #unread = 0;

  constructor(remote: PeerId) {
    this.remote = remote;
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    this.#settleClosed = closed.resolve;
    this.#queue = new AsyncQueue((frame) => {
      this.#unread -= frameCost(frame.byteLength);
      this.#other?.pump();
    });
  }

  get frames(): AsyncIterable<Uint8Array> {
    return this.#queue;
  }

  join(other: MemoryLink): void {
    this.#other = other;
  }

  send(frame: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (frame.byteLength > LIMITS.frameBytes) {
      return Promise.reject(new ManyhandsError("FRAME_TOO_LARGE", `a frame of ${frame.byteLength} bytes is over the limit`));
    }
    if (this.#state !== "open") return Promise.reject(lost("the link is closed"));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        waiting.settle(signal?.reason as Error);
        if (this.#waiting.length === 0) this.#onFlushed?.();
      };
      const waiting: WaitingFrame = {
        frame: frame.slice(), // as over a network, the sender may overwrite its array once this resolves
        settle: (error) => {
          signal?.removeEventListener("abort", onAbort);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(waiting);
      this.pump();
    });
  }

  /** Delivers waiting frames while the other end's window allows it. */
  pump(): void {
    while (this.#other !== undefined && this.#other.#unread < LINK.windowBytes) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) break;
      this.#other.#unread += frameCost(waiting.frame.byteLength);
      this.#other.#queue.push(waiting.frame);
      waiting.settle();
    }
    if (this.#waiting.length === 0) this.#onFlushed?.();
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#finish());
  }

  async #finish(): Promise<void> {
    if (this.#state === "over") return;
    this.#state = "closing";
    if (this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.#onFlushed = resolve;
      });
    }
    const other = this.#other;
    this.end(undefined);
    other?.end(undefined);
  }

  abort(_reason: Error): void {
    if (this.#state === "over") return;
    const other = this.#other;
    this.#queue.clear();
    this.end(undefined);
    other?.end(lost("the peer broke the link off"));
  }

  /** Ends this end of the link: as a loss if `error` is given. */
  end(error: Error | undefined): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#other = undefined;
    this.#queue.end(error);
    for (const waiting of this.#waiting.splice(0)) waiting.settle(error ?? lost("the link is closed"));
    this.#onFlushed?.();
    this.#settleClosed();
  }
}

/** Returns two joined links: the end that `near` uses, and the end that `far` uses. */
export function memoryLinkPair(near: PeerId, far: PeerId): readonly [nearEnd: Link, farEnd: Link] {
  return joinedPair(near, far);
}

function joinedPair(near: PeerId, far: PeerId): readonly [MemoryLink, MemoryLink] {
  const nearEnd = new MemoryLink(far);
  const farEnd = new MemoryLink(near);
  nearEnd.join(farEnd);
  farEnd.join(nearEnd);
  return [nearEnd, farEnd];
}

/** Peers that can reach each other. */
export class MemoryNetwork {
  readonly #meshes = new Map<PeerId, MemoryMesh>();

  /** Adds a peer. Throws BAD_INPUT if there is one with this name. */
  join(peer: PeerId): MemoryMesh {
    if (this.#meshes.has(peer)) throw new ManyhandsError("BAD_INPUT", `${peer} has joined already`);
    const mesh = new MemoryMesh(peer, this);
    this.#meshes.set(peer, mesh);
    return mesh;
  }

  /** Kills a peer without a goodbye. Its links throw PEER_LOST at their other ends, and nobody reaches it any more. */
  cut(peer: PeerId): void {
    this.#meshes.get(peer)?.die();
  }

  find(peer: PeerId): MemoryMesh | undefined {
    return this.#meshes.get(peer);
  }

  leave(peer: PeerId): void {
    this.#meshes.delete(peer);
  }
}

/** One peer of a `MemoryNetwork`. */
export class MemoryMesh implements Mesh {
  readonly self: PeerId;
  readonly #network: MemoryNetwork;
  readonly #handlers = new Map<string, (link: Link) => void>();
  readonly #links = new Map<MemoryLink, MemoryLink>();

  constructor(self: PeerId, network: MemoryNetwork) {
    this.self = self;
    this.#network = network;
  }

  async open(peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link> {
    signal.throwIfAborted();
    const mesh = this.#network.find(this.self) === this ? this.#network.find(peer) : undefined;
    const handler = mesh === undefined ? undefined : mesh.#handlers.get(protocol);
    if (mesh === undefined || handler === undefined) throw new ManyhandsError("PEER_UNREACHABLE", `no way to ${peer}`);
    const [near, far] = joinedPair(this.self, peer);
    this.#keep(near, far);
    mesh.#keep(far, near);
    handler(far);
    return near;
  }

  handle(protocol: string, onLink: (link: Link) => void): () => void {
    if (this.#handlers.has(protocol)) throw new ManyhandsError("BAD_INPUT", `${protocol} has a handler already`);
    this.#handlers.set(protocol, onLink);
    return () => {
      if (this.#handlers.get(protocol) === onLink) this.#handlers.delete(protocol);
    };
  }

  async stop(): Promise<void> {
    this.#network.leave(this.self);
    this.#handlers.clear();
    await Promise.all([...this.#links.keys()].map((link) => link.close()));
  }

  /** Ends all links as a crash would. */
  die(): void {
    this.#network.leave(this.self);
    this.#handlers.clear();
    for (const [own, other] of this.#links) {
      other.end(lost("the peer died"));
      own.end(lost("this peer was cut off"));
    }
  }

  #keep(link: MemoryLink, other: MemoryLink): void {
    this.#links.set(link, other);
    void link.closed.then(() => this.#links.delete(link));
  }
}
