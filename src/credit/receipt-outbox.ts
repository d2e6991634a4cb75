// Receipts on their way to the ledger. Each is kept, and sent again, until the ledger has acknowledged it or refused it
// for good.
import { CREDIT_LIMITS, type Outcome, type ReceiptRefusal } from "../protocol/credit-frames.ts";
import { encodeReceipt, RECEIPT_LIMITS, type Receipt, workId } from "../protocol/receipt.ts";
import { backoffMs } from "../shared/backoff.ts";
import type { Clock } from "../shared/clock.ts";
import type { Log } from "../shared/log.ts";
import type { ReceiptStore, WaitingReceipt } from "./receipt-store.ts";
import { RECEIPT_RULES } from "./verify-receipt.ts";

export const OUTBOX_LIMITS = Object.freeze({
  /** Receipts that may wait: a week of one every two minutes, about 4 MB. */
  waiting: 5000,
  /** Before a postponed receipt is sent again. */
  backoff: { firstMs: 60_000, mostMs: 3600_000, jitter: 0 },
  /** Receipts that one transaction of the store reads, or removes once they are sent. */
  atOnce: 128,
  /** Milliseconds between two writes. A transaction takes as much computing as all the rest of a receipt. */
  restMs: 2000,
});

/** Refusals that may pass: the requester earns, a clock is corrected, the operator adds the model. */
const PASSING: ReadonlySet<ReceiptRefusal> = new Set(["unfunded", "too-early", "unknown-model"]);

/** Where receipts go: a relay's ledger. */
export interface ReceiptSink {
  /** Takes receipts in canonical bytes. Returns an outcome for each. */
  post(receipts: readonly Uint8Array[], signal: AbortSignal): Promise<readonly Outcome[]>;
}

export interface ReceiptOutboxOptions {
  readonly store: ReceiptStore;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Log;
}

/**
 * Whether a frame may carry the receipt. All that are made here qualify, but a damaged one must not delay the others.
 */
const isSendable = ({ bytes }: WaitingReceipt): boolean => bytes.byteLength > 0 && bytes.byteLength <= RECEIPT_LIMITS.bytes;

interface Write {
  readonly rows: WaitingReceipt[];
  readonly written: Promise<void>;
}

export class ReceiptOutbox {
  readonly #options: ReceiptOutboxOptions;
  #flushing: Promise<number> | undefined;
  /** The next write. It begins when the rest after the one before is over. */
  #next: Write | undefined;
  #rested: Promise<unknown> = Promise.resolve();
  /** How many wait, by the store's last report. */
  #waiting: number | undefined;

  constructor(options: ReceiptOutboxOptions) {
    this.#options = options;
  }

  get isKept(): boolean {
    return this.#options.store.isKept;
  }

  /** Resolves with true once the receipt is kept, or with false if too many wait: the relay may be gone for good. */
  async add(receipt: Receipt): Promise<boolean> {
    const { claim, verdict } = receipt.statement;
    if ((await this.waiting()) >= OUTBOX_LIMITS.waiting) return false;
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
   * Sends the receipts that are due, batch after batch. Returns how many are settled and wait no longer. Throws what
   * `sink.post` throws, and keeps all receipts that are not settled. A call during another one joins it.
   */
  flush(sink: ReceiptSink, signal: AbortSignal): Promise<number> {
    this.#flushing ??= this.#flush(sink, signal).finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  async #flush(sink: ReceiptSink, signal: AbortSignal): Promise<number> {
    const { store, now } = this.#options;
    for (let settled = 0; ;) {
      signal.throwIfAborted();
      const rows = await store.due(now(), OUTBOX_LIMITS.atOnce);
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
            const isWorthAnotherTry = this.#isPassing(outcomes[index]) && now() - row.addedMs <= RECEIPT_RULES.ageMs;
            if (isWorthAnotherTry) postponed.push(this.#postponed(row));
            else done.push(row.key);
          }
        }
      } finally {
        this.#waiting = await store.write(postponed, done);
      }
      settled += done.length;
      if (rows.length < OUTBOX_LIMITS.atOnce) return settled;
    }
  }

  #nextWrite(): Write {
    const { store, clock } = this.#options;
    const rows: WaitingReceipt[] = [];
    const written = this.#rested.then(async () => {
      this.#next = undefined;
      this.#waiting = await store.write(rows);
    });
    const rest = (): Promise<void> => clock.sleep(OUTBOX_LIMITS.restMs);
    this.#rested = written.then(rest, rest); // the callers of `add` get the error of a write that failed
    return { rows, written };
  }

  #isPassing(outcome: Outcome | undefined): boolean {
    if (outcome?.kind !== "refused") return false;
    this.#options.log.info("a receipt was refused", { reason: outcome.reason });
    return PASSING.has(outcome.reason);
  }

  #postponed(row: WaitingReceipt): WaitingReceipt {
    const pauseMs = backoffMs(OUTBOX_LIMITS.backoff, row.tries + 1, 0);
    return { ...row, tries: row.tries + 1, notBeforeMs: this.#options.now() + pauseMs };
  }
}
