// The fixture of the ledger's suites: ledgers that are audited and closed after each test, receipts, and a clock that
// tests move.
import { afterEach, expect } from "vitest";
import { appraise, type Appraised } from "../../../relay/ledger/appraise-receipt.ts";
import { Ledger } from "../../../relay/ledger/ledger.ts";
import { LEDGER_RULES } from "../../../relay/ledger/plan-posting.ts";
import type { Receipt } from "../../../src/protocol/receipt.ts";
import { newSigner, taskReceipt, type SyncSigner } from "../../../tools/soak/parts/make-receipts.ts";

export interface LedgerPlace {
  /** Location of an empty ledger, for one test. */
  readonly location: string;
}

/** Microcredits of one unit of `map`. */
export const UNIT = 2000;
/** When each test begins; milliseconds since 1970. */
export const T0 = 1_800_000_000_000;

/** Returns a sound receipt as the relay appraises it. */
export function sound(receipt: Receipt, nowMs: number): Appraised {
  const appraisal = appraise(receipt, { costOf: () => undefined, nowMs });
  if (appraisal.kind === "refused") throw new Error(appraisal.reason);
  return appraisal;
}

/** To be called inside a `describe`. `place` makes the location of an empty ledger. */
export function ledgerBed(place: () => Promise<LedgerPlace>) {
  const opened: Ledger[] = [];
  afterEach(async () => {
    for (const ledger of opened) {
      expect(await ledger.audit()).toMatchObject({ sum: 0, unbalanced: 0, drifted: 0, torn: 0 });
      await ledger.close();
    }
    opened.length = 0;
  });
  const clock = { nowMs: T0 };
  const open = async (location?: string): Promise<Ledger> => {
    clock.nowMs = T0;
    const ledger = await Ledger.open({ location: location ?? (await place()).location, now: () => clock.nowMs });
    opened.push(ledger);
    return ledger;
  };
  const post = (ledger: Ledger, ...receipts: Receipt[]) => ledger.post(receipts.map((receipt) => sound(receipt, clock.nowMs)));
  const task = (options: Parameters<typeof taskReceipt>[0]) => taskReceipt({ finishedMs: clock.nowMs, ...options });
  /** Makes `worker` trusted, and gives it credit to spend: the pay for `units` units at least. */
  const earn = async (ledger: Ledger, worker: SyncSigner, units: number): Promise<void> => {
    const requesters = Array.from({ length: LEDGER_RULES.requestersToTrust }, newSigner);
    const each = Math.ceil(units / LEDGER_RULES.checksToTrust);
    for (let i = 0; i < LEDGER_RULES.checksToTrust; i++) {
      const requester = requesters[i % requesters.length] as SyncSigner; // below their number
      await post(ledger, task({ worker, requester, witnesses: [newSigner()], verdict: "audited", units: each }));
    }
  };
  /** Closes `ledger` now instead of after the test. */
  const close = async (ledger: Ledger): Promise<void> => {
    opened.splice(opened.indexOf(ledger), 1);
    await ledger.close();
  };
  return { clock, open, close, post, task, earn };
}
