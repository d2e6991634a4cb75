// Keeps this peer's account up to date: keeps a stream to the ledger, empties the outbox, and asks for the account
// again and again. Reconnects by itself.
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

const DEFAULTS = Object.freeze({
  /** Milliseconds after which the account is asked for again if no receipt came in between. */
  lookMs: 30_000,
  /** Milliseconds that a receipt waits for others, so that those of one moment go in one batch. */
  gatherMs: 2000,
  /**
   * Milliseconds that it waits after a batch. Each batch takes a dozen messages, and transactions here and at the
   * relay, however many receipts are in it.
   */
  restMs: 10_000,
  /** Before a lost stream is opened again. */
  backoff: { firstMs: 1000, mostMs: 30_000, jitter: 0.5 },
});

/** What the page shows. */
export interface CreditState {
  /** As the relay reported it last. Undefined until then. */
  readonly account: Account | undefined;
  /** How many receipts the ledger does not have yet. */
  readonly waiting: number;
  /** Whether they outlive the page. */
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

/** Works while `run` does. */
export class AccountKeeper implements Observable<{ readonly "credit:changed": CreditState }> {
  readonly #options: AccountKeeperOptions;
  readonly #events = new Emitter<{ readonly "credit:changed": CreditState }>();
  #state: CreditState;
  #client: CreditClient | undefined;
  /**
   * Both are new with each batch. `#added` aborts when a receipt comes, and `#hurry` when the pause has to end at once.
   */
  #added = new AbortController();
  #hurry = new AbortController();
  /** Settles once the listeners know of the receipts that were added in this turn. */
  #notifying: Promise<void> | undefined;

  constructor(options: AccountKeeperOptions) {
    this.#options = options;
    this.#state = { account: undefined, waiting: 0, isKept: options.outbox.isKept };
  }

  get state(): CreditState {
    return this.#state;
  }

  /** The ledger, or undefined while there is no stream to it. */
  get client(): CreditClient | undefined {
    return this.#client;
  }

  /** Returns the ledger once there is a stream to it, a moment after joining. Throws the signal's reason. */
  async ledger(signal: AbortSignal): Promise<CreditClient> {
    while (this.#client === undefined) {
      const changed = Promise.withResolvers<void>();
      const stop = this.on("credit:changed", () => changed.resolve());
      await abortable(changed.promise, signal).finally(stop);
    }
    return this.#client;
  }

  /**
   * Asks for the account now, and returns it. Waits for the stream to the ledger. Throws LEDGER_UNAVAILABLE,
   * RELAY_UNREACHABLE, PEER_LOST, or the signal's reason.
   */
  async account(signal: AbortSignal): Promise<Account> {
    const client = await this.ledger(signal);
    const account = await client.account(signal);
    await this.#changed({ account });
    return account;
  }

  on(name: "credit:changed", listener: (state: CreditState) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Keeps a receipt, and sends it soon. Resolves once it is kept. */
  async add(receipt: Receipt): Promise<void> {
    if (!(await this.#options.outbox.add(receipt))) this.#options.log.warn("too many receipts wait; this one is lost");
    this.#added.abort();
    this.#notifying ??= Promise.resolve().then(() => {
      this.#notifying = undefined;
      return this.#changed();
    });
    await this.#notifying;
  }

  /** Sends the waiting receipts and asks for the account now, because something moved. */
  look(): void {
    this.#hurry.abort();
  }

  /** Resolves when `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.#changed();
        const link = await this.#options.relay.openRelay(PROTOCOLS.credit, signal);
        const client = new CreditClient({ link, shelf: this.#options.shelf, clock: this.#options.clock, log: this.#options.log });
        this.#client = client;
        void client.closed.then(() => this.#hurry.abort());
        for (;;) {
          this.#added = new AbortController();
          this.#hurry = new AbortController();
          const sent = await this.#options.outbox.flush(client, signal);
          await this.#changed({ account: await client.account(signal) });
          failures = 0;
          await this.#pause(sent > 0 ? DEFAULTS.restMs : DEFAULTS.gatherMs, signal);
        }
      } catch (error) {
        if (!isAbort(error, signal)) this.#options.log.debug("the ledger cannot be reached", { message: errorMessage(error) });
      }
      await this.#client?.stop();
      this.#client = undefined;
      await this.#sleep(backoffMs(DEFAULTS.backoff, failures + 1, this.#options.random()), signal);
    }
  }

  /** Waits for `lookMs`. If a receipt comes, waits `gatherMs` from then on instead. `#hurry` ends either wait. */
  async #pause(gatherMs: number, signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, this.#hurry.signal]);
    await this.#sleep(DEFAULTS.lookMs, AbortSignal.any([over, this.#added.signal]));
    if (this.#added.signal.aborted) await this.#sleep(gatherMs, over);
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
