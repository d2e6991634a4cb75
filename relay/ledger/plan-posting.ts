// The rules of the ledger, as pure functions: what a payment, a conviction or a reservation moves.
import type { PeerId } from "../../src/shared/ids.ts";
import { MICRO } from "../../src/shared/micro.ts";

export const LEDGER_RULES = Object.freeze({
  /**
   * Allowance: microcredits that a peer without credit may spend in all, at low priority. They pay for 250 tokens of a
   * model of 8 billion weights.
   */
  starter: 2000 * MICRO,
  /**
   * Microcredits to which the pool is filled up each day. They bound what any number of fresh keys can spend in a day,
   * and what storage earns.
   */
  poolADay: 1_000_000 * MICRO,
  /** Part of a newcomer's pay that waits in escrow. */
  escrowPart: 0.5,
  /**
   * Checked receipts since its last wrong result after which a newcomer is trusted. A peer that cheats on a fifth of
   * its tasks is caught within 15.
   */
  checksToTrust: 20,
  /** Different requesters that these receipts must come from. */
  requestersToTrust: 3,
  /** Unchecked receipts of a peer that a conviction reopens, and the milliseconds for which they count as recent. */
  reopen: 256,
  reopenMs: 7 * 24 * 3600_000,
  /** Microcredits for a proof of a tile with one holder. Several holders share them. */
  storage: 10 * MICRO,
  /** With this many holders a tile is no longer rare, and its storage earns nothing. */
  rareHolders: 4,
});

export interface Entry {
  readonly account: string;
  /** Microcredits. The entries of a posting sum to zero. */
  readonly amount: number;
}

/** One event to be written, with everything that it moves. */
export interface Posting {
  readonly businessId: string;
  /** Why an account moved. The page words it. */
  readonly kind: string;
  readonly about: string;
  readonly entries: readonly Entry[];
}

/** The names of accounts. No balance but that of `issue` is ever negative. */
export const ISSUE = "issue";
export const POOL = "pool";
export const available = (peer: PeerId): string => `available:${peer}`;
export const escrow = (peer: PeerId): string => `escrow:${peer}`;
export const reserved = (peer: PeerId): string => `reserved:${peer}`;

/** Adds up the moves of each account, and leaves out accounts that do not move. */
export function entriesOf(moves: readonly (readonly [account: string, amount: number])[]): readonly Entry[] {
  const sums = new Map<string, number>();
  for (const [account, amount] of moves) sums.set(account, (sums.get(account) ?? 0) + amount);
  return [...sums].filter(([, amount]) => amount !== 0).map(([account, amount]) => ({ account, amount }));
}

/** Microcredits of a requester, by source. */
export interface Funds {
  /** What is left of the reservation that the receipt names: of the peer's own credit, and of its allowance. */
  readonly reservedOwn: number;
  readonly reservedStarter: number;
  readonly own: number;
  /** What is left of the allowance, or of the pool behind it if that is less. */
  readonly starter: number;
}

/**
 * Returns how much of `amount` each source pays. The reservation pays first, and of it the allowance. Returns undefined
 * if all sources together are too little.
 */
export function splitFunds(amount: number, funds: Funds): Funds | undefined {
  let rest = amount;
  const partOf = (source: number): number => {
    const part = Math.min(rest, source);
    rest -= part;
    return part;
  };
  const parts = {
    reservedStarter: partOf(funds.reservedStarter),
    reservedOwn: partOf(funds.reservedOwn),
    own: partOf(funds.own),
    starter: partOf(funds.starter),
  };
  return rest > 0 ? undefined : parts;
}

/** Returns the part of a worker's pay that goes into its escrow. */
export const escrowOf = (amount: number, isTrusted: boolean): number => (isTrusted ? 0 : Math.ceil(amount * LEDGER_RULES.escrowPart));

/** A requester pays a worker out of `from`, whose parts sum to the price. */
export function planPayment(
  work: { readonly workId: string; readonly about: string; readonly requester: PeerId; readonly worker: PeerId },
  from: Funds,
  isTrusted: boolean,
): Posting & { readonly escrowed: number } {
  const price = from.reservedOwn + from.reservedStarter + from.own + from.starter;
  const escrowed = escrowOf(price, isTrusted);
  return {
    businessId: `receipt/${work.workId}`,
    kind: "receipt",
    about: work.about,
    escrowed,
    entries: entriesOf([
      [reserved(work.requester), -from.reservedOwn - from.reservedStarter],
      [available(work.requester), -from.own],
      [POOL, -from.starter],
      [available(work.worker), price - escrowed],
      [escrow(work.worker), escrowed],
    ]),
  };
}

/** Returns what a storage proof earns if `holders` peers hold the tile: 0 if it is not rare. */
export const storagePay = (holders: number): number =>
  holders >= LEDGER_RULES.rareHolders ? 0 : Math.floor(LEDGER_RULES.storage / Math.max(1, holders));

/**
 * A wrong result takes the whole escrow. If the escrow is less than the pay for this very work, it also takes as much
 * of the difference as the account has. All of it goes to the pool and not to the accuser, so nobody gains by a false
 * accusation.
 */
export function planConviction(
  wrong: { readonly digest: string; readonly about: string; readonly worker: PeerId },
  held: { readonly escrow: number; readonly own: number; readonly paid: number },
): Posting & { readonly takenBack: number } {
  const fromOwn = Math.min(held.own, Math.max(0, held.paid - held.escrow));
  const takenBack = held.escrow + fromOwn;
  return {
    businessId: `wrong/${wrong.digest}`,
    kind: "wrong",
    about: wrong.about,
    takenBack,
    entries: entriesOf([
      [escrow(wrong.worker), -held.escrow],
      [available(wrong.worker), -fromOwn],
      [POOL, takenBack],
    ]),
  };
}

/** A receipt for work that nobody checked. */
export interface Unchecked {
  readonly workId: string;
  /** The part of the price that did not go into escrow. */
  readonly paid: number;
}

/** Puts the pay for recent unchecked work back into escrow, the latest first, as far as the account has it. */
export function planReopening(
  wrong: { readonly digest: string; readonly about: string; readonly worker: PeerId },
  unchecked: readonly Unchecked[],
  own: number,
): Posting & { readonly waiting: readonly Unchecked[] } {
  let left = own;
  const waiting = unchecked.map(({ workId, paid }) => {
    const part = Math.min(paid, left);
    left -= part;
    return { workId, paid: part };
  });
  return {
    businessId: `reopened/${wrong.digest}`,
    kind: "reopened",
    about: wrong.about,
    waiting,
    entries: entriesOf([
      [available(wrong.worker), left - own],
      [escrow(wrong.worker), own - left],
    ]),
  };
}

/** A check agreed with reopened work. */
export const planConfirmation = (
  work: { readonly workId: string; readonly about: string; readonly worker: PeerId },
  waiting: number,
): Posting => ({
  businessId: `confirmed/${work.workId}`,
  kind: "confirmed",
  about: work.about,
  entries: entriesOf([
    [escrow(work.worker), -waiting],
    [available(work.worker), waiting],
  ]),
});

/**
 * A worker that is trusted from now on gets its escrow. `term` counts its convictions: each term of trust begins once.
 */
export const planTrust = (worker: PeerId, term: number, held: number): Posting => ({
  businessId: `trusted/${worker}/${term}`,
  kind: "trusted",
  about: "",
  entries: entriesOf([
    [escrow(worker), -held],
    [available(worker), held],
  ]),
});

export const isTrustDue = (standing: { readonly checked: number; readonly requesters: number }): boolean =>
  standing.checked >= LEDGER_RULES.checksToTrust && standing.requesters >= LEDGER_RULES.requestersToTrust;

/** Reserves an amount. The caller uses up the peer's own credit first: the allowance is for peers that have nothing. */
export const planReservation = (peer: PeerId, id: string, own: number, starter: number): Posting => ({
  businessId: `reserve/${peer}/${id}`,
  kind: "reserve",
  about: "",
  entries: entriesOf([
    [available(peer), -own],
    [POOL, -starter],
    [reserved(peer), own + starter],
  ]),
});

/** Releases what is left of a reservation: each part returns to its source. */
export const planRelease = (peer: PeerId, id: string, left: { readonly own: number; readonly starter: number }, kind: string): Posting => ({
  businessId: `release/${peer}/${id}`,
  kind,
  about: "",
  entries: entriesOf([
    [reserved(peer), -left.own - left.starter],
    [available(peer), left.own],
    [POOL, left.starter],
  ]),
});

/** Fills the pool up, once a day. */
export const planPool = (nowMs: number, pool: number): Posting => {
  const missing = Math.max(0, LEDGER_RULES.poolADay - pool);
  return {
    businessId: `pool/${new Date(nowMs).toISOString().slice(0, 10)}`,
    kind: "pool",
    about: "",
    entries: entriesOf([
      [ISSUE, -missing],
      [POOL, missing],
    ]),
  };
};
