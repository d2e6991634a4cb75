// This tab's side of the ledger: its key, the receipts that wait in this browser, and its account at the relay.
import { AccountKeeper, type AccountKeeperOptions, type CreditState } from "../../credit/account-keeper.ts";
import { type Signer, signerOf } from "../../credit/ed25519.ts";
import { IdbReceiptStore } from "../../credit/idb-receipt-store.browser.ts";
import { MemoryReceiptStore } from "../../credit/memory-receipt-store.ts";
import { ReceiptOutbox } from "../../credit/receipt-outbox.ts";
import type { ReceiptStore } from "../../credit/receipt-store.ts";
import type { TileShelf } from "../../mesh/ports/tile-exchange.ts";
import { toHex } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import { orInMemory } from "../platform/or-in-memory.ts";

export interface TabAccountOptions extends Pick<AccountKeeperOptions, "relay" | "clock" | "random"> {
  /** 32 bytes of this peer's key. */
  readonly seed: Uint8Array;
  readonly shelf: TileShelf;
  readonly log: Log;
  readonly onState: (state: CreditState) => void;
}

const DEFAULTS = Object.freeze({
  /** Milliseconds that receipts get to be posted before the reservation that they draw on is released. */
  postMs: 10_000,
});

/** Credit that is set aside for a job. */
export interface Reservation {
  readonly id: string;
  /** `low`: part of it is the allowance of a stranger. */
  readonly priority: "normal" | "low";
  /** Gives back the credit that is left. Never throws. */
  release(): Promise<void>;
}

/** Runs from `start` until `stop`. */
export class TabAccount {
  /** Signs claims, verdicts and countersignatures of this peer. */
  readonly signer: Signer;
  /** Sends receipts to the ledger, and knows the account. */
  readonly keeper: AccountKeeper;
  readonly #store: ReceiptStore;
  readonly #clock: Clock;
  readonly #life = new AbortController();
  readonly #done: Promise<void>;

  private constructor(options: TabAccountOptions, store: ReceiptStore) {
    this.signer = signerOf(options.seed);
    this.#store = store;
    this.#clock = options.clock;
    this.keeper = new AccountKeeper({
      ...options,
      outbox: new ReceiptOutbox({ store, now: Date.now, clock: options.clock, log: options.log }),
      shelf: { get: (hash) => options.shelf.get(toHex(hash)) },
    });
    this.keeper.on("credit:changed", options.onState);
    this.#done = this.keeper.run(this.#life.signal);
  }

  static async start(options: TabAccountOptions): Promise<TabAccount> {
    const kept = IdbReceiptStore.open("manyhands-receipts");
    return new TabAccount(options, await orInMemory<ReceiptStore>(kept, () => new MemoryReceiptStore(), "receipts", options.log));
  }

  /**
   * Sets microcredits aside for `forMs` milliseconds; waits for the stream to the ledger. Throws BAD_INPUT if the
   * account does not hold enough, LEDGER_UNAVAILABLE, RELAY_UNREACHABLE, or the signal's reason.
   */
  async reserve(micro: number, forMs: number, signal: AbortSignal): Promise<Reservation> {
    const client = await this.keeper.ledger(signal);
    const id = toHex(crypto.getRandomValues(new Uint8Array(16)));
    const priority = await client.reserve(id, micro, forMs, signal);
    if (priority === "refused") throw new ManyhandsError("BAD_INPUT", "Your account does not hold that much credit: offer less.");
    return { id, priority, release: () => this.#release(id) };
  }

  /** Waits until the ledger has the receipts that draw on it. If releasing fails, it ends with its time. */
  async #release(id: string): Promise<void> {
    const { signal } = this.#life;
    if (this.keeper.state.waiting > 0) {
      const posted = new AbortController();
      const stop = this.keeper.on("credit:changed", ({ waiting }) => waiting === 0 && posted.abort());
      this.keeper.look();
      await this.#clock.sleep(DEFAULTS.postMs, AbortSignal.any([signal, posted.signal])).catch(() => {}); // posted, or the tab leaves
      stop();
    }
    await this.keeper.client?.release(id, signal).catch(() => {}); // see above
    this.keeper.look();
  }

  async stop(): Promise<void> {
    this.#life.abort(new Error("the tab leaves"));
    await this.#done;
    this.#store.close();
  }
}
