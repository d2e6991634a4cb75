// The contract of the ledger: one suite, which runs over SQLite and over PostgreSQL.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LEDGER_RULES } from "../../../relay/ledger/plan-posting.ts";
import { newReservation, newSigner, type SyncSigner } from "../../../tools/soak/parts/make-receipts.ts";
import { ledgerBed, type LedgerPlace, sound, T0, UNIT } from "./ledger-bed.ts";

/** Declares the suite. `place` makes the location of an empty ledger. */
export function describeLedger(name: string, place: () => Promise<LedgerPlace>): void {
  describe(`ledger: ${name}`, () => {
    const { clock, open, close, post, task, earn } = ledgerBed(place);

    test("a receipt moves its price once, and half of it into escrow, however often it is posted", async () => {
      const [ledger, worker, requester] = [await open(), newSigner(), newSigner()];
      const receipt = task({ worker, requester, units: 5 });
      expect(await post(ledger, receipt)).toEqual([{ kind: "posted", amount: 5 * UNIT, escrowed: 2.5 * UNIT }]);
      expect(await post(ledger, receipt, receipt)).toEqual([{ kind: "already" }, { kind: "already" }]);
      expect(await Promise.all([post(ledger, receipt), post(ledger, receipt)])).toEqual([[{ kind: "already" }], [{ kind: "already" }]]);
      expect(await ledger.account(worker.peer)).toMatchObject({
        available: 2.5 * UNIT,
        escrow: 2.5 * UNIT,
        isTrusted: false,
        history: [
          { why: "receipt", part: "available", amount: 2.5 * UNIT },
          { why: "receipt", part: "escrow", amount: 2.5 * UNIT },
        ],
      });
      expect(await ledger.account(requester.peer)).toMatchObject({ available: 0, starterLeft: LEDGER_RULES.starter - 5 * UNIT });
    });

    test("a receipt that many peers post at once is paid once", async () => {
      const [ledger, worker, requester] = [await open(), newSigner(), newSigner()];
      const receipt = task({ worker, requester });
      const outcomes = (await Promise.all(Array.from({ length: 10 }, () => post(ledger, receipt)))).flat();
      expect(outcomes.filter(({ kind }) => kind === "posted").length).toBe(1);
      expect(outcomes.filter(({ kind }) => kind === "already").length).toBe(9);
    });

    test("another claim for the same work is a conflict: a replica is paid once, to one worker", async () => {
      const [ledger, requester] = [await open(), newSigner()];
      const same = { requester, task: "bafytaskone", replica: 1 };
      await post(ledger, task({ ...same, worker: newSigner() }));
      expect(await post(ledger, task({ ...same, worker: newSigner() }))).toEqual([{ kind: "refused", reason: "conflict" }]);
    });

    test("a newcomer is trusted after enough checked receipts from enough requesters, and gets its escrow", async () => {
      const [ledger, worker, friend] = [await open(), newSigner(), newSigner()];
      const checked = (requester: SyncSigner) => task({ worker, requester, witnesses: [newSigner()], verdict: "quorum" });
      for (let i = 0; i < LEDGER_RULES.checksToTrust; i++) await post(ledger, checked(friend), task({ worker, requester: friend }));
      const half = LEDGER_RULES.checksToTrust * UNIT;
      expect(await ledger.account(worker.peer)).toMatchObject({
        isTrusted: false,
        escrow: half,
        checksToTrust: 0,
        requestersToTrust: LEDGER_RULES.requestersToTrust - 1,
      });
      for (let i = 1; i < LEDGER_RULES.requestersToTrust; i++) await post(ledger, checked(newSigner()));
      const { escrow, isTrusted, available } = await ledger.account(worker.peer);
      expect({ escrow, isTrusted, available }).toEqual({
        escrow: 0,
        isTrusted: true,
        available: 2 * half + (LEDGER_RULES.requestersToTrust - 1) * UNIT,
      });
      expect(await post(ledger, checked(friend))).toEqual([{ kind: "posted", amount: UNIT, escrowed: 0 }]);
    });

    test("no credit of an account can be spent twice", async () => {
      const [ledger, rich] = [await open(), newSigner()];
      await earn(ledger, rich, 2000);
      // The allowance must not pay for anything below: reserve all of it first.
      await ledger.reserve(rich.peer, newReservation(), (await ledger.account(rich.peer)).available + LEDGER_RULES.starter, 1000_000);
      const shop = newSigner();
      expect(await post(ledger, task({ worker: shop, requester: rich }))).toEqual([{ kind: "refused", reason: "unfunded" }]);
      expect(await ledger.reserve(rich.peer, newReservation(), 1, 1000)).toBe("refused");

      const [other, ids] = [newSigner(), Array.from({ length: 8 }, newReservation)];
      await earn(ledger, other, 2000);
      const own = (await ledger.account(other.peer)).available;
      const asked = await Promise.all(ids.map((id) => ledger.reserve(other.peer, id, own + LEDGER_RULES.starter / 2, 1000_000)));
      expect(asked.filter((priority) => priority === "low").length).toBe(1); // for a second one only half the allowance is left
      expect(asked.filter((priority) => priority === "refused").length).toBe(7);
    });

    test("a reservation pays its receipts, returns the rest when it is released, and ends when its time is over", async () => {
      const [ledger, payer, worker] = [await open(), newSigner(), newSigner()];
      await earn(ledger, payer, 2000);
      const own = (await ledger.account(payer.peer)).available;
      const reservation = newReservation();
      expect(await ledger.reserve(payer.peer, reservation, 100 * UNIT, 60_000)).toBe("normal");
      expect(await ledger.reserve(payer.peer, reservation, 100 * UNIT, 60_000)).toBe("normal"); // the same one
      expect(await ledger.account(payer.peer)).toMatchObject({ available: own - 100 * UNIT, reserved: 100 * UNIT });
      await post(ledger, task({ worker, requester: payer, units: 30, reservation }));
      expect(await ledger.account(payer.peer)).toMatchObject({ available: own - 100 * UNIT, reserved: 70 * UNIT });
      await ledger.release(payer.peer, reservation);
      await ledger.release(payer.peer, reservation);
      expect(await ledger.account(payer.peer)).toMatchObject({ available: own - 30 * UNIT, reserved: 0 });
      expect(await ledger.reserve(payer.peer, reservation, 1, 1000)).toBe("refused");

      const next = newReservation();
      await ledger.reserve(payer.peer, next, 50 * UNIT, 60_000);
      clock.nowMs += 59_999;
      expect((await ledger.account(payer.peer)).reserved).toBe(50 * UNIT);
      clock.nowMs += 1;
      const over = await ledger.account(payer.peer);
      expect(over).toMatchObject({ available: own - 30 * UNIT, reserved: 0 });
      expect(over.history.slice(0, 2).map(({ why }) => why)).toEqual(["expire", "expire"]);
    });

    test("another peer's reservation pays nothing and cannot be released", async () => {
      const [ledger, payer, thief, worker] = [await open(), newSigner(), newSigner(), newSigner()];
      const reservation = newReservation();
      expect(await ledger.reserve(payer.peer, reservation, LEDGER_RULES.starter, 60_000)).toBe("low");
      expect(await ledger.reserve(thief.peer, newReservation(), LEDGER_RULES.starter, 60_000)).toBe("low");
      expect(await post(ledger, task({ worker, requester: thief, reservation }))).toEqual([{ kind: "refused", reason: "unfunded" }]);
      await ledger.release(thief.peer, reservation);
      expect((await ledger.account(payer.peer)).reserved).toBe(LEDGER_RULES.starter);
    });

    test("a stranger spends its allowance at low priority, gets back the unused part, and cannot spend more", async () => {
      const [ledger, stranger, worker] = [await open(), newSigner(), newSigner()];
      const reservation = newReservation();
      expect(await ledger.reserve(stranger.peer, reservation, LEDGER_RULES.starter, 60_000)).toBe("low");
      expect(await ledger.reserve(stranger.peer, newReservation(), 1, 60_000)).toBe("refused");
      await post(ledger, task({ worker, requester: stranger, units: 10, reservation }));
      await ledger.release(stranger.peer, reservation);
      expect(await ledger.account(stranger.peer)).toMatchObject({
        available: 0,
        reserved: 0,
        starterLeft: LEDGER_RULES.starter - 10 * UNIT,
      });
      expect(await post(ledger, task({ worker, requester: stranger, units: LEDGER_RULES.starter / UNIT }))).toEqual([
        { kind: "refused", reason: "unfunded" },
      ]);
    });

    test("any number of fresh keys together spend no more a day than the pool holds", async () => {
      const ledger = await open();
      const worker = newSigner();
      const crowd = Math.floor(LEDGER_RULES.poolADay / LEDGER_RULES.starter);
      // Each key reserves its whole allowance. After so many of them the pool is empty.
      for (let i = 0; i < crowd; i++)
        expect(await ledger.reserve(newSigner().peer, newReservation(), LEDGER_RULES.starter, 60_000)).toBe("low");
      expect(await ledger.reserve(newSigner().peer, newReservation(), LEDGER_RULES.starter, 60_000)).toBe("refused");
      expect(await post(ledger, task({ worker, requester: newSigner() }))).toEqual([{ kind: "refused", reason: "unfunded" }]);
      clock.nowMs += 24 * 3600_000;
      expect(await ledger.reserve(newSigner().peer, newReservation(), LEDGER_RULES.starter, 60_000)).toBe("low");
    });

    test("a clock that is set back neither reverses the order nor fills the pool twice", async () => {
      const [ledger, worker, requester] = [await open(), newSigner(), newSigner()];
      await post(ledger, task({ worker, requester }));
      const receipt = task({ worker, requester });
      clock.nowMs -= 2 * 24 * 3600_000;
      await ledger.post([sound(receipt, T0)]);
      const { history } = await ledger.account(worker.peer);
      expect(history.map(({ atMs }) => atMs)).toEqual(history.map(() => T0));
    });

    test("a rare tile earns from the pool once an hour, shared by its holders, and a common one earns nothing", async () => {
      const [ledger, holder] = [await open(), newSigner()];
      expect(await ledger.earnStorage(holder.peer, "aa", 1)).toBe(LEDGER_RULES.storage);
      expect(await ledger.earnStorage(holder.peer, "aa", 1)).toBe(0);
      expect(await ledger.earnStorage(holder.peer, "bb", 2)).toBe(LEDGER_RULES.storage / 2);
      expect(await ledger.earnStorage(holder.peer, "cc", LEDGER_RULES.rareHolders)).toBe(0);
      clock.nowMs += 3600_000;
      expect(await ledger.earnStorage(holder.peer, "aa", 1)).toBe(LEDGER_RULES.storage);
      const { available, escrow, history } = await ledger.account(holder.peer);
      expect(available + escrow).toBe(2.5 * LEDGER_RULES.storage);
      expect(history[0]).toMatchObject({ why: "storage" });
    });

    test("a ledger that is closed and opened again has the same accounts and receipts", async () => {
      const { location } = await place();
      const [ledger, worker, requester] = [await open(location), newSigner(), newSigner()];
      const receipt = task({ worker, requester, units: 7 });
      await post(ledger, receipt);
      const before = await ledger.account(worker.peer);
      await close(ledger);
      const again = await open(location);
      expect(await again.account(worker.peer)).toEqual(before);
      expect(await post(again, receipt)).toEqual([{ kind: "already" }]);
    });

    test("after any sequence of calls every event sums to zero and nobody owes", async () => {
      const people = Array.from({ length: 4 }, newSigner);
      const who = fc.nat(people.length - 1);
      const step = fc.oneof(
        fc.record({
          kind: fc.constant("pay" as const),
          worker: who,
          requester: who,
          units: fc.integer({ min: 1, max: 400_000 }),
          slot: fc.nat(3),
        }),
        fc.record({ kind: fc.constant("wrong" as const), worker: who, requester: who }),
        fc.record({
          kind: fc.constant("reserve" as const),
          peer: who,
          amount: fc.integer({ min: 1, max: 2 * LEDGER_RULES.starter }),
          slot: fc.nat(3),
        }),
        fc.record({ kind: fc.constant("release" as const), peer: who, slot: fc.nat(3) }),
        fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(100_000) }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const ledger = await open();
          const names = Array.from({ length: 4 }, newReservation);
          const person = (index: number): SyncSigner => people[index] as SyncSigner; // drawn below their number
          for (const each of steps) {
            if (each.kind === "wait") clock.nowMs += each.ms;
            else if (each.kind === "reserve") await ledger.reserve(person(each.peer).peer, names[each.slot] ?? "", each.amount, 50_000);
            else if (each.kind === "release") await ledger.release(person(each.peer).peer, names[each.slot] ?? "");
            else if (each.worker !== each.requester) {
              const parties = { worker: person(each.worker), requester: person(each.requester) };
              if (each.kind === "pay") await post(ledger, task({ ...parties, units: each.units, reservation: names[each.slot] ?? "" }));
              else await post(ledger, task({ ...parties, witnesses: [newSigner(), newSigner()], verdict: "wrong" }));
            }
          }
          expect(await ledger.audit()).toMatchObject({ sum: 0, unbalanced: 0, drifted: 0, torn: 0 });
          await close(ledger);
        }),
        { numRuns: 15 },
      );
    });
  });
}
