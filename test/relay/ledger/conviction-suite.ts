// The contract of the ledger for wrong results, which cost a worker escrow, trust, and recent pay for unchecked work.
// The suite runs over SQLite and over PostgreSQL.
import { describe, expect, test } from "vitest";
import { LEDGER_RULES } from "../../../relay/ledger/plan-posting.ts";
import { newSigner, taskReceipt } from "../../../tools/soak/parts/make-receipts.ts";
import { ledgerBed, type LedgerPlace, T0, UNIT } from "./ledger-bed.ts";

/** Declares the suite. `place` makes the location of an empty ledger. */
export function describeConvictions(name: string, place: () => Promise<LedgerPlace>): void {
  describe(`convictions: ${name}`, () => {
    const { clock, open, post, task, earn } = ledgerBed(place);

    test("a wrong result takes the escrow, the trust and the pay for that work, and the accuser gains nothing", async () => {
      const [ledger, worker, requester] = [await open(), newSigner(), newSigner()];
      await earn(ledger, worker, 1000);
      const same = { worker, requester, task: "bafywrong", units: 10, finishedMs: T0 };
      await post(ledger, taskReceipt(same));
      const before = await ledger.account(worker.peer);
      expect(before).toMatchObject({ isTrusted: true, escrow: 0 });
      const wrong = taskReceipt({ ...same, witnesses: [newSigner(), newSigner()], verdict: "wrong" });
      expect(await post(ledger, wrong, wrong)).toEqual([{ kind: "convicted", takenBack: 10 * UNIT }, { kind: "already" }]);
      const after = await ledger.account(worker.peer);
      expect(after).toMatchObject({
        isTrusted: false,
        escrow: 0,
        checksToTrust: LEDGER_RULES.checksToTrust,
        available: before.available - 10 * UNIT,
      });
      expect(after.history[0]).toMatchObject({ why: "wrong", amount: -10 * UNIT });
      expect(await ledger.account(requester.peer)).toMatchObject({ available: 0, starterLeft: LEDGER_RULES.starter - 10 * UNIT });
      // From here on the worker is a newcomer again, and loses what is in escrow.
      await post(ledger, task({ worker, requester, units: 4 }));
      const next = task({ worker, requester, witnesses: [newSigner(), newSigner()], verdict: "wrong" });
      expect(await post(ledger, next)).toEqual([{ kind: "convicted", takenBack: 2 * UNIT }]);
    });

    test("a conviction reopens recent unchecked work: its pay waits, a check returns it, and another wrong result takes it", async () => {
      const [ledger, worker, requester] = [await open(), newSigner(), newSigner()];
      await earn(ledger, worker, 1000);
      const old = taskReceipt({ worker, requester, units: 7, finishedMs: T0 });
      await post(ledger, old);
      clock.nowMs += LEDGER_RULES.reopenMs + 1;
      const good = { worker, requester, task: "bafygood", units: 10, finishedMs: clock.nowMs };
      const bad = { worker, requester, task: "bafybad", units: 20, finishedMs: clock.nowMs };
      const checked = taskReceipt({ worker, requester, units: 3, witnesses: [newSigner()], verdict: "quorum", finishedMs: clock.nowMs });
      await post(ledger, taskReceipt(good), taskReceipt(bad), checked);
      const before = await ledger.account(worker.peer);
      expect(before).toMatchObject({ escrow: 0, isTrusted: true });

      // It is caught at other work, for which it was never paid: only the pay for recent unchecked work waits.
      const witnesses = [newSigner(), newSigner()];
      expect(await post(ledger, task({ worker, requester, witnesses, verdict: "wrong" }))).toEqual([{ kind: "convicted", takenBack: 0 }]);
      const waiting = await ledger.account(worker.peer);
      expect(waiting).toMatchObject({ escrow: 30 * UNIT, available: before.available - 30 * UNIT, isTrusted: false });
      expect(waiting.history[0]).toMatchObject({ why: "reopened" });

      const again = taskReceipt({ ...good, witnesses: [newSigner()], verdict: "quorum" });
      expect(await post(ledger, again, again)).toEqual([{ kind: "posted", amount: 10 * UNIT, escrowed: 0 }, { kind: "already" }]);
      expect(await ledger.account(worker.peer)).toMatchObject({ escrow: 20 * UNIT, available: before.available - 20 * UNIT });

      const wrong = taskReceipt({ ...bad, witnesses, verdict: "wrong" });
      expect(await post(ledger, wrong)).toEqual([{ kind: "convicted", takenBack: 20 * UNIT }]);
      expect(await ledger.account(worker.peer)).toMatchObject({ escrow: 0, available: before.available - 20 * UNIT });
    });

    test("an unchecked receipt that was not reopened is neither paid nor counted twice", async () => {
      const [ledger, worker, requester] = [await open(), newSigner(), newSigner()];
      const same = { worker, requester, task: "bafyonce", finishedMs: T0 };
      await post(ledger, taskReceipt(same));
      expect(await post(ledger, taskReceipt({ ...same, witnesses: [newSigner()], verdict: "quorum" }))).toEqual([{ kind: "already" }]);
      expect((await ledger.account(worker.peer)).checksToTrust).toBe(LEDGER_RULES.checksToTrust);
    });

    test("pay that waits for a check is never paid twice: a new term of trust returns it once", async () => {
      const [ledger, worker, requester] = [await open(), newSigner(), newSigner()];
      await earn(ledger, worker, 1000);
      const same = { worker, requester, task: "bafywait", units: 10, finishedMs: T0 };
      await post(ledger, taskReceipt(same));
      const before = await ledger.account(worker.peer);
      await post(ledger, task({ worker, requester, witnesses: [newSigner(), newSigner()], verdict: "wrong" }));
      await earn(ledger, worker, 1000);
      const trusted = await ledger.account(worker.peer);
      expect(trusted).toMatchObject({ isTrusted: true, escrow: 0 });
      expect(trusted.available).toBeGreaterThan(before.available);
      expect(await post(ledger, taskReceipt({ ...same, witnesses: [newSigner()], verdict: "quorum" }))).toEqual([
        { kind: "posted", amount: 0, escrowed: 0 },
      ]);
      expect((await ledger.account(worker.peer)).available).toBe(trusted.available);
    });

    test("work with a wrong result is never paid afterwards", async () => {
      const [ledger, worker, requester] = [await open(), newSigner(), newSigner()];
      const same = { worker, requester, task: "bafylate", finishedMs: T0 };
      await post(ledger, taskReceipt({ ...same, witnesses: [newSigner(), newSigner()], verdict: "wrong" }));
      expect(await post(ledger, taskReceipt(same))).toEqual([{ kind: "refused", reason: "conflict" }]);
    });
  });
}
