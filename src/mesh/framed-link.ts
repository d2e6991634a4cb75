// A `Link` over any ordered pipe of bytes. It carries whole frames, the reader grants the writer credit, and a proper
// end differs from a loss.
import { encodeCredit, encodeGoodbye, encodeLinkFrame, frameCost, LINK, LinkFrameReader } from "../protocol/link-frames.ts";
import { abortable } from "../shared/abort.ts";
import { AsyncQueue } from "../shared/async-queue.ts";
import { concatBytes } from "../shared/bytes.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { PeerId } from "../shared/ids.ts";
import { oncePerTurn } from "../shared/once-per-turn.ts";
import type { Link } from "./ports/link.ts";

export const DEFAULTS = Object.freeze({
  /** Milliseconds that `close` waits for the other side before it cuts the pipe: a deaf one would never reply. */
  closeTimeoutMs: 5000,
  /** Bytes that one turn gathers at most. Further frames wait until these have left. */
  gatheredBytes: 16 * 1024,
});

interface WaitingFrame {
  readonly record: Uint8Array<ArrayBuffer>;
  readonly cost: number;
  readonly settle: (error?: Error) => void;
}

const lost = (why: string, cause?: unknown): ManyhandsError => new ManyhandsError("PEER_LOST", why, { cause });

/** What a pipe reports to its link. */
export interface PipeSink {
  bytes(chunk: Uint8Array): void;
  /** The pipe may have capacity again. */
  drained(): void;
  /** The other side writes no more, and everything before has arrived. */
  remoteEnded(): void;
  /** Nothing comes or goes any more. */
  closed(): void;
}

/** Ordered bytes to one peer, in both directions. */
export interface Pipe {
  /** The link calls this once, at the start. */
  attach(sink: PipeSink): void;
  readonly status: "open" | "ended";
  /** Whether `send` should wait for `drained`. */
  readonly full: boolean;
  /** Throws if the pipe is broken. */
  send(record: Uint8Array<ArrayBuffer>): void;
  /** Flushes, then ends. `parted` settles once the other side has said goodbye and writes no more. */
  close(signal: AbortSignal, parted: Promise<void>): Promise<void>;
  /** Ends at once. The other side sees a loss. */
  abort(reason: Error): void;
}

/** Owns its pipe: nobody else may read or write it. */
export class FramedLink implements Link {
  readonly remote: PeerId;
  readonly closed: Promise<void>;
  readonly #pipe: Pipe;
  readonly #queue = new AsyncQueue<Uint8Array>((frame) => this.#consumed(frame));
  readonly #reader = new LinkFrameReader({
    frame: (frame) => this.#received(frame),
    credit: (sizeBytes) => this.#credited(sizeBytes),
    goodbye: () => this.#parted(),
  });
  readonly #settleClosed: () => void;
  #state: "open" | "closing" | "over" = "open";
  #remoteParted = false;
  readonly #goodbye = Promise.withResolvers<void>();
  #lost = false;
  #closing: Promise<void> | undefined;
  /** Sends that wait for credit or for the transport, in order. */
  #waiting: WaitingFrame[] = [];
  /**
   * A transport may report that it drained while it is still inside its own `send`. A `send` from there would get lost.
   */
  readonly #pumpAfterTurn = oncePerTurn(() => this.#pump());
  /** Records written in this turn. `#leaving` settles once the pipe has them. */
  #gathered: Uint8Array<ArrayBuffer>[] = [];
  #gatheredBytes = 0;
  #leaving: Promise<void> | undefined;
  /** Called when `#waiting` has become empty. */
  #onFlushed: (() => void) | undefined;
  /** Cost of the frames that were sent and are not credited yet. */
  #underWay = 0;
  /** Cost of the frames that arrived and are not credited yet, read or not. */
  #held = 0;
  /** The part of `#held` that was read. */
  #owed = 0;

  constructor(pipe: Pipe, remote: PeerId) {
    this.remote = remote;
    this.#pipe = pipe;
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    this.#settleClosed = closed.resolve;
    pipe.attach({
      bytes: (chunk) => this.#receive(chunk),
      drained: () => this.#pumpSoon(),
      remoteEnded: () => this.#remoteEnded(),
      closed: () => this.#ended(),
    });
    if (pipe.status !== "open") this.#ended();
  }

  get frames(): AsyncIterable<Uint8Array> {
    return this.#queue;
  }

  /** Whether the link ended without a goodbye from the other side, and not because this side ended it. */
  get lost(): boolean {
    return this.#lost;
  }

  send(frame: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    if (this.#state !== "open" || this.#remoteParted) return Promise.reject(lost("the link is closed"));
    try {
      const record = encodeLinkFrame(frame);
      const cost = frameCost(frame.byteLength);
      if (this.#waiting.length > 0 || this.#blocked()) return this.#sendLater(record, cost, signal);
      this.#underWay += cost;
      return this.#write(record);
    } catch (error) {
      return Promise.reject(error); // the frame is too large
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#finish());
  }

  abort(reason: Error): void {
    if (this.#state === "over") return;
    this.#queue.clear();
    this.#over();
    this.#pipe.abort(reason);
  }

  async #finish(): Promise<void> {
    if (this.#state === "over") return this.closed;
    this.#state = "closing";
    const signal = AbortSignal.timeout(DEFAULTS.closeTimeoutMs);
    try {
      await abortable(this.#flushed(), signal);
      if (this.#pipe.status === "open") await this.#write(encodeGoodbye());
      await this.#pipe.close(signal, this.#goodbye.promise);
      await abortable(this.closed, signal);
    } catch (cause) {
      // The other side is gone or deaf, and nothing more can be flushed.
      this.abort(lost("the link did not close in time", cause));
    }
  }

  #flushed(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onFlushed = resolve;
    });
  }

  #blocked(): boolean {
    return this.#underWay >= LINK.windowBytes || this.#gatheredBytes >= DEFAULTS.gatheredBytes || this.#pipe.full;
  }

  /** Records of one turn leave together: each `send` of a pipe is a packet, and wakes the other side up. */
  #write(record: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#gathered.push(record);
    this.#gatheredBytes += record.byteLength;
    return (this.#leaving ??= Promise.resolve().then(() => this.#leave()));
  }

  #leave(): void {
    const records = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#leaving = undefined;
    if (this.#state === "over") throw lost("the link is closed");
    try {
      const [only] = records;
      this.#pipe.send(records.length === 1 && only !== undefined ? only : concatBytes(records));
    } catch (error) {
      throw lost("the link broke while sending", error);
    }
    this.#pumpSoon();
  }

  #sendLater(record: Uint8Array<ArrayBuffer>, cost: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting: WaitingFrame = {
        record,
        cost,
        settle: (error) => {
          signal?.removeEventListener("abort", onAbort);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        waiting.settle(signal?.reason as Error);
        if (this.#waiting.length === 0) this.#onFlushed?.();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  #pumpSoon(): void {
    if (this.#waiting.length > 0) this.#pumpAfterTurn();
  }

  #pump(): void {
    while (this.#state !== "over" && !this.#blocked()) {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) break;
      this.#underWay += waiting.cost;
      this.#write(waiting.record).then(() => waiting.settle(), waiting.settle);
    }
    if (this.#waiting.length === 0) this.#onFlushed?.();
  }

  #receive(chunk: Uint8Array): void {
    try {
      this.#reader.push(chunk);
    } catch (error) {
      this.#breach(error as Error); // the reader throws nothing but ManyhandsError
    }
  }

  #received(frame: Uint8Array): void {
    if (this.#state === "over") return;
    if (this.#held >= LINK.windowBytes) throw new ManyhandsError("FRAME_TOO_LARGE", "the peer sent more than its credit");
    this.#held += frameCost(frame.byteLength);
    this.#queue.push(frame);
  }

  #consumed(frame: Uint8Array): void {
    this.#owed += frameCost(frame.byteLength);
    if (this.#owed < LINK.creditBytes || this.#state === "over" || this.#pipe.status !== "open") return;
    this.#write(encodeCredit(this.#owed)).catch(() => {}); // a broken pipe reports `closed` as well
    this.#held -= this.#owed;
    this.#owed = 0;
  }

  #credited(sizeBytes: number): void {
    this.#underWay = Math.max(0, this.#underWay - sizeBytes);
    this.#pumpSoon();
  }

  #parted(): void {
    this.#remoteParted = true;
    this.#goodbye.resolve();
    this.#queue.end();
    this.#rejectWaiting(lost("the peer closed the link"));
    void this.close();
  }

  #breach(error: Error): void {
    if (this.#state === "over") return;
    this.#queue.end(error);
    this.#over();
    this.#pipe.abort(error);
  }

  #remoteEnded(): void {
    // The transport delivers everything before its end, so an end without a goodbye is a loss.
    if (this.#remoteParted || this.#state !== "open") return;
    this.#lost = true;
    this.#breach(lost("the peer left without closing the link"));
  }

  #ended(): void {
    if (this.#state === "open" && !this.#remoteParted) {
      this.#lost = true;
      this.#queue.end(lost("the connection to the peer closed"));
    }
    this.#over();
    this.#settleClosed();
  }

  #over(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#queue.end();
    this.#rejectWaiting(lost("the link is closed"));
  }

  #rejectWaiting(error: Error): void {
    for (const waiting of this.#waiting.splice(0)) waiting.settle(error);
    this.#onFlushed?.();
  }
}
