// The ledger: posts receipts, keeps reservations, and reads accounts. Each call is one transaction, and resolves once
// that is on the disk.
import type { Account, CreditReply, Outcome } from "../../src/protocol/credit-frames.ts";
import { errorMessage, ManyhandsError } from "../../src/shared/errors.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import type { Appraised } from "./appraise-receipt.ts";
import { audit, type Audit } from "./audit.ts";
import { Book, type Reservation } from "./book.ts";
import { type LedgerDatabase, type LedgerLocation, openDatabase } from "./open-database.ts";
import {
  available,
  entriesOf,
  escrow,
  escrowOf,
  LEDGER_RULES,
  planPool,
  planRelease,
  planReservation,
  POOL,
  reserved,
  storagePay,
} from "./plan-posting.ts";
import { settle, starterLeft } from "./settle-receipt.ts";

const DEFAULTS = Object.freeze({
  /** Expired reservations that one transaction releases. The next one releases the rest. */
  expireAtOnce: 50,
  /** Rows of history in an account. */
  history: 25,
  /** Milliseconds after which the same tile earns again. */
  storageMs: 3600_000,
});

export type Priority = Extract<CreditReply, { readonly kind: "reserved" }>["priority"];

export interface LedgerOptions extends LedgerLocation {
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** All methods throw LEDGER_UNAVAILABLE if the database fails. They have written nothing then. */
export class Ledger {
  readonly #database: LedgerDatabase;
  readonly #now: () => number;

  private constructor(database: LedgerDatabase, now: () => number) {
    this.#database = database;
    this.#now = now;
  }

  /** Opens, migrates and audits a ledger. Throws LEDGER_UNAVAILABLE, also if the ledger does not add up. */
  static async open(options: LedgerOptions): Promise<Ledger> {
    const database = await openDatabase(options);
    const ledger = new Ledger(database, options.now);
    try {
      const { sum, unbalanced, drifted, torn } = await ledger.audit();
      if (sum !== 0 || unbalanced + drifted + torn > 0) {
        throw new ManyhandsError(
          "LEDGER_UNAVAILABLE",
          `The ledger does not add up (sum ${sum}, ${unbalanced} events, ${drifted} accounts, ${torn} receipts): restore it from a backup.`,
        );
      }
      return ledger;
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  get engine(): LedgerDatabase["engine"] {
    return this.#database.engine;
  }

  /** Posts receipts in one transaction. Returns the outcomes in the same order. */
  async post(receipts: readonly Appraised[]): Promise<readonly Outcome[]> {
    return this.#write(async (book) => {
      const outcomes: Outcome[] = [];
      for (const receipt of receipts) outcomes.push(await settle(book, receipt));
      return outcomes;
    });
  }

  /** Reserves `amount` microcredits for `forMs` milliseconds. To reserve the same `id` twice makes one reservation. */
  async reserve(peer: PeerId, id: string, amount: number, forMs: number): Promise<Priority> {
    return this.#write(async (book) => {
      const made = await book.reservation(peer, id);
      if (made !== undefined) return made.starter > 0 ? "low" : "normal";
      if (await book.knows(`reserve/${peer}/${id}`)) return "refused"; // it was spent or released, and an id is used once
      const standing = await book.standing(peer);
      const own = Math.min(amount, await book.balance(available(peer)));
      const starter = amount - own;
      if (starter > (await starterLeft(book, standing.starterUsed))) return "refused";
      await book.post(planReservation(peer, id, own, starter));
      await book.addReservation({ id, peer, own, starter }, book.nowMs + forMs);
      if (starter > 0) await book.setStanding(peer, { ...standing, starterUsed: standing.starterUsed + starter });
      return starter > 0 ? "low" : "normal";
    });
  }

  /** Releases what is left of a reservation. Idempotent. */
  async release(peer: PeerId, id: string): Promise<void> {
    await this.#write(async (book) => {
      const made = await book.reservation(peer, id);
      if (made !== undefined) await release(book, made, "release");
    });
  }

  /** Pays for a storage proof. Returns the microcredits: 0 if the tile is not rare, or was paid for lately. */
  async earnStorage(peer: PeerId, tile: string, holders: number): Promise<number> {
    return this.#write(async (book) => {
      const businessId = `storage/${peer}/${tile}/${Math.floor(book.nowMs / DEFAULTS.storageMs)}`;
      const amount = Math.min(storagePay(holders), await book.balance(POOL));
      if (amount === 0 || (await book.knows(businessId))) return 0;
      const escrowed = escrowOf(amount, (await book.standing(peer)).trusted);
      await book.post({
        businessId,
        kind: "storage",
        about: `tile ${tile.slice(0, 12)}`,
        entries: entriesOf([
          [POOL, -amount],
          [available(peer), amount - escrowed],
          [escrow(peer), escrowed],
        ]),
      });
      return amount;
    });
  }

  async account(peer: PeerId): Promise<Account> {
    return this.#write(async (book) => {
      const { starterUsed, checked, trusted } = await book.standing(peer);
      return {
        available: await book.balance(available(peer)),
        escrow: await book.balance(escrow(peer)),
        reserved: await book.balance(reserved(peer)),
        starterLeft: Math.max(0, LEDGER_RULES.starter - starterUsed),
        isTrusted: trusted,
        checksToTrust: trusted ? 0 : Math.max(0, LEDGER_RULES.checksToTrust - checked),
        requestersToTrust: trusted ? 0 : Math.max(0, LEDGER_RULES.requestersToTrust - (await book.vouchers(peer))),
        nowMs: this.#now(),
        history: await book.history(peer, DEFAULTS.history),
      };
    });
  }

  /** Counts what must always hold. See `Audit`. */
  async audit(): Promise<Audit> {
    return audit(this.#database.db);
  }

  async close(): Promise<void> {
    await this.#database.close();
  }

  /** Runs `run` in one transaction, after the pool was filled up and expired reservations were released. */
  async #write<T>(run: (book: Book) => Promise<T>): Promise<T> {
    try {
      return await this.#database.alone(async (transaction) => {
        const book = await Book.open(transaction, this.#now());
        const pool = planPool(book.nowMs, await book.balance(POOL));
        if (!(await book.knows(pool.businessId))) await book.post(pool);
        for (const late of await book.expired(DEFAULTS.expireAtOnce)) await release(book, late, "expire");
        return run(book);
      });
    } catch (cause) {
      throw new ManyhandsError("LEDGER_UNAVAILABLE", `The ledger could not be written: ${errorMessage(cause)}`, { cause });
    }
  }
}

async function release(book: Book, made: Reservation, kind: "release" | "expire"): Promise<void> {
  await book.post(planRelease(made.peer, made.id, made, kind));
  await book.setReservation({ ...made, own: 0, starter: 0 }, false);
  if (made.starter === 0) return;
  const standing = await book.standing(made.peer);
  await book.setStanding(made.peer, { ...standing, starterUsed: standing.starterUsed - made.starter });
}
