// The volunteer's half of credit for tasks: claims its results, signs for results of others that it computed as well,
// and keeps its receipts.
import type { Signer } from "../../credit/ed25519.ts";
import { claimWork, countersign } from "../../credit/make-receipt.ts";
import { priceWork } from "../../credit/price.ts";
import { decodeReceipt, decodeStatement, type Receipt, type Work } from "../../protocol/receipt.ts";
import type { TaskClaim } from "../../protocol/task-frames.ts";
import { bytesEqual } from "../../shared/bytes.ts";
import type { PeerId } from "../../shared/ids.ts";
import { RecentMap } from "../../shared/recent-map.ts";
import { factsOf, unitPrice } from "../../tasks/kinds/find-kind.ts";
import type { DoneTask } from "../../tasks/volunteer/volunteer.ts";

const DEFAULTS = Object.freeze({
  /**
   * Microcredits below which nothing is claimed: half a millisecond of computing, about what the signatures would take.
   */
  claimMicro: 1000,
  /** Results that are remembered in order to sign for others: some minutes of the smallest tasks that are claimed. */
  results: 8192,
});

type Bytes = Uint8Array<ArrayBuffer>;

export interface TaskClaimsOptions {
  readonly signer: Signer;
  /** Keeps a receipt for the ledger. */
  readonly add: (receipt: Receipt) => Promise<void>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Gets the worth of each receipt of this peer's work, in microcredits. */
  readonly onReceipt: (micro: number) => void;
}

export const taskWork = ({ task, kind, units, replica }: Pick<DoneTask, "task" | "kind" | "units" | "replica">): Work => ({
  kind: "task",
  task,
  taskKind: kind,
  units,
  replica,
});

/** Microcredits of work by the price list; 0 for a kind that earns nothing. */
function worthOf(work: Work, requester: PeerId): number {
  const price = priceWork(work, requester, { costOf: () => undefined, unitPrice });
  return price.kind === "worth" ? price.micro : 0;
}

/** Its methods are options of a volunteer. */
export class TaskClaims {
  readonly #options: TaskClaimsOptions;
  /** This peer's own results, by requester and task; the oldest first. */
  readonly #results = new RecentMap<string, DoneTask>(DEFAULTS.results);

  constructor(options: TaskClaimsOptions) {
    this.#options = options;
  }

  /**
   * Resolves with null for a task of this peer itself, and for work that is worth less than the signatures under it.
   */
  readonly claim = async (done: DoneTask): Promise<TaskClaim> => {
    const { signer, now } = this.#options;
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

  /**
   * Signs the statement if this peer's own result bears it out. Resolves with undefined if not. Rejects with
   * FRAME_MALFORMED.
   */
  readonly witness = async (requester: PeerId, bytes: Bytes): Promise<Bytes | undefined> => {
    const { signer } = this.#options;
    const statement = decodeStatement(bytes);
    const { claim, verdict, witnesses } = statement;
    const { work } = claim;
    if (work.kind !== "task" || claim.requester !== requester || claim.worker === signer.peer || !witnesses.includes(signer.peer))
      return undefined;
    const mine = this.#results.get(keyOf(requester, work.task));
    if (mine === undefined || mine.kind !== work.taskKind || mine.units !== work.units) return undefined;
    const isSame = bytesEqual(mine.resultHash, claim.result);
    // Only for an exact kind is another result a lie.
    const isTrue = verdict === "quorum" ? isSame : verdict === "wrong" && !isSame && factsOf(work.taskKind)?.isExact === true;
    return isTrue ? (await countersign(signer, statement)).signature : undefined;
  };

  /**
   * Keeps a receipt of this peer's own work. Its signatures are not checked here: the ledger drops a receipt with a
   * wrong one. Throws FRAME_MALFORMED.
   */
  readonly receipt = (requester: PeerId, bytes: Bytes): void => {
    const { signer, add, onReceipt } = this.#options;
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
