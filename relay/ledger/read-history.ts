// The last movements of a peer's accounts, with why: what the page lists.
import type { Transaction } from "kysely";
import type { HistoryRow } from "../../src/protocol/credit-frames.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import { available, escrow, reserved } from "./plan-posting.ts";
import type { LedgerTables } from "./schema.ts";

/** The newest first. */
export async function readHistory(transaction: Transaction<LedgerTables>, peer: PeerId, limit: number): Promise<HistoryRow[]> {
  const parts = new Map<string, HistoryRow["part"]>([
    [available(peer), "available"],
    [escrow(peer), "escrow"],
    [reserved(peer), "reserved"],
  ]);
  const rows = await transaction
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
    part: parts.get(account) ?? "available", // the query asks for these three alone
    amount,
    about,
  }));
}
