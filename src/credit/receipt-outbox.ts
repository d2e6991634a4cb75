// Receipts on their way to the ledger: kept until it has acknowledged or refused each for good, sent again until then.
import { CREDIT_LIMITS, type Outcome, type ReceiptRefusal } from "../protocol/credit-frames.ts";
import { encodeReceipt, RECEIPT_LIMITS, type Receipt, workId } from "../protocol/receipt.ts";
import { backoffMs } from "../shared/backoff.ts";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import type { ReceiptStore, WaitingReceipt } from "./receipt-store.ts";
import { DEFAULTS as VERIFY } from "./verify-receipt.ts";

export const DEFAULTS = Object.freeze({
  /** Receipts that wait at most: a week of one every two minutes; about 4 MB. */
  waiting: 5000,
  /** Before a receipt that was put off is sent again. */
  backoff: { firstMs: 60_000, mostMs: 3600_000, jitter: 0 },
  /** Receipts that are read, and struck out once sent, in one transaction of the store. */
  atOnce: 128,
  /** Milliseconds between two writes: a transaction takes as much computing as all the rest of a receipt. */
  restMs: 2000,
});

/** Refusals that time may mend: the requester earns, a clock is set right, the operator adds the model. */
const PASSING: ReadonlySet<ReceiptRefusal> = new Set(["unfunded", "too-early", "unknown-model"]);

/** Where receipts go: the client of a relay. */
export interface ReceiptSink {
  /** Receipts in canonical bytes; an outcome for each. */
  post(receipts: readonly Uint8Array[], signal: AbortSignal): Promise<readonly Outcome[]>;
}

export interface ReceiptOutboxOptions {
  readonly store: ReceiptStore;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Log;
}

/** No frame may have others; none is made here, but what was damaged must not hold up the rest. */
const isSendable = ({ bytes }: WaitingReceipt): boolean => bytes.byteLength > 0 && bytes.byteLength <= RECEIPT_LIMITS.bytes;

interface Write {
  readonly rows: WaitingReceipt[];
  readonly written: Promise<void>;
}

export class ReceiptOutbox {
  readonly #options: ReceiptOutboxOptions;
  #flushing: Promise<number> | undefined;
  /** The next write, which begins a rest after the one before it. */
  #next: Write | undefined;
  #rested: Promise<unknown> = Promise.resolve();
  /** How many wait, as the store told last. */
  #waiting: number | undefined;

  constructor(options: ReceiptOutboxOptions) {
    this.#options = options;
  }

  get isKept(): boolean {
    return this.#options.store.isKept;
  }

  /** Resolves once the receipt is kept. False where so many wait that it was not: a relay that is gone for good. */
  async add(receipt: Receipt): Promise<boolean> {
    const { claim, verdict } = receipt.statement;
    if ((await this.waiting()) >= DEFAULTS.waiting) return false;
    const bytes = encodeReceipt(receipt);
    this.#next ??= this.#nextWrite();
    this.#next.rows.push({ key: `${workId(claim)}#${verdict}`, bytes, addedMs: this.#options.now(), tries: 0, notBeforeMs: 0 });
    await this.#next.written;
    return true;
  }

  async waiting(): Promise<number> {
    return (this.#waiting ??= await this.#options.store.count());
  }

  /**
   * Sends what is due, batch after batch, and answers how many the ledger dealt with. Throws what `sink.post` throws;
   * everything that was not dealt with waits on. A second call while one runs joins it.
   */
  flush(sink: ReceiptSink, signal: AbortSignal): Promise<number> {
    this.#flushing ??= this.#flush(sink, signal).finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  async #flush(sink: ReceiptSink, signal: AbortSignal): Promise<number> {
    const { store, now } = this.#options;
    for (let settled = 0; ;) {
      signal.throwIfAborted();
      const rows = await store.due(now(), DEFAULTS.atOnce);
      if (rows.length === 0) {
        this.#waiting = await store.count(); // another tab of this browser may have sent some
        return settled;
      }
      const sendable = rows.filter(isSendable);
      const done = rows.filter((row) => !isSendable(row)).map(({ key }) => key);
      const postponed: WaitingReceipt[] = [];
      try {
        for (let at = 0; at < sendable.length; at += CREDIT_LIMITS.receipts) {
          const batch = sendable.slice(at, at + CREDIT_LIMITS.receipts);
          const outcomes = await sink.post(
            batch.map(({ bytes }) => bytes),
            signal,
          );
          for (const [index, row] of batch.entries()) {
            const isLater = this.#isPassing(outcomes[index]) && now() - row.addedMs <= VERIFY.ageMs;
            if (isLater) postponed.push(this.#postponed(row));
            else done.push(row.key);
          }
        }
      } finally {
        this.#waiting = await store.write(postponed, done);
      }
      settled += done.length;
      if (rows.length < DEFAULTS.atOnce) return settled;
    }
  }

  #nextWrite(): Write {
    const { store, clock } = this.#options;
    const rows: WaitingReceipt[] = [];
    const written = this.#rested.then(async () => {
      this.#next = undefined;
      this.#waiting = await store.write(rows);
    });
    const rest = (): Promise<void> => clock.sleep(DEFAULTS.restMs);
    this.#rested = written.then(rest, rest); // what fails is told to those who added
    return { rows, written };
  }

  #isPassing(outcome: Outcome | undefined): boolean {
    if (outcome?.kind !== "refused") return false;
    this.#options.log.info("a receipt was refused", { reason: outcome.reason });
    return PASSING.has(outcome.reason);
  }

  #postponed(row: WaitingReceipt): WaitingReceipt {
    const pauseMs = backoffMs(DEFAULTS.backoff, row.tries + 1, 0);
    return { ...row, tries: row.tries + 1, notBeforeMs: this.#options.now() + pauseMs };
  }
}
