// The ledger's tables, as Kysely sees them.
import type { Generated } from "kysely";

/** One thing that happened. Its entries sum to zero. The database refuses to change or remove it. */
interface EventTable {
  id: Generated<number>;
  /** The unique name of what happened, which finds the event if the same thing is posted again. */
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

/** The sum of an account's entries so far. It is negative for `issue` alone. */
interface AccountTable {
  account: string;
  balance: number;
}

/** What the rules know of a peer besides its balance. */
interface PeerTable {
  peer: string;
  first_ms: number;
  starter_used: number;
  /** Checked receipts since the last wrong result. */
  checked: number;
  trusted: number;
  convictions: number;
}

/** Requesters that vouched for a worker since its last wrong result. Trust takes several of them. */
interface VoucherTable {
  worker: string;
  requester: string;
}

interface ReservationTable {
  id: string;
  peer: string;
  /** What is left of the peer's own credit, and of its allowance; microcredits. */
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
  /** The part of the price that went into escrow. */
  escrowed: number;
  /** 1 if a conviction reopened the receipt; and what has waited in escrow for its check since then. */
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
