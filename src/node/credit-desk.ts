// This tab's side of the ledger: its key, the receipts that wait in this browser, the account as the relay tells it.
import { AccountKeeper, type AccountKeeperOptions, type CreditState } from "../credit/account-keeper.ts";
import { type Signer, signerOf } from "../credit/ed25519.ts";
import { IdbReceiptStore } from "../credit/idb-receipt-store.browser.ts";
import { MemoryReceiptStore } from "../credit/memory-receipt-store.ts";
import { ReceiptOutbox } from "../credit/receipt-outbox.ts";
import type { ReceiptStore } from "../credit/receipt-store.ts";
import type { TileShelf } from "../mesh/tile-exchange.ts";
import type { Receipt } from "../protocol/receipt.ts";
import { toHex } from "../shared/bytes.ts";
import { errorMessage } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";

export interface CreditDeskOptions extends Pick<AccountKeeperOptions, "relay" | "clock" | "random"> {
  /** 32 bytes of this peer's key. */
  readonly seed: Uint8Array;
  readonly shelf: TileShelf;
  readonly log: Log;
  readonly onState: (state: CreditState) => void;
}

/** Runs from `start` until `stop`. */
export class CreditDesk {
  /** Signs claims, verdicts and countersignatures of this peer. */
  readonly signer: Signer;
  readonly #keeper: AccountKeeper;
  readonly #store: ReceiptStore;
  readonly #life = new AbortController();
  readonly #done: Promise<void>;

  private constructor(options: CreditDeskOptions, store: ReceiptStore) {
    this.signer = signerOf(options.seed);
    this.#store = store;
    this.#keeper = new AccountKeeper({
      ...options,
      outbox: new ReceiptOutbox({ store, now: Date.now, log: options.log }),
      shelf: { get: (hash) => options.shelf.get(toHex(hash)) },
    });
    this.#keeper.on("credit:changed", options.onState);
    this.#done = this.#keeper.run(this.#life.signal);
  }

  static async start(options: CreditDeskOptions): Promise<CreditDesk> {
    const store = await IdbReceiptStore.open("manyhands-receipts").catch((error: unknown) => {
      options.log.warn("receipts are not kept when this page closes", { message: errorMessage(error) });
      return new MemoryReceiptStore();
    });
    return new CreditDesk(options, store);
  }

  /** Keeps a complete receipt and sends it to the ledger soon. */
  add(receipt: Receipt): Promise<void> {
    return this.#keeper.add(receipt);
  }

  async stop(): Promise<void> {
    this.#life.abort(new Error("the tab leaves"));
    await this.#done;
    this.#store.close();
  }
}
