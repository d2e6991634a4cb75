// Real receipts for soaks and tests of the ledger: keys, works, and all the signatures that they need.
import { randomBytes } from "node:crypto";
import { signerOf, type Signer } from "../../src/credit/ed25519.ts";
import { claimWork, countersign, stateVerdict, withSignatures } from "../../src/credit/make-receipt.ts";
import type { Receipt, Verdict, Work } from "../../src/protocol/receipt.ts";

export const newSigner = (): Signer => signerOf(new Uint8Array(randomBytes(32)));

let count = 0;

export interface TaskOptions {
  readonly worker: Signer;
  readonly requester: Signer;
  readonly witnesses?: readonly Signer[];
  readonly verdict?: Verdict;
  readonly units?: number;
  readonly task?: string;
  readonly replica?: number;
  readonly taskKind?: string;
  readonly result?: Uint8Array<ArrayBuffer>;
  readonly reservation?: string;
  readonly finishedMs?: number;
}

/** A receipt of a task of its own unless named; one unit of `map` is 2,000 microcredits. */
export function taskReceipt(options: TaskOptions): Receipt {
  const { units = 1, replica = 0, taskKind = "map" } = options;
  const task = options.task ?? `bafytask${(count++).toString(36)}x${randomBytes(6).toString("hex")}`;
  return receiptOf({ kind: "task", task, taskKind, units, replica }, options);
}

/** A receipt of any work. */
export function receiptOf(
  work: Work,
  options: Omit<TaskOptions, "task" | "units" | "replica">,
  neighbours: readonly Signer[] = [],
): Receipt {
  const { worker, requester, witnesses = [], verdict = "unchecked", reservation } = options;
  const claim = claimWork(worker, {
    work,
    requester: requester.peer,
    result: options.result ?? new Uint8Array(32),
    finishedMs: options.finishedMs ?? Date.now(),
  });
  const receipt = stateVerdict(requester, claim, {
    verdict,
    witnesses: witnesses.map(({ peer }) => peer),
    reservation: reservation ?? null,
  });
  const others = [...witnesses, ...neighbours];
  return withSignatures(
    receipt,
    others.map((other) => countersign(other, receipt.statement)),
  );
}

export const newReservation = (): string => randomBytes(16).toString("hex");
