// Settles one receipt inside one transaction of the ledger: pays it, confirms a reopened one, or convicts its worker.
import type { Outcome } from "../../src/protocol/credit-frames.ts";
import type { Verdict } from "../../src/protocol/receipt.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import type { Appraised } from "./appraise-receipt.ts";
import type { Book } from "./book.ts";
import {
  available,
  escrow,
  isTrustDue,
  LEDGER_RULES,
  planConfirmation,
  planConviction,
  planPayment,
  planReopening,
  planTrust,
  POOL,
  splitFunds,
} from "./plan-posting.ts";

export const settle = (book: Book, appraised: Appraised): Promise<Outcome> =>
  appraised.receipt.statement.verdict === "wrong" ? convict(book, appraised) : pay(book, appraised);

/**
 * Returns what a peer may still spend of its allowance, of which `used` is used. The pool behind it bounds that as
 * well.
 */
export const starterLeft = async (book: Book, used: number): Promise<number> =>
  Math.min(Math.max(0, LEDGER_RULES.starter - used), await book.balance(POOL));

const isChecked = (verdict: Verdict): boolean => verdict === "quorum" || verdict === "audited";

async function pay(book: Book, appraised: Appraised): Promise<Outcome> {
  const { receipt, workId, digest, price, about } = appraised;
  const { claim, verdict, reservation } = receipt.statement;
  const { worker, requester } = claim;
  const before = await book.receipt(workId);
  if (before !== undefined && before.digest !== digest) return { kind: "refused", reason: "conflict" };
  if (before?.isReopened === true && isChecked(verdict)) return confirm(book, appraised);
  if (before !== undefined) return { kind: "already" };
  if (await book.knows(`wrong/${digest}`)) return { kind: "refused", reason: "conflict" };

  const payer = await book.standing(requester);
  const reserved = reservation === null ? undefined : await book.reservation(requester, reservation);
  const from = splitFunds(price, {
    reservedOwn: reserved?.own ?? 0,
    reservedStarter: reserved?.starter ?? 0,
    own: await book.balance(available(requester)),
    starter: await starterLeft(book, payer.starterUsed),
  });
  if (from === undefined) return { kind: "refused", reason: "unfunded" };

  const earner = await book.standing(worker);
  const posting = planPayment({ workId, about, requester, worker }, from, earner.trusted);
  await book.post(posting);
  await book.addReceipt({ work_id: workId, worker, requester, verdict, digest, price, escrowed: posting.escrowed });
  if (reserved !== undefined) {
    const left = { ...reserved, own: reserved.own - from.reservedOwn, starter: reserved.starter - from.reservedStarter };
    await book.setReservation(left, left.own + left.starter > 0);
  }
  if (from.starter > 0) await book.setStanding(requester, { ...payer, starterUsed: payer.starterUsed + from.starter });
  if (isChecked(verdict)) await count(book, worker, requester);
  return { kind: "posted", amount: price, escrowed: posting.escrowed };
}

/**
 * Counts one more checked receipt. With enough of them from enough requesters, a newcomer is trusted and its escrow
 * released.
 */
async function count(book: Book, worker: PeerId, requester: PeerId): Promise<void> {
  const standing = await book.standing(worker);
  const checked = standing.checked + 1;
  await book.vouch(worker, requester);
  const isDue = !standing.trusted && isTrustDue({ checked, requesters: await book.vouchers(worker) });
  await book.setStanding(worker, { ...standing, checked, trusted: standing.trusted || isDue });
  if (!isDue) return;
  await book.forgetWaiting(worker);
  await book.post(planTrust(worker, standing.convictions, await book.balance(escrow(worker))));
}

/** A receipt that a conviction reopened was checked since: the worker gets what waited for the check. */
async function confirm(book: Book, { receipt, workId, about }: Appraised): Promise<Outcome> {
  const { claim, verdict } = receipt.statement;
  const { worker, requester } = claim;
  const waiting = Math.min(await book.closeAgain(workId, verdict), await book.balance(escrow(worker)));
  await book.post(planConfirmation({ workId, about, worker }, waiting));
  await count(book, worker, requester);
  return { kind: "posted", amount: waiting, escrowed: 0 };
}

async function convict(book: Book, { receipt, workId, digest, about }: Appraised): Promise<Outcome> {
  const { worker } = receipt.statement.claim;
  if (await book.knows(`wrong/${digest}`)) return { kind: "already" };
  const paid = await book.receipt(workId);
  const standing = await book.standing(worker);
  const posting = planConviction(
    { digest, about, worker },
    { ...(await book.held(worker)), paid: paid?.digest === digest ? paid.price : 0 },
  );
  await book.post(posting);
  // Recent work that nobody checked is reopened: its pay waits in escrow until it is checked, or the worker is trusted
  // again.
  const unchecked = await book.recentUnchecked(worker, workId, book.nowMs - LEDGER_RULES.reopenMs, LEDGER_RULES.reopen);
  const reopening = planReopening({ digest, about, worker }, unchecked, await book.balance(available(worker)));
  await book.forgetWaiting(worker); // the conviction took it with the escrow
  await book.reopen(reopening.waiting);
  if (reopening.entries.length > 0) await book.post(reopening);
  await book.forgetVouchers(worker);
  await book.setStanding(worker, { ...standing, checked: 0, trusted: false, convictions: standing.convictions + 1 });
  return { kind: "convicted", takenBack: posting.takenBack };
}
