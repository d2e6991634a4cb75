// The relay's case of the bench of tasks: receipts a second that one ledger on a disk checks and posts, and how long
// one waits.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { appraise, type Appraised } from "../../../relay/ledger/appraise-receipt.ts";
import { Ledger } from "../../../relay/ledger/ledger.ts";
import { CREDIT_LIMITS } from "../../../src/protocol/credit-frames.ts";
import { newSigner, taskReceipt } from "../../soak/parts/make-receipts.ts";
import { paceOf } from "./spread.ts";

const DEFAULTS = Object.freeze({
  receipts: 4000,
  workers: 8,
});

/**
 * Posts batches like those of tabs, one after the other. Each receipt is of a checked task and has three signatures.
 */
export async function benchRelay(print: (name: string, line: object) => void): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), "manyhands-bench-"));
  const ledger = await Ledger.open({ location: path.join(folder, "ledger.sqlite"), now: Date.now });
  const [requester, witness] = [newSigner(), newSigner()];
  const workers = Array.from({ length: DEFAULTS.workers }, newSigner);
  const receipts = Array.from({ length: DEFAULTS.receipts }, (_, at) =>
    taskReceipt({
      worker: workers[at % workers.length] ?? newSigner(),
      requester,
      witnesses: [witness],
      verdict: "quorum",
      taskKind: "sum",
    }),
  );
  try {
    const tookMs: number[] = [];
    const startMs = performance.now();
    for (let at = 0; at < receipts.length; at += CREDIT_LIMITS.receipts) {
      const sentMs = performance.now();
      const sound = receipts
        .slice(at, at + CREDIT_LIMITS.receipts)
        .map((receipt) => appraise(receipt, { costOf: () => undefined, nowMs: Date.now() }))
        .filter((appraisal): appraisal is Appraised => appraisal.kind === "sound");
      const outcomes = await ledger.post(sound);
      if (outcomes.some(({ kind }) => kind !== "posted")) throw new Error("a sound receipt was not posted");
      for (let n = 0; n < outcomes.length; n++) tookMs.push(performance.now() - sentMs);
    }
    print("relay, receipts in batches", { ...paceOf(tookMs, performance.now() - startMs), goal: { perSecond: 1000, p99Ms: 50 } });
  } finally {
    await ledger.close();
    await rm(folder, { recursive: true, force: true });
  }
}
