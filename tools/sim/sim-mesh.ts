// A network in virtual time: ordered links with delays of their own, and peers that die, fall silent for a while, or
// lose one link.
import { AsyncQueue } from "../../src/shared/async-queue.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import type { Link } from "../../src/mesh/ports/link.ts";
import type { Mesh } from "../../src/mesh/ports/mesh.ts";
import type { Random } from "./random.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Frames that one direction of a link holds before its writer has to wait. */
const WINDOW_FRAMES = 24;

const lost = (why: string): ManyhandsError => new ManyhandsError("PEER_LOST", why);

type Item = { readonly atMs: number; readonly frame: Uint8Array | undefined; readonly error: Error | undefined };

/** One end of a link. */
class SimLink implements Link {
  readonly remote: PeerId;
  readonly own: SimMesh;
  readonly closed: Promise<void>;
  readonly #settleClosed: () => void;
  readonly #queue: AsyncQueue<Uint8Array>;
  readonly #baseMs: number;
  other: SimLink | undefined;
  #isOver = false;
  /** Frames and endings on their way to the other end, in order. */
  #line: Item[] = [];
  #isPumping = false;
  /** Frames that were sent and are not read yet. */
  #unread = 0;
  readonly #writers: (() => void)[] = [];

  constructor(own: SimMesh, remote: PeerId, baseMs: number) {
    this.own = own;
    this.remote = remote;
    this.#baseMs = baseMs;
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    this.#settleClosed = closed.resolve;
    this.#queue = new AsyncQueue(() => this.other?.wasRead());
  }

  get frames(): AsyncIterable<Uint8Array> {
    return this.#queue;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  async send(frame: Uint8Array, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const copy = frame.slice();
    while (!this.#isOver && this.#unread >= WINDOW_FRAMES) {
      await new Promise<void>((resolve) => {
        this.#writers.push(resolve);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
      signal?.throwIfAborted();
    }
    if (this.#isOver) throw lost("the link is closed");
    this.#unread++;
    this.#post(copy, undefined);
  }

  /** The other end has read a frame. */
  wasRead(): void {
    this.#unread--;
    this.#writers.shift()?.();
  }

  async close(): Promise<void> {
    if (this.#isOver) return;
    this.#post(undefined, undefined);
    this.end(undefined);
  }

  abort(_reason: Error): void {
    if (this.#isOver) return;
    this.#queue.clear();
    this.#post(undefined, lost("the peer broke the link off"));
    this.end(undefined);
  }

  /** Ends the link for this side only. */
  end(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#queue.end(error);
    for (const wake of this.#writers.splice(0)) wake();
    this.own.links.delete(this);
    this.#settleClosed();
  }

  /** Drops everything that is on its way. */
  cut(): void {
    this.#line = [];
  }

  #post(frame: Uint8Array | undefined, error: Error | undefined): void {
    const { clock, random } = this.own.network;
    const atMs = Math.max(this.#line.at(-1)?.atMs ?? 0, clock.now() + this.#baseMs * (0.7 + random.next()));
    this.#line.push({ atMs, frame, error });
    this.#pump();
  }

  #pump(): void {
    const [item] = this.#line;
    if (item === undefined || this.#isPumping) return;
    this.#isPumping = true;
    const { clock } = this.own.network;
    const atMs = Math.max(item.atMs, this.own.frozenUntilMs, this.other?.own.frozenUntilMs ?? 0);
    if (atMs === Infinity) {
      this.#isPumping = false; // `thaw` continues
      return;
    }
    clock.in(atMs - clock.now(), () => {
      this.#isPumping = false;
      const due = this.#line[0];
      if (due === undefined) return;
      if (Math.max(this.own.frozenUntilMs, this.other?.own.frozenUntilMs ?? 0) > clock.now() || due.atMs > clock.now()) {
        this.#pump();
        return;
      }
      this.#line.shift();
      if (due.frame !== undefined) this.other?.arrive(due.frame);
      else this.other?.end(due.error);
      this.#pump();
    });
  }

  /** Delivers the frames that were held back, in both directions. */
  thaw(): void {
    this.#pump();
    this.other?.thawed();
  }

  thawed(): void {
    this.#pump();
  }

  arrive(frame: Uint8Array): void {
    if (!this.#isOver) this.#queue.push(frame);
  }
}

export class SimNetwork {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly peers = new Map<PeerId, SimMesh>();

  constructor(clock: VirtualClock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  join(peer: PeerId): SimMesh {
    const mesh = new SimMesh(peer, this);
    this.peers.set(peer, mesh);
    return mesh;
  }

  /** The peer is gone. Each of the others notices that after `noticeMs()` milliseconds. */
  kill(peer: PeerId, noticeMs: () => number): void {
    const mesh = this.peers.get(peer);
    if (mesh === undefined) return;
    this.peers.delete(peer);
    for (const link of [...mesh.links]) {
      const { other } = link;
      link.cut();
      other?.cut();
      link.end(lost("this peer died"));
      this.clock.in(noticeMs(), () => other?.end(lost("the peer died")));
    }
  }

  /** Nothing leaves the peer or reaches it until `untilMs`. */
  freeze(peer: PeerId, untilMs: number): void {
    const mesh = this.peers.get(peer);
    if (mesh === undefined) return;
    mesh.frozenUntilMs = untilMs;
    if (untilMs < Infinity)
      this.clock.in(untilMs - this.clock.now(), () => {
        for (const link of [...mesh.links]) link.thaw();
      });
  }

  /** Breaks the links between two peers that both live. */
  flap(a: PeerId, b: PeerId): void {
    for (const link of [...(this.peers.get(a)?.links ?? [])]) {
      if (link.remote !== b) continue;
      link.cut();
      link.other?.cut();
      link.other?.end(lost("the link broke"));
      link.end(lost("the link broke"));
    }
  }
}

export class SimMesh implements Mesh {
  readonly self: PeerId;
  readonly network: SimNetwork;
  readonly links = new Set<SimLink>();
  readonly handlers = new Map<string, (link: Link) => void>();
  frozenUntilMs = 0;

  constructor(self: PeerId, network: SimNetwork) {
    this.self = self;
    this.network = network;
  }

  async open(peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link> {
    const { clock, random, peers } = this.network;
    const baseMs = 0.3 + 8 * random.next() ** 3;
    await clock.sleep(3 * baseMs, signal);
    for (;;) {
      const heldMs = Math.max(this.frozenUntilMs, peers.get(peer)?.frozenUntilMs ?? 0) - clock.now();
      if (heldMs <= 0) break;
      await clock.sleep(Math.min(heldMs, 1_000), signal);
    }
    const mesh = peers.get(peer);
    const handler = mesh?.handlers.get(protocol);
    if (mesh === undefined || handler === undefined || peers.get(this.self) !== this)
      throw new ManyhandsError("PEER_UNREACHABLE", `no way to ${peer}`);
    const near = new SimLink(this, peer, baseMs);
    const far = new SimLink(mesh, this.self, baseMs);
    near.other = far;
    far.other = near;
    this.links.add(near);
    mesh.links.add(far);
    handler(far);
    return near;
  }

  handle(protocol: string, onLink: (link: Link) => void): () => void {
    this.handlers.set(protocol, onLink);
    return () => this.handlers.delete(protocol);
  }

  async stop(): Promise<void> {
    this.handlers.clear();
    await Promise.all([...this.links].map((link) => link.close()));
  }
}
