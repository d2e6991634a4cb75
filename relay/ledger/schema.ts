// The ledger's tables, as Kysely sees them.
import type { Generated } from "kysely";

/** One thing that happened. Its entries sum to zero. Never changed, never removed: the database refuses both. */
interface EventTable {
  id: Generated<number>;
  /** What happened, by its own name in the world: the same thing told twice finds its first telling here. */
  business_id: string;
  kind: string;
  at_ms: number;
  about: string;
}

interface EntryTable {
  event_id: number;
  account: string;
  /** Microcredits. */
  amount: number;
}

/** The running sum of an account's entries; below zero for `issue` alone. */
interface AccountTable {
  account: string;
  balance: number;
}

/** What the rules need to know of a peer beside its money. */
interface PeerTable {
  peer: string;
  first_ms: number;
  starter_used: number;
  /** Checked receipts since the last wrong result. */
  checked: number;
  trusted: number;
  convictions: number;
}

/** Who vouched for whom since the last wrong result: trust wants different requesters. */
interface VoucherTable {
  worker: string;
  requester: string;
}

interface ReservationTable {
  id: string;
  peer: string;
  /** What is left of the peer's own, and of its starter allowance; microcredits. */
  own: number;
  starter: number;
  expires_ms: number;
  is_open: number;
}

interface ReceiptTable {
  work_id: string;
  worker: string;
  requester: string;
  verdict: string;
  /** Hex SHA-256 of the claim: another claim for the same work is a conflict. */
  digest: string;
  price: number;
  /** Of the price, what went into escrow. */
  escrowed: number;
  /** 1 where a conviction opened it again, and what waits in escrow for its check since. */
  reopened: number;
  waiting: number;
  at_ms: number;
}

export interface LedgerTables {
  events: EventTable;
  entries: EntryTable;
  accounts: AccountTable;
  peers: PeerTable;
  vouchers: VoucherTable;
  reservations: ReservationTable;
  receipts: ReceiptTable;
}
