// Keeps this peer's account in sight: holds the stream to the ledger, empties the outbox, asks for the account, comes back by itself.
import type { Link } from "../mesh/ports/link.ts";
import type { Account } from "../protocol/credit-frames.ts";
import type { Receipt } from "../protocol/receipt.ts";
import { PROTOCOLS } from "../protocol/version.ts";
import { abortable, isAbort } from "../shared/abort.ts";
import { backoffMs } from "../shared/backoff.ts";
import type { Clock } from "../shared/clock.ts";
import { errorMessage } from "../shared/errors.ts";
import { Emitter, type Observable } from "../shared/events.ts";
import type { Log } from "../shared/log.ts";
import { CreditClient, type CreditClientOptions } from "./credit-client.ts";
import type { ReceiptOutbox } from "./receipt-outbox.ts";

export const DEFAULTS = Object.freeze({
  /** Milliseconds between two looks at the account when nothing was sent. */
  lookMs: 30_000,
  /** Milliseconds after a receipt before it is sent: those of one moment go in one batch. */
  gatherMs: 2000,
  /** Milliseconds instead, after a batch: each is a dozen messages and transactions here and at the relay, however much is in it. */
  restMs: 10_000,
  /** Before a lost stream is opened again. */
  backoff: { firstMs: 1000, mostMs: 30_000, jitter: 0.5 },
});

/** What the page shows. */
export interface CreditState {
  /** As the relay told last; undefined until it has. */
  readonly account: Account | undefined;
  /** Receipts that the ledger does not have yet, and whether they outlive the page. */
  readonly waiting: number;
  readonly isKept: boolean;
}

export interface AccountKeeperOptions {
  /** The slice of the mesh that reaches the relay. */
  readonly relay: { openRelay(protocol: string, signal: AbortSignal): Promise<Link> };
  readonly outbox: ReceiptOutbox;
  readonly shelf: CreditClientOptions["shelf"];
  readonly clock: Clock;
  /** In [0, 1), for the jitter. */
  readonly random: () => number;
  readonly log: Log;
}

/** Runs from `start` until its signal aborts. */
export class AccountKeeper implements Observable<{ readonly "credit:changed": CreditState }> {
  readonly #options: AccountKeeperOptions;
  readonly #events = new Emitter<{ readonly "credit:changed": CreditState }>();
  #state: CreditState;
  #client: CreditClient | undefined;
  /** Since the last batch was begun, new with each: whether receipts came, and whether nothing is to wait. */
  #came = new AbortController();
  #hurry = new AbortController();
  /** What was added in one moment is told once. */
  #telling: Promise<void> | undefined;

  constructor(options: AccountKeeperOptions) {
    this.#options = options;
    this.#state = { account: undefined, waiting: 0, isKept: options.outbox.isKept };
  }

  get state(): CreditState {
    return this.#state;
  }

  /** The ledger; undefined while there is no stream to it. */
  get client(): CreditClient | undefined {
    return this.#client;
  }

  /** The ledger; waits for the stream to it, which comes a moment after joining. Throws the signal's reason. */
  async ledger(signal: AbortSignal): Promise<CreditClient> {
    while (this.#client === undefined) {
      const told = Promise.withResolvers<void>();
      const stop = this.on("credit:changed", () => told.resolve());
      await abortable(told.promise, signal).finally(stop);
    }
    return this.#client;
  }

  /** The account, asked for now; waits for the stream to the ledger. Throws LEDGER_UNAVAILABLE, PEER_LOST, or the signal's reason. */
  async account(signal: AbortSignal): Promise<Account> {
    const client = await this.ledger(signal);
    const account = await client.account(signal);
    await this.#changed({ account });
    return account;
  }

  on(name: "credit:changed", listener: (state: CreditState) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Keeps a receipt and sends it soon. Resolves once it is kept. */
  async add(receipt: Receipt): Promise<void> {
    if (!(await this.#options.outbox.add(receipt))) this.#options.log.warn("too many receipts wait; this one is lost");
    this.#came.abort();
    this.#telling ??= Promise.resolve().then(() => {
      this.#telling = undefined;
      return this.#changed();
    });
    await this.#telling;
  }

  /** Sends what waits and asks for the account now: something moved. */
  look(): void {
    this.#hurry.abort();
  }

  /** Settles, never rejects, when `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.#changed();
        const link = await this.#options.relay.openRelay(PROTOCOLS.credit, signal);
        const client = new CreditClient({ link, shelf: this.#options.shelf, clock: this.#options.clock, log: this.#options.log });
        this.#client = client;
        void client.closed.then(() => this.#hurry.abort());
        for (;;) {
          this.#came = new AbortController();
          this.#hurry = new AbortController();
          const sent = await this.#options.outbox.flush(client, signal);
          await this.#changed({ account: await client.account(signal) });
          failures = 0;
          await this.#pause(sent > 0 ? DEFAULTS.restMs : DEFAULTS.gatherMs, signal);
        }
      } catch (error) {
        if (!isAbort(error, signal)) this.#options.log.debug("the ledger is away", { message: errorMessage(error) });
      }
      await this.#client?.stop();
      this.#client = undefined;
      await this.#sleep(backoffMs(DEFAULTS.backoff, failures + 1, this.#options.random()), signal);
    }
  }

  /** Until it is time to look again, or receipts have waited for each other, or nothing is to wait. */
  async #pause(gatherMs: number, signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, this.#hurry.signal]);
    await this.#sleep(DEFAULTS.lookMs, AbortSignal.any([over, this.#came.signal]));
    if (this.#came.signal.aborted) await this.#sleep(gatherMs, over);
    signal.throwIfAborted();
  }

  async #changed(change: Partial<CreditState> = {}): Promise<void> {
    this.#state = { ...this.#state, ...change, waiting: await this.#options.outbox.waiting() };
    this.#events.emit("credit:changed", this.#state);
  }

  /** Ends early, without throwing, when the signal aborts. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(ms, signal).catch((error: unknown) => {
      if (!isAbort(error, signal)) throw error;
    });
  }
}
