// Makes real receipts for soaks and tests of the ledger: keys, work, and all the signatures that they need.
import { createPrivateKey, randomBytes, sign } from "node:crypto";
import { PKCS8, type Signer, signerOf } from "../../../src/credit/ed25519.ts";
import { claimOf, type Signature, statementOf, withSignatures } from "../../../src/credit/make-receipt.ts";
import { claimBytes, type Receipt, statementBytes, type Verdict, type Work } from "../../../src/protocol/receipt.ts";

/** A signer that can also sign synchronously, so that receipts can be made without waiting. */
export interface SyncSigner extends Signer {
  signNow(message: Uint8Array): Signature;
}

export function syncSigner(seed: Uint8Array): SyncSigner {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
  const signer = signerOf(seed);
  return { ...signer, signNow: (message) => ({ peer: signer.peer, signature: new Uint8Array(sign(null, message, key)) }) };
}

export const newSigner = (): SyncSigner => syncSigner(new Uint8Array(randomBytes(32)));

let count = 0;

export interface TaskOptions {
  readonly worker: SyncSigner;
  readonly requester: SyncSigner;
  readonly witnesses?: readonly SyncSigner[];
  readonly verdict?: Verdict;
  readonly units?: number;
  readonly task?: string;
  readonly replica?: number;
  readonly taskKind?: string;
  readonly result?: Uint8Array<ArrayBuffer>;
  readonly reservation?: string;
  readonly finishedMs?: number;
}

/** Makes a receipt of a task, of a new one unless `task` names it. One unit of `map` is 2,000 microcredits. */
export function taskReceipt(options: TaskOptions): Receipt {
  const { units = 1, replica = 0, taskKind = "map" } = options;
  const task = options.task ?? `bafytask${(count++).toString(36)}x${randomBytes(6).toString("hex")}`;
  return receiptOf({ kind: "task", task, taskKind, units, replica }, options);
}

/** Makes a receipt of any work. */
export function receiptOf(
  work: Work,
  options: Omit<TaskOptions, "task" | "units" | "replica">,
  neighbours: readonly SyncSigner[] = [],
): Receipt {
  const { worker, requester, witnesses = [], verdict = "unchecked", reservation } = options;
  const claim = claimOf(worker.peer, {
    work,
    requester: requester.peer,
    result: options.result ?? new Uint8Array(32),
    finishedMs: options.finishedMs ?? Date.now(),
  });
  const statement = statementOf(claim, { verdict, witnesses: witnesses.map(({ peer }) => peer), reservation: reservation ?? null });
  const receipt = { statement, signatures: [worker.signNow(claimBytes(claim))] };
  return withSignatures(
    receipt,
    [requester, ...witnesses, ...neighbours].map((signer) => signer.signNow(statementBytes(statement))),
  );
}

export const newReservation = (): string => randomBytes(16).toString("hex");
