// One read of a SwarmTileSource: asks peers and origins for its tiles as the plan says,
// until all are here or no source is left.
import { settlesWithin, withDeadline } from "../../shared/abort.ts";
import { AsyncQueue } from "../../shared/async-queue.ts";
import type { Clock } from "../../shared/clock.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { DistrustedSources } from "./distrusted-sources.ts";
import { PeerRequests } from "./peer-requests.ts";
import { nextRun, nextStep, rarestFirst, TILE_PLAN, type TileStep, type TileTries } from "./plan-tiles.ts";
import { hasSha256 } from "./sha256.ts";
import type { TileHolder, TilePeers } from "./tile-peers.ts";
import type { TileOrigin, TileRange, TileRead } from "./tile-source.ts";
import type { TileTally } from "./tile-tally.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds for one tile from a peer: with 4 MiB under way, a peer below 1 Mbit/s is left alone. */
  askMs: 30_000,
  /** Milliseconds without any tile from a peer that fetches for several, after which its part is fetched here. */
  waitMs: 12_000,
  /** Tiles that may wait for the reader: bounds memory if the reader is slower than the sources. */
  readyTiles: 8,
});

export interface SwarmReadOptions {
  /** In order of preference. */
  readonly origins: readonly TileOrigin[];
  /** Undefined for a tab that has no mesh. */
  readonly peers: TilePeers | undefined;
  readonly tally: TileTally;
  readonly clock: Clock;
  readonly log: Log;
  readonly distrusted: DistrustedSources;
  readonly ranges: readonly TileRange[];
}

interface Tries extends TileTries {
  readonly asked: Set<PeerId>;
  readonly awaited: Set<PeerId>;
}

export class SwarmRead {
  readonly #options: SwarmReadOptions;
  readonly #tries: readonly Tries[];
  /** Tiles that nobody has been asked for, or that were asked for in vain, in the order in which they are wanted. */
  #pending: number[];
  #holders: readonly TileHolder[] | undefined;
  readonly #requests = new PeerRequests();
  /** Asks, waits and origin requests under way. */
  #running = 0;
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
    this.#origins = options.distrusted.order(options.origins);
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

  /** Starts every request that can be started now. */
  #launch(signal: AbortSignal): void {
    const { peers, distrusted, ranges, clock } = this.#options;
    const all = peers?.holders() ?? [];
    const changed = all !== this.#holders;
    this.#holders = all;
    if (this.#originBusy && all.length === 0) return;
    const nowMs = clock.now();
    const holders = all.filter(({ peer }) => !distrusted.hasPeer(peer) && this.#requests.mayAsk(peer, nowMs));
    if (changed && peers) {
      const order = new Map(rarestFirst(ranges, peers.self, holders).map((index, place) => [index, place]));
      this.#pending.sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
    }
    const hasRoom = (peer: PeerId): boolean => this.#requests.hasRoom(peer);
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
    const run = nextRun(forOrigin, ranges, {
      isFirst: !this.#originAsked,
      isWhole: origin.source.wholeFiles === true,
      maxBytes: isShared ? TILE_PLAN.shareBytes : TILE_PLAN.runBytes,
    });
    this.#pending = this.#pending.filter((index) => !run.includes(index));
    this.#originBusy = true;
    this.#originAsked = true;
    this.#run(() => this.#fetchRun(run, origin, signal).finally(() => (this.#originBusy = false)));
  }

  async #ask(index: number, peer: PeerId, signal: AbortSignal): Promise<void> {
    this.#tries[index]?.asked.add(peer);
    const end = this.#requests.begin(peer, this.#range(index).length);
    try {
      const onTimeout = (): Error => new ManyhandsError("TIMEOUT", `${peer} sent nothing for ${DEFAULTS.askMs / 1000} seconds`);
      await withDeadline({ clock: this.#options.clock, ms: DEFAULTS.askMs, onTimeout }, signal, (limit) =>
        this.#fromPeer(index, peer, false, limit),
      );
    } finally {
      end();
    }
  }

  /** Waits for a peer that fetches this tile for several, for as long as that peer sends any tiles. */
  async #wait(index: number, peer: PeerId, signal: AbortSignal): Promise<void> {
    this.#tries[index]?.awaited.add(peer);
    const stop = new AbortController();
    const arriving = this.#fromPeer(index, peer, true, AbortSignal.any([signal, stop.signal]));
    try {
      for (let seen = this.#requests.sentBy(peer); ;) {
        if (await settlesWithin(arriving, DEFAULTS.waitMs, this.#options.clock)) return;
        const now = this.#requests.sentBy(peer);
        if (now === seen) return;
        seen = now;
      }
    } finally {
      stop.abort(new ManyhandsError("TIMEOUT", `${peer} sends nothing`));
      await arriving.catch(() => {}); // `#fromPeer` has noted the error
    }
  }

  /** Receives one tile from a peer, or puts it back among the pending ones. Rejects only for trouble of our own. */
  async #fromPeer(index: number, peer: PeerId, wait: boolean, signal: AbortSignal): Promise<void> {
    const { peers, distrusted, clock, log } = this.#options;
    let bytes: Uint8Array<ArrayBuffer> | undefined;
    try {
      bytes = await peers?.fetch(peer, this.#range(index).sha256, wait, signal);
    } catch (error) {
      if (errorCode(error) === "MODEL_CORRUPT") this.#refuse(peer, () => distrusted.addPeer(peer));
      else if (!wait || !signal.aborted) {
        if (errorCode(error) === "PEER_UNREACHABLE") this.#requests.noteAway(peer, clock.now());
        else this.#requests.noteFailure(peer);
        log.info("a peer did not send a tile", { peer, reason: errorMessage(error) });
      }
    }
    if (bytes && (await this.#accept(index, bytes, { fromPeersBytes: bytes.byteLength }))) {
      this.#requests.noteSent(peer);
      return;
    }
    if (bytes) this.#refuse(peer, () => distrusted.addPeer(peer));
    this.#pending.push(index);
  }

  async #fetchRun(run: readonly number[], origin: TileOrigin, signal: AbortSignal): Promise<void> {
    const { distrusted, log } = this.#options;
    const missing = new Set(run);
    try {
      const reads = origin.source.read(
        run.map((index) => this.#range(index)),
        signal,
      );
      for await (const { index: place, bytes, done } of reads) {
        const index = run[place] as number; // a source's indices point into the ranges that it was asked for
        if (!(await this.#accept(index, bytes, { fromOriginBytes: bytes.byteLength }, done))) {
          this.#refuse(origin.name, () => distrusted.addOrigin(origin));
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

  /** Checks a tile and passes it to the reader. Returns false if it does not match its hash. */
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

  #refuse(source: string, remember: () => void): void {
    remember();
    this.#refusedBy.push(source);
    this.#options.log.warn("a source sent a tile that does not match its SHA-256 and is dropped", { source });
  }

  #drop(origin: TileOrigin): void {
    const place = this.#origins.indexOf(origin);
    if (place >= 0) this.#origins.splice(place, 1);
    this.#originAsked = false;
  }

  /** Waits while more tiles are ready than the reader takes. */
  async #untilRoom(signal: AbortSignal): Promise<void> {
    while (this.#ready.length > DEFAULTS.readyTiles && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#onTaken = resolve;
      });
    }
  }

  #run(request: () => Promise<void>): void {
    this.#running++;
    void request()
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

/** The error of a read that cannot go on: it names the sources of wrong tiles, or else repeats the last error. */
function failedRead(refusedBy: readonly string[], lastError: unknown, missing: number): ManyhandsError {
  if (refusedBy.length > 0) {
    return new ManyhandsError(
      "MODEL_CORRUPT",
      `${missing === 1 ? "a piece" : `${missing} pieces`} of the weights cannot be fetched whole: the bytes from ${[...new Set(refusedBy)].join(", ")} do not match their SHA-256`,
      { cause: lastError },
    );
  }
  return new ManyhandsError(
    errorCode(lastError) === "MODEL_CORRUPT" ? "MODEL_CORRUPT" : "MODEL_UNAVAILABLE",
    lastError === undefined ? "no source has the model's weights" : errorMessage(lastError),
    { cause: lastError },
  );
}
