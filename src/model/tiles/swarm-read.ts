// One read of a SwarmTileSource: asks peers and origins for its tiles as the plan says, until all are here or none can be had.
import { withDeadline } from "../../shared/abort.ts";
import { AsyncQueue } from "../../shared/async-queue.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import { TILE_PLAN, nextStep, rarestFirst, type TileStep, type TileTries } from "./plan-tiles.ts";
import { hasSha256 } from "./sha256.ts";
import { failedRead, type Refusals, type SwarmTileSourceOptions } from "./distrusted-sources.ts";
import type { TileOrigin, TileRange, TileRead } from "./tile-source.ts";
import type { TileHolder } from "./tile-peers.ts";

const DEFAULTS = Object.freeze({
  /** Bytes under way from one peer: keeps its link full while it reads the next from its disk. */
  peerBytes: 4 * 1024 * 1024,
  /** The same before a peer has sent a first good tile: what a liar or a peer that is away can waste. */
  newPeerBytes: 512 * 1024,
  /** What a tile counts for at least: each costs a message and a look at the disk, however small it is. */
  leastTileBytes: 128 * 1024,
  /** Milliseconds for one tile from a peer: with 4 MiB under way, a peer below 1 Mbit/s is left alone. */
  askMs: 30_000,
  /** Milliseconds without any tile from a peer that fetches for several, after which its part is fetched here. */
  waitMs: 12_000,
  /** Failures (not: "I do not have it") after which a peer is left alone for the rest of a read. */
  failures: 3,
  /** Milliseconds for which a peer that could not be reached is not tried again: a busy one may answer then. */
  awayMs: 5_000,
  /** Tiles that may wait for the reader: bounds memory where the reader is slower than the sources. */
  readyTiles: 8,
  /** Bytes asked of an origin at once while nobody else needs the same ones. */
  runBytes: 64 * 1024 * 1024,
  /** Bytes between two tiles that are still asked for together; what lies between is fetched along. */
  gapBytes: 4 * 1024,
});

export interface SwarmReadOptions extends SwarmTileSourceOptions {
  readonly refusals: Refusals;
  readonly ranges: readonly TileRange[];
}

interface Tries extends TileTries {
  readonly asked: Set<PeerId>;
  readonly awaited: Set<PeerId>;
}

export class SwarmRead {
  readonly #options: SwarmReadOptions;
  readonly #tries: readonly Tries[];
  /** Tiles that nobody was asked for yet, or that came back empty-handed, in the order in which they are wanted. */
  #pending: number[];
  #holders: readonly TileHolder[] | undefined;
  #running = 0;
  /** Bytes asked of each peer and not here yet. */
  readonly #underWay = new Map<PeerId, number>();
  readonly #failures = new Map<PeerId, number>();
  /** Peers that could not be reached, and when they are tried again. */
  readonly #awayUntil = new Map<PeerId, number>();
  /** When a peer last sent a tile, by a counter of tiles rather than a clock: see `#wait`. */
  readonly #sent = new Map<PeerId, number>();
  readonly #origins: TileOrigin[];
  #originBusy = false;
  #originAsked = false;
  readonly #ready = new AsyncQueue<TileRead | undefined>(() => this.#onTaken());
  #onTaken: () => void = () => {};
  readonly #refusedBy: string[] = [];
  #lastError: unknown;

  constructor(options: SwarmReadOptions) {
    this.#options = options;
    this.#tries = options.ranges.map(() => ({ asked: new Set<PeerId>(), awaited: new Set<PeerId>() }));
    this.#pending = [...options.ranges.keys()];
    this.#origins = options.refusals.order(options.origins);
  }

  async *run(signal: AbortSignal): AsyncGenerator<TileRead> {
    signal.throwIfAborted();
    const stop = new AbortController();
    const both = AbortSignal.any([signal, stop.signal]);
    const onAbort = (): void => this.#ready.end(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      for (let left = this.#options.ranges.length; left > 0;) {
        this.#launch(both);
        if (this.#running === 0 && this.#ready.length === 0) throw failedRead(this.#refusedBy, this.#lastError, left);
        const { value, done } = await this.#ready.next();
        if (done === true) break;
        if (value === undefined) continue;
        left--;
        yield value;
      }
      signal.throwIfAborted();
    } finally {
      signal.removeEventListener("abort", onAbort);
      stop.abort(new ManyhandsError("MODEL_UNAVAILABLE", "nobody reads any more"));
      this.#onTaken();
    }
  }

  /** Starts whatever can be started now. */
  #launch(signal: AbortSignal): void {
    const { peers, refusals, ranges } = this.#options;
    const all = peers?.holders() ?? [];
    const changed = all !== this.#holders;
    this.#holders = all;
    if (this.#originBusy && all.length === 0) return;
    const now = this.#options.clock.now();
    const holders = all.filter(
      ({ peer }) =>
        !refusals.isRefused(peer) && (this.#failures.get(peer) ?? 0) < DEFAULTS.failures && (this.#awayUntil.get(peer) ?? 0) <= now,
    );
    if (changed && peers) {
      const order = new Map(rarestFirst(ranges, peers.self, holders).map((index, place) => [index, place]));
      this.#pending.sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
    }
    const hasRoom = (peer: PeerId): boolean =>
      (this.#underWay.get(peer) ?? 0) < (this.#sent.has(peer) ? DEFAULTS.peerBytes : DEFAULTS.newPeerBytes);
    const forOrigin: number[] = [];
    this.#pending = this.#pending.filter((index) => {
      const step: TileStep | undefined = peers
        ? nextStep(this.#range(index), { self: peers.self, holders, hasRoom }, this.#triesOf(index))
        : { kind: "origin" };
      if (step?.kind === "ask") this.#run(() => this.#ask(index, step.peer, signal));
      else if (step?.kind === "wait") this.#run(() => this.#wait(index, step.peer, signal));
      else if (step?.kind === "origin") forOrigin.push(index);
      return step === undefined || step.kind === "origin";
    });
    if (this.#originBusy || forOrigin.length === 0) return;
    const origin = this.#origins[0];
    if (!origin) return;
    const isShared = holders.some(({ fetching }) => fetching !== undefined);
    const run = this.#nextRun(forOrigin, origin.source.wholeFiles === true, isShared ? TILE_PLAN.shareBytes : DEFAULTS.runBytes);
    this.#pending = this.#pending.filter((index) => !run.includes(index));
    this.#originBusy = true;
    this.#originAsked = true;
    this.#run(() => this.#fetchRun(run, origin, signal).finally(() => (this.#originBusy = false)));
  }

  /** Neighbouring tiles for one request to an origin, beginning at the one that is wanted most. */
  #nextRun(candidates: readonly number[], isWhole: boolean, maxBytes: number): number[] {
    // Until it is known whether an origin understands ranges, the first bytes are the cheapest to ask for.
    const order = candidates.toSorted((a, b) => this.#range(a).offset - this.#range(b).offset);
    const head = (this.#originAsked ? candidates[0] : order[0]) ?? 0; // there are candidates: the caller looked
    const { file } = this.#range(head);
    const inFile = order.filter((index) => this.#range(index).file === file);
    if (isWhole) return inFile;
    const run: number[] = [];
    let bytes = 0;
    let end = this.#range(head).offset;
    for (const index of inFile.slice(inFile.indexOf(head))) {
      const { offset, length } = this.#range(index);
      if (offset > end + DEFAULTS.gapBytes || (run.length > 0 && bytes + length > maxBytes)) break;
      run.push(index);
      bytes += length;
      end = Math.max(end, offset + length);
    }
    return run;
  }

  async #ask(index: number, peer: PeerId, signal: AbortSignal): Promise<void> {
    this.#tries[index]?.asked.add(peer);
    const cost = Math.max(DEFAULTS.leastTileBytes, this.#range(index).length);
    this.#underWay.set(peer, (this.#underWay.get(peer) ?? 0) + cost);
    try {
      const late = (): Error => new ManyhandsError("TIMEOUT", `${peer} sent nothing for ${DEFAULTS.askMs / 1000} seconds`);
      await withDeadline({ clock: this.#options.clock, ms: DEFAULTS.askMs, onTimeout: late }, signal, (limit) =>
        this.#fromPeer(index, peer, false, limit),
      );
    } finally {
      this.#underWay.set(peer, (this.#underWay.get(peer) ?? cost) - cost);
    }
  }

  /** Waits for a peer that fetches this tile for several, for as long as that peer sends anything. */
  async #wait(index: number, peer: PeerId, signal: AbortSignal): Promise<void> {
    this.#tries[index]?.awaited.add(peer);
    const stop = new AbortController();
    const arriving = this.#fromPeer(index, peer, true, AbortSignal.any([signal, stop.signal])).then(() => true);
    let seen = this.#sent.get(peer) ?? 0;
    try {
      for (;;) {
        const timer = Promise.withResolvers<false>();
        const timeout = setTimeout(() => timer.resolve(false), DEFAULTS.waitMs);
        const done = await Promise.race([arriving, timer.promise]).finally(() => clearTimeout(timeout));
        const now = this.#sent.get(peer) ?? 0;
        if (done || now === seen) return;
        seen = now;
      }
    } finally {
      stop.abort(new ManyhandsError("TIMEOUT", `${peer} sends nothing`));
      await arriving.catch(() => {}); // an error was noted there
    }
  }

  /** Takes one tile from a peer, or puts it back among the pending ones. Rejects only for trouble of our own. */
  async #fromPeer(index: number, peer: PeerId, wait: boolean, signal: AbortSignal): Promise<void> {
    const { peers, refusals, log } = this.#options;
    let bytes: Uint8Array<ArrayBuffer> | undefined;
    try {
      bytes = await peers?.fetch(peer, this.#range(index).sha256, wait, signal);
    } catch (error) {
      if (errorCode(error) === "MODEL_CORRUPT") this.#refuse(peer, () => refusals.refusePeer(peer));
      else if (!wait || !signal.aborted) {
        // One call that did not get through fails all that waited for it: it counts as a pause, not as so many failures.
        if (errorCode(error) === "PEER_UNREACHABLE") this.#awayUntil.set(peer, this.#options.clock.now() + DEFAULTS.awayMs);
        else this.#failures.set(peer, (this.#failures.get(peer) ?? 0) + 1);
        log.info("a peer did not send a tile", { peer, reason: errorMessage(error) });
      }
    }
    if (bytes && (await this.#accept(index, bytes, { fromPeersBytes: bytes.byteLength }))) {
      this.#sent.set(peer, (this.#sent.get(peer) ?? 0) + 1);
      return;
    }
    if (bytes) this.#refuse(peer, () => refusals.refusePeer(peer));
    this.#pending.push(index);
  }

  async #fetchRun(run: readonly number[], origin: TileOrigin, signal: AbortSignal): Promise<void> {
    const { refusals, log } = this.#options;
    const missing = new Set(run);
    try {
      const reads = origin.source.read(
        run.map((index) => this.#range(index)),
        signal,
      );
      for await (const { index: place, bytes, done } of reads) {
        const index = run[place] as number; // a source answers with places of what it was given
        if (!(await this.#accept(index, bytes, { fromOriginBytes: bytes.byteLength }, done))) {
          this.#refuse(origin.name, () => refusals.refuseOrigin(origin));
          this.#drop(origin);
          break;
        }
        missing.delete(index);
        await this.#untilRoom(signal);
      }
    } catch (error) {
      if (!signal.aborted) {
        this.#lastError = error;
        log.warn("an origin failed", { origin: origin.name, reason: errorMessage(error) });
        this.#drop(origin);
      }
    }
    this.#pending.unshift(...missing);
  }

  /** Checks a tile and hands it on. False where it is not what its hash says. */
  async #accept(
    index: number,
    bytes: Uint8Array<ArrayBuffer>,
    from: { fromPeersBytes: number } | { fromOriginBytes: number },
    done?: () => void,
  ): Promise<boolean> {
    const { sha256, length } = this.#range(index);
    const isRight = bytes.byteLength === length && (await hasSha256(bytes, sha256));
    this.#options.tally.add(isRight ? { checked: 1, used: 1, ...from } : { checked: 1, refused: 1 });
    if (isRight) this.#ready.push({ index, bytes, checked: true, ...(done && { done }) });
    return isRight;
  }

  #refuse(who: string, remember: () => void): void {
    remember();
    this.#refusedBy.push(who);
    this.#options.log.warn("a source sent a tile that does not match its SHA-256 and is dropped", { source: who });
  }

  #drop(origin: TileOrigin): void {
    const place = this.#origins.indexOf(origin);
    if (place >= 0) this.#origins.splice(place, 1);
    this.#originAsked = false;
  }

  /** Waits while the reader has more than it takes. */
  async #untilRoom(signal: AbortSignal): Promise<void> {
    while (this.#ready.length > DEFAULTS.readyTiles && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#onTaken = resolve;
      });
    }
  }

  #run(work: () => Promise<void>): void {
    this.#running++;
    void work()
      .catch((error: unknown) => {
        this.#lastError = error;
      })
      .finally(() => {
        this.#running--;
        this.#ready.push(undefined); // wakes the loop in `run`
      });
  }

  #range(index: number): TileRange {
    return this.#options.ranges[index] as TileRange; // indices come from `ranges`
  }

  #triesOf(index: number): Tries {
    return this.#tries[index] as Tries; // one for each range
  }
}
