// Counts in a ledger's tables what must hold at every moment. The relay checks it at its start, as do tests and the
// soak.
import { type Kysely, sql } from "kysely";
import type { LedgerTables } from "./schema.ts";

export interface Audit {
  /** Sum of all entries, in microcredits. Must be 0. */
  readonly sum: number;
  /** Events whose entries do not sum to zero. Must be 0. */
  readonly unbalanced: number;
  /** Accounts whose balance is not the sum of their entries. Must be 0. */
  readonly drifted: number;
  /** Receipts without an event of their own, and events of receipts without a receipt. Must be 0. */
  readonly torn: number;
  readonly events: number;
  readonly receipts: number;
}

export async function audit(db: Kysely<LedgerTables>): Promise<Audit> {
  const { rows } = await sql<Record<keyof Audit, number | string>>`select
    (select coalesce(sum(amount), 0) from entries) as sum,
    (select count(*) from (select event_id from entries group by event_id having sum(amount) <> 0) as off) as unbalanced,
    (select count(*) from accounts where balance <>
      (select coalesce(sum(amount), 0) from entries where entries.account = accounts.account)) as drifted,
    (select count(*) from receipts where not exists
      (select 1 from events where business_id = 'receipt/' || receipts.work_id)) +
    (select count(*) from events where kind = 'receipt' and not exists
      (select 1 from receipts where 'receipt/' || receipts.work_id = events.business_id)) as torn,
    (select count(*) from events) as events,
    (select count(*) from receipts) as receipts`.execute(db);
  const row = rows[0];
  if (row === undefined) throw new Error("the audit has no result"); // a select of plain values always has one row
  // PostgreSQL counts and sums in types that arrive as text.
  return {
    sum: Number(row.sum),
    unbalanced: Number(row.unbalanced),
    drifted: Number(row.drifted),
    torn: Number(row.torn),
    events: Number(row.events),
    receipts: Number(row.receipts),
  };
}
