// This tab's side of the ledger: its key, the receipts that wait in this browser, the account as the relay tells it.
import { AccountKeeper, type AccountKeeperOptions, type CreditState } from "../../credit/account-keeper.ts";
import { type Signer, signerOf } from "../../credit/ed25519.ts";
import { IdbReceiptStore } from "../../credit/idb-receipt-store.browser.ts";
import { MemoryReceiptStore } from "../../credit/memory-receipt-store.ts";
import { ReceiptOutbox } from "../../credit/receipt-outbox.ts";
import type { ReceiptStore } from "../../credit/receipt-store.ts";
import type { TileShelf } from "../../mesh/ports/tile-exchange.ts";
import type { Account } from "../../protocol/credit-frames.ts";
import type { Receipt } from "../../protocol/receipt.ts";
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
  /** Milliseconds that receipts get to be posted before what was set aside for them is given back. */
  postMs: 10_000,
});

/** Credit that is set aside. */
export interface Reservation {
  readonly id: string;
  /** `low`: a part of it is the allowance of those who have nothing. */
  readonly priority: "normal" | "low";
  /** Gives back what is left. Never throws. */
  release(): Promise<void>;
}

/** Runs from `start` until `stop`. */
export class TabAccount {
  /** Signs claims, verdicts and countersignatures of this peer. */
  readonly signer: Signer;
  readonly #keeper: AccountKeeper;
  readonly #store: ReceiptStore;
  readonly #clock: Clock;
  readonly #life = new AbortController();
  readonly #done: Promise<void>;

  private constructor(options: TabAccountOptions, store: ReceiptStore) {
    this.signer = signerOf(options.seed);
    this.#store = store;
    this.#clock = options.clock;
    this.#keeper = new AccountKeeper({
      ...options,
      outbox: new ReceiptOutbox({ store, now: Date.now, clock: options.clock, log: options.log }),
      shelf: { get: (hash) => options.shelf.get(toHex(hash)) },
    });
    this.#keeper.on("credit:changed", options.onState);
    this.#done = this.#keeper.run(this.#life.signal);
  }

  static async start(options: TabAccountOptions): Promise<TabAccount> {
    const kept = IdbReceiptStore.open("manyhands-receipts");
    return new TabAccount(options, await orInMemory<ReceiptStore>(kept, () => new MemoryReceiptStore(), "receipts", options.log));
  }

  /** Keeps a complete receipt and sends it to the ledger soon. */
  add(receipt: Receipt): Promise<void> {
    return this.#keeper.add(receipt);
  }

  /**
   * Sets microcredits aside for `forMs`; waits for the stream to the ledger. Throws BAD_INPUT where there is not enough,
   * LEDGER_UNAVAILABLE, RELAY_UNREACHABLE, or the signal's reason.
   */
  async reserve(micro: number, forMs: number, signal: AbortSignal): Promise<Reservation> {
    const client = await this.#keeper.ledger(signal);
    const id = toHex(crypto.getRandomValues(new Uint8Array(16)));
    const priority = await client.reserve(id, micro, forMs, signal);
    if (priority === "refused") throw new ManyhandsError("BAD_INPUT", "Your account does not hold that much credit: offer less.");
    return { id, priority, release: () => this.#release(id) };
  }

  /** After the receipts that it pays, which wait here until the ledger has them. Its time ends it where that fails. */
  async #release(id: string): Promise<void> {
    const { signal } = this.#life;
    if (this.#keeper.state.waiting > 0) {
      const posted = new AbortController();
      const stop = this.#keeper.on("credit:changed", ({ waiting }) => waiting === 0 && posted.abort());
      this.#keeper.look();
      await this.#clock.sleep(DEFAULTS.postMs, AbortSignal.any([signal, posted.signal])).catch(() => {}); // posted, or the tab leaves
      stop();
    }
    await this.#keeper.client?.release(id, signal).catch(() => {}); // it ends with its time
    this.#keeper.look();
  }

  /** As the relay tells it now. Throws LEDGER_UNAVAILABLE, PEER_LOST, or the signal's reason. */
  account(signal: AbortSignal): Promise<Account> {
    return this.#keeper.account(signal);
  }

  async stop(): Promise<void> {
    this.#life.abort(new Error("the tab leaves"));
    await this.#done;
    this.#store.close();
  }
}
