// The worker's half of credit for tasks: claims its results, vouches for those of others that it computed as well, keeps its receipts.
import type { Signer } from "../../credit/ed25519.ts";
import { claimWork, countersign } from "../../credit/make-receipt.ts";
import { priceWork } from "../../credit/price.ts";
import { decodeReceipt, decodeStatement, type Receipt, type Work } from "../../protocol/receipt.ts";
import type { TaskClaim } from "../../protocol/task-frames.ts";
import { bytesEqual } from "../../shared/bytes.ts";
import type { PeerId } from "../../shared/ids.ts";
import { RecentMap } from "../../shared/recent-map.ts";
import { factsOf, unitPrice } from "../../tasks/kinds/find-kind.ts";
import type { DoneWork } from "../../tasks/volunteer/volunteer.ts";

export const DEFAULTS = Object.freeze({
  /** Microcredits below which nothing is claimed: half a millisecond of computing, about what its signatures would take. */
  claimMicro: 1000,
  /** Results that are remembered to vouch for others: some minutes of the smallest tasks that are claimed. */
  results: 8192,
});

type Bytes = Uint8Array<ArrayBuffer>;

export interface TaskClaimsDeps {
  readonly signer: Signer;
  /** Keeps a receipt for the ledger. */
  readonly add: (receipt: Receipt) => Promise<void>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** What a receipt of this peer's work is worth, in microcredits. */
  readonly onReceipt: (micro: number) => void;
}

export const taskWork = ({ task, kind, units, replica }: Pick<DoneWork, "task" | "kind" | "units" | "replica">): Work => ({
  kind: "task",
  task,
  taskKind: kind,
  units,
  replica,
});

/** Microcredits of a work by the price list; 0 for a kind that earns nothing. */
export function worthOf(work: Work, requester: PeerId): number {
  const price = priceWork(work, requester, { costOf: () => undefined, unitPrice });
  return price.kind === "worth" ? price.micro : 0;
}

/** Its methods are what a volunteer hands frames to. */
export class TaskClaims {
  readonly #deps: TaskClaimsDeps;
  /** What this peer got, by requester and task; the oldest first. */
  readonly #results = new RecentMap<string, DoneWork>(DEFAULTS.results);

  constructor(deps: TaskClaimsDeps) {
    this.#deps = deps;
  }

  /** Null for a peer's own work, and for what is worth less than the signatures under it. */
  readonly claim = async (done: DoneWork): Promise<TaskClaim> => {
    const { signer, now } = this.#deps;
    this.#results.set(keyOf(done.requester, done.task), done);
    const work = taskWork(done);
    if (done.requester === signer.peer || worthOf(work, done.requester) < DEFAULTS.claimMicro) return null;
    const { claim, signature } = await claimWork(signer, {
      work,
      requester: done.requester,
      result: done.resultHash,
      finishedMs: Math.floor(now()),
    });
    return { finishedMs: claim.finishedMs, signature: signature.signature };
  };

  readonly witness = async (requester: PeerId, bytes: Bytes): Promise<Bytes | undefined> => {
    const { signer } = this.#deps;
    const statement = decodeStatement(bytes);
    const { claim, verdict, witnesses } = statement;
    const { work } = claim;
    if (work.kind !== "task" || claim.requester !== requester || claim.worker === signer.peer || !witnesses.includes(signer.peer))
      return undefined;
    const mine = this.#results.get(keyOf(requester, work.task));
    if (mine === undefined || mine.kind !== work.taskKind || mine.units !== work.units) return undefined;
    const isSame = bytesEqual(mine.resultHash, claim.result);
    const isSo = verdict === "quorum" ? isSame : verdict === "wrong" && !isSame && factsOf(work.taskKind)?.isExact === true;
    return isSo ? (await countersign(signer, statement)).signature : undefined;
  };

  /** Keeps a receipt of work that was done here. Whether its signatures hold is the ledger's to say: one that does not is dropped there. */
  readonly receipt = (requester: PeerId, bytes: Bytes): void => {
    const { signer, add, onReceipt } = this.#deps;
    const receipt = decodeReceipt(bytes);
    const { claim, verdict } = receipt.statement;
    const { work } = claim;
    if (work.kind !== "task" || claim.worker !== signer.peer || claim.requester !== requester || verdict === "wrong") return;
    const mine = this.#results.get(keyOf(requester, work.task));
    if (mine === undefined || mine.replica !== work.replica || !bytesEqual(mine.resultHash, claim.result)) return;
    onReceipt(worthOf(work, requester));
    void add(receipt);
  };
}

const keyOf = (requester: PeerId, task: string): string => `${requester} ${task}`;
