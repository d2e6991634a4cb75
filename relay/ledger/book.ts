// The ledger's tables inside one transaction. Reads what the rules need, and writes postings. Of the rules it knows
// only that a posting sums to zero.
import type { Transaction } from "kysely";
import type { HistoryRow } from "../../src/protocol/credit-frames.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import type { Verdict } from "../../src/protocol/receipt.ts";
import { available, escrow, type Posting, reserved, type Unchecked } from "./plan-posting.ts";
import type { LedgerTables } from "./schema.ts";

/** What the rules know of a peer besides its balance. */
export interface Standing {
  /** Microcredits of its allowance that it has used or reserved. */
  readonly starterUsed: number;
  /** Checked receipts since its last wrong result. */
  readonly checked: number;
  readonly trusted: boolean;
  readonly convictions: number;
}

export interface Reservation {
  readonly id: string;
  readonly peer: PeerId;
  /** What is left of the peer's own credit, and of its allowance; microcredits. */
  readonly own: number;
  readonly starter: number;
}

export class Book {
  readonly #tx: Transaction<LedgerTables>;
  /** Milliseconds since 1970, and never before the last event: a clock that was set back does not reverse the order. */
  readonly nowMs: number;

  private constructor(tx: Transaction<LedgerTables>, nowMs: number) {
    this.#tx = tx;
    this.nowMs = nowMs;
  }

  static async open(tx: Transaction<LedgerTables>, nowMs: number): Promise<Book> {
    const last = await tx.selectFrom("events").select("at_ms").orderBy("id", "desc").limit(1).executeTakeFirst();
    return new Book(tx, Math.max(nowMs, last?.at_ms ?? 0));
  }

  async balance(account: string): Promise<number> {
    const row = await this.#tx.selectFrom("accounts").select("balance").where("account", "=", account).executeTakeFirst();
    return row?.balance ?? 0;
  }

  async held(peer: PeerId): Promise<{ readonly own: number; readonly escrow: number }> {
    return { own: await this.balance(available(peer)), escrow: await this.balance(escrow(peer)) };
  }

  /** Whether an event with this business id was written. */
  async knows(businessId: string): Promise<boolean> {
    return (await this.#tx.selectFrom("events").select("id").where("business_id", "=", businessId).executeTakeFirst()) !== undefined;
  }

  /**
   * Writes an event. The caller has checked with `knows` that it is new. Throws if the entries do not sum to zero, or
   * if the database refuses them.
   */
  async post({ businessId, kind, about, entries }: Posting): Promise<void> {
    if (entries.reduce((sum, { amount }) => sum + amount, 0) !== 0) throw new Error(`${businessId} does not sum to zero`);
    const { id } = await this.#tx
      .insertInto("events")
      .values({ business_id: businessId, kind, about, at_ms: this.nowMs })
      .returning("id")
      .executeTakeFirstOrThrow();
    if (entries.length === 0) return;
    await this.#tx
      .insertInto("entries")
      .values(entries.map((entry) => ({ event_id: id, ...entry })))
      .execute();
    for (const { account, amount } of entries) {
      await this.#tx
        .insertInto("accounts")
        .values({ account, balance: 0 })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await this.#tx
        .updateTable("accounts")
        .set((row) => ({ balance: row("balance", "+", amount) }))
        .where("account", "=", account)
        .execute();
    }
  }

  /** Returns the peer's standing. A peer without an account has that of a newcomer. */
  async standing(peer: PeerId): Promise<Standing> {
    const row = await this.#tx.selectFrom("peers").selectAll().where("peer", "=", peer).executeTakeFirst();
    return {
      starterUsed: row?.starter_used ?? 0,
      checked: row?.checked ?? 0,
      trusted: row?.trusted === 1,
      convictions: row?.convictions ?? 0,
    };
  }

  async setStanding(peer: PeerId, { starterUsed, checked, trusted, convictions }: Standing): Promise<void> {
    const row = { starter_used: starterUsed, checked, trusted: trusted ? 1 : 0, convictions };
    await this.#tx
      .insertInto("peers")
      .values({ peer, first_ms: this.nowMs, ...row })
      .onConflict((conflict) => conflict.column("peer").doUpdateSet(row))
      .execute();
  }

  /** Notes that `requester` had work of `worker` checked. */
  async vouch(worker: PeerId, requester: PeerId): Promise<void> {
    await this.#tx
      .insertInto("vouchers")
      .values({ worker, requester })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /** Returns how many different requesters vouched for `worker`. */
  async vouchers(worker: PeerId): Promise<number> {
    const row = await this.#tx
      .selectFrom("vouchers")
      .select((select) => select.fn.countAll<number>().as("count"))
      .where("worker", "=", worker)
      .executeTakeFirstOrThrow();
    return row.count;
  }

  async forgetVouchers(worker: PeerId): Promise<void> {
    await this.#tx.deleteFrom("vouchers").where("worker", "=", worker).execute();
  }

  /** Returns an open reservation of `peer`. */
  async reservation(peer: PeerId, id: string): Promise<Reservation | undefined> {
    const row = await this.#tx
      .selectFrom("reservations")
      .selectAll()
      .where("id", "=", reservationKey(peer, id))
      .where("is_open", "=", 1)
      .executeTakeFirst();
    return row && { id, peer, own: row.own, starter: row.starter };
  }

  /** Returns open reservations whose time is over, at most `limit`. */
  async expired(limit: number): Promise<readonly Reservation[]> {
    const rows = await this.#tx
      .selectFrom("reservations")
      .selectAll()
      .where("is_open", "=", 1)
      .where("expires_ms", "<=", this.nowMs)
      .limit(limit)
      .execute();
    return rows.map((row) => {
      const [peer = "", id = ""] = row.id.split("/");
      return { id, peer: peer as PeerId, own: row.own, starter: row.starter }; // written by `addReservation`
    });
  }

  async addReservation({ id, peer, own, starter }: Reservation, expiresMs: number): Promise<void> {
    await this.#tx
      .insertInto("reservations")
      .values({ id: reservationKey(peer, id), peer, own, starter, expires_ms: expiresMs, is_open: 1 })
      .execute();
  }

  async setReservation({ id, peer, own, starter }: Reservation, isOpen: boolean): Promise<void> {
    await this.#tx
      .updateTable("reservations")
      .set({ own, starter, is_open: isOpen ? 1 : 0 })
      .where("id", "=", reservationKey(peer, id))
      .execute();
  }

  async receipt(workId: string): Promise<{ readonly digest: string; readonly price: number; readonly isReopened: boolean } | undefined> {
    const row = await this.#tx
      .selectFrom("receipts")
      .select(["digest", "price", "reopened"])
      .where("work_id", "=", workId)
      .executeTakeFirst();
    return row && { digest: row.digest, price: row.price, isReopened: row.reopened === 1 };
  }

  /**
   * Returns receipts of `worker` since `sinceMs` that nobody checked, without `except`: the latest first, at most
   * `limit`.
   */
  async recentUnchecked(worker: PeerId, except: string, sinceMs: number, limit: number): Promise<readonly Unchecked[]> {
    const rows = await this.#tx
      .selectFrom("receipts")
      .select(["work_id", "price", "escrowed"])
      .where("worker", "=", worker)
      .where("verdict", "=", "unchecked" satisfies Verdict)
      .where("at_ms", ">=", sinceMs)
      .where("reopened", "=", 0)
      .where("work_id", "<>", except)
      .orderBy("at_ms", "desc")
      .orderBy("work_id")
      .limit(limit)
      .execute();
    return rows.map((row) => ({ workId: row.work_id, paid: row.price - row.escrowed }));
  }

  async reopen(receipts: readonly Unchecked[]): Promise<void> {
    for (const { workId, paid } of receipts)
      await this.#tx.updateTable("receipts").set({ reopened: 1, waiting: paid }).where("work_id", "=", workId).execute();
  }

  /** No pay waits any more until this worker's receipts are checked. */
  async forgetWaiting(worker: PeerId): Promise<void> {
    await this.#tx.updateTable("receipts").set({ waiting: 0 }).where("worker", "=", worker).where("reopened", "=", 1).execute();
  }

  /** A reopened receipt has its verdict. Returns the microcredits that waited for it. */
  async closeAgain(workId: string, verdict: Verdict): Promise<number> {
    const row = await this.#tx.selectFrom("receipts").select("waiting").where("work_id", "=", workId).executeTakeFirstOrThrow();
    await this.#tx.updateTable("receipts").set({ reopened: 0, waiting: 0, verdict }).where("work_id", "=", workId).execute();
    return row.waiting;
  }

  /** Returns the last movements of the peer's accounts, the newest first. */
  async history(peer: PeerId, limit: number): Promise<HistoryRow[]> {
    const parts = new Map<string, HistoryRow["part"]>([
      [available(peer), "available"],
      [escrow(peer), "escrow"],
      [reserved(peer), "reserved"],
    ]);
    const rows = await this.#tx
      .selectFrom("entries")
      .innerJoin("events", "events.id", "entries.event_id")
      .select(["entries.event_id", "events.at_ms", "events.kind", "events.about", "entries.account", "entries.amount"])
      .where("entries.account", "in", [...parts.keys()])
      .orderBy("entries.event_id", "desc")
      .orderBy("entries.account")
      .limit(limit)
      .execute();
    return rows.map(({ event_id, at_ms, kind, about, account, amount }) => ({
      event: event_id,
      atMs: at_ms,
      why: kind,
      part: parts.get(account) ?? "available", // the query selects these three alone
      amount,
      about,
    }));
  }

  async addReceipt(row: Omit<LedgerTables["receipts"], "at_ms" | "reopened" | "waiting">): Promise<void> {
    await this.#tx
      .insertInto("receipts")
      .values({ ...row, reopened: 0, waiting: 0, at_ms: this.nowMs })
      .execute();
  }
}

/** Each peer names its own reservations, so no peer can use another one's name. */
const reservationKey = (peer: PeerId, id: string): string => `${peer}/${id}`;
