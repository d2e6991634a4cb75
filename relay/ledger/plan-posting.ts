// The ledger's rules as pure functions: what moves for a payment, a conviction, a reservation; no clock, no database.
import type { PeerId } from "../../src/shared/ids.ts";
import { MICRO } from "../../src/shared/micro.ts";

export const DEFAULTS = Object.freeze({
  /** Microcredits that an account without any may spend in all, at low priority: 250 tokens of a model of 8 billion weights. */
  starter: 2000 * MICRO,
  /** Microcredits to which the pool is filled up each day: a bound on what any number of fresh keys can spend and storage earns. */
  poolADay: 1_000_000 * MICRO,
  /** Part of a newcomer's pay that waits in escrow. */
  escrowPart: 0.5,
  /** Checked receipts since its last wrong result with which a newcomer is trusted: a cheater on a fifth of its tasks is caught in 15. */
  checksToTrust: 20,
  /** Different requesters that these receipts must come from. */
  requestersToTrust: 3,
  /** Unchecked receipts of a peer that a conviction opens again, and the milliseconds for which they count as recent. */
  reopen: 256,
  reopenMs: 7 * 24 * 3600_000,
  /** Microcredits for a storage proof that one holder alone could give; holders share it. */
  storage: 10 * MICRO,
  /** Holders from which on a tile is not rare and its storage earns nothing. */
  rareHolders: 4,
});

export interface Entry {
  readonly account: string;
  /** Microcredits; entries of a posting sum to zero. */
  readonly amount: number;
}

/** One event to be written, with all that it moves. */
export interface Posting {
  readonly businessId: string;
  /** As the page tells it: why an account moved. */
  readonly kind: string;
  readonly about: string;
  readonly entries: readonly Entry[];
}

/** Accounts. All but `issue` stay at or above zero. */
export const ISSUE = "issue";
export const POOL = "pool";
export const available = (peer: PeerId): string => `available:${peer}`;
export const escrow = (peer: PeerId): string => `escrow:${peer}`;
export const reserved = (peer: PeerId): string => `reserved:${peer}`;

/** Leaves out what does not move, and adds up what moves twice. */
export function entriesOf(moves: readonly (readonly [account: string, amount: number])[]): readonly Entry[] {
  const sums = new Map<string, number>();
  for (const [account, amount] of moves) sums.set(account, (sums.get(account) ?? 0) + amount);
  return [...sums].filter(([, amount]) => amount !== 0).map(([account, amount]) => ({ account, amount }));
}

/** Where an amount is taken from. */
export interface Funds {
  /** Of the reservation that the receipt names: what is left of the peer's own and of its allowance. */
  readonly reservedOwn: number;
  readonly reservedStarter: number;
  readonly own: number;
  /** What is left of the allowance, or of the pool behind it where that is less. */
  readonly starter: number;
}

/** Parts of an amount by source, first the reservation, its allowance first; undefined where all together is too little. */
export function takeFunds(amount: number, funds: Funds): Funds | undefined {
  let rest = amount;
  const take = (from: number): number => {
    const part = Math.min(rest, from);
    rest -= part;
    return part;
  };
  const taken = {
    reservedStarter: take(funds.reservedStarter),
    reservedOwn: take(funds.reservedOwn),
    own: take(funds.own),
    starter: take(funds.starter),
  };
  return rest > 0 ? undefined : taken;
}

/** Splits pay between the account and the escrow of a worker. */
export const escrowOf = (amount: number, isTrusted: boolean): number => (isTrusted ? 0 : Math.ceil(amount * DEFAULTS.escrowPart));

/** A requester pays a worker out of `from`, which sums to the price. */
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

/** What a proof of storage earns, by how many peers hold the tile; 0 where it is not rare. */
export const storagePay = (holders: number): number =>
  holders >= DEFAULTS.rareHolders ? 0 : Math.floor(DEFAULTS.storage / Math.max(1, holders));

/**
 * A wrong result: the whole escrow goes to the pool, and where the escrow is less than what was paid for this very work,
 * as much of the rest as the account has. It goes to the pool, not to whoever accused: nobody gains by a false word.
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

/** A receipt of which nobody checked the work. */
export interface Unchecked {
  readonly workId: string;
  /** What the worker got at once. */
  readonly paid: number;
}

/** Puts the pay of recent unchecked work back into escrow, the latest first, as far as the account has it. */
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

/** A check agreed with work that was opened again. */
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

/** A worker that is trusted now gets what waited. `term` counts its convictions: each term of trust begins once. */
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
  standing.checked >= DEFAULTS.checksToTrust && standing.requesters >= DEFAULTS.requestersToTrust;

/** Sets an amount aside, from the peer's own first: the allowance is for those who have nothing. */
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

/** Gives back what is left of a reservation, each part where it came from. */
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
  const missing = Math.max(0, DEFAULTS.poolADay - pool);
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
