// What the dispatcher knows of one task between its submission and its settlement, and whom it may be lent to. No clock, no wire.
import type { Task, TaskClaim } from "../../protocol/task-frames.ts";
import type { PeerId, TaskId } from "../../shared/ids.ts";
import type { Bytes } from "../task-kind.ts";
import type { Urgency } from "./task-queue.ts";
import { groupVotes, judge, type Judgement } from "./judge-results.ts";

/** One peer's revealed result, with what pays for it. */
export interface Delivery {
  readonly peer: PeerId;
  readonly replica: number;
  /** Hex of the output's SHA-256. */
  readonly digest: string;
  /** In which its peer computes this kind. */
  readonly determinismClass: string | undefined;
  readonly claim: TaskClaim;
}

export interface Settled {
  readonly id: TaskId;
  readonly kind: string;
  /** What was set aside for it at the ledger; null where nothing was. */
  readonly reservation: string | null;
  readonly output: Bytes;
  readonly verdict: "quorum" | "unchecked";
  readonly units: number;
  /** Who gave this output, and who gave another. */
  readonly agreed: readonly Delivery[];
  readonly wrong: readonly Delivery[];
}

/** The right of one peer to do one task, kept by progress. */
export interface Lease {
  readonly number: number;
  readonly peer: PeerId;
  readonly record: TaskRecord;
  readonly replica: number;
  readonly lentMs: number;
  /** When it came among those that its peer computes now; undefined while it waits there. */
  upMs: number | undefined;
  /** Of the last sign of progress. */
  movedMs: number;
  step: number;
  commit: Uint8Array | undefined;
  revealedMs: number | undefined;
}

export class TaskRecord implements Urgency {
  readonly id: TaskId;
  readonly task: Task;
  readonly bytes: Bytes;
  readonly units: number;
  readonly priority: number;
  readonly deadlineMs: number;
  readonly order: number;
  readonly reservation: string | null;
  settled = Promise.withResolvers<Settled>();
  readonly leases = new Set<Lease>();
  deliveries: Delivery[] = [];
  /** Outputs by digest. */
  readonly outputs = new Map<string, Bytes>();
  /** Who has it, had it, or gave a result: nobody votes twice. */
  readonly tried = new Set<PeerId>();
  /** Who was lost while it computed it. */
  readonly lostWith = new Set<PeerId>();
  readonly faults: { readonly peer: PeerId; readonly message: string }[] = [];
  /** The requester's own look at an output: what it refuses is wrong. */
  accepts: (output: Bytes, random: () => number) => boolean = () => true;
  /** Whether outputs of two classes say the same; undefined where only equal bytes do. */
  near: ((a: Bytes, b: Bytes) => boolean) | undefined;
  /** Whether one result is not enough; decided by the standing of whoever gets it. */
  isChecked = false;
  /** Replicas that have to be out or in. */
  wanted = 1;
  replicas = 0;
  losses = 0;
  isQueued = false;
  /** Submissions that wait for it. */
  wanters = 0;
  state: "open" | "over" = "open";
  /** What it was settled with before somebody's lie opened it again. */
  before: Settled | undefined;

  constructor(given: { id: TaskId; task: Task; bytes: Bytes; units: number; reservation: string | null } & Urgency) {
    this.id = given.id;
    this.task = given.task;
    this.bytes = given.bytes;
    this.units = given.units;
    this.priority = given.priority;
    this.deadlineMs = given.deadlineMs;
    this.order = given.order;
    this.reservation = given.reservation;
    this.#letFail();
  }

  /** Replicas that nobody has yet. */
  get missing(): number {
    return this.state === "over" ? 0 : Math.max(0, this.wanted - this.deliveries.length - this.leases.size);
  }

  /** From now on one result is not enough. */
  check(): void {
    if (this.isChecked || this.task.replication.quorum === 1) return;
    this.isChecked = true;
    this.wanted = Math.max(this.wanted, this.task.replication.quorum);
  }

  /** Those to reveal now: everybody has committed who is needed, so nobody can copy. */
  toReveal(): readonly Lease[] {
    const committed = [...this.leases].filter(({ commit }) => commit !== undefined);
    if (committed.length + this.deliveries.length < this.wanted) return [];
    return committed.filter(({ revealedMs }) => revealedMs === undefined);
  }

  /** What the results say; undefined while some that were committed to are still to be shown. */
  judge(): Judgement | undefined {
    if (this.deliveries.length < this.wanted) return undefined;
    return judge(this.#votes(), this.isChecked, this.task.replication);
  }

  /** The settlement that a judgement stands for. */
  settlement(judgement: Pick<Extract<Judgement, { kind: "accepted" }>, "digest" | "verdict">): Settled {
    const votes = this.#votes();
    const output = this.outputs.get(judgement.digest);
    if (output === undefined) throw new Error("a judgement names a result that was given"); // a defect of ours
    return {
      id: this.id,
      kind: this.task.kind,
      reservation: this.reservation,
      output,
      verdict: judgement.verdict,
      units: this.units,
      agreed: this.deliveries.filter((_, at) => votes[at]?.digest === judgement.digest),
      wrong: this.deliveries.filter((_, at) => votes[at]?.digest !== judgement.digest),
    };
  }

  /** The deliveries, in their order, with one digest for all that say the same. */
  #votes(): readonly Delivery[] {
    const { near } = this;
    const nearDigests = (a: string, b: string): boolean => {
      const [one, other] = [this.outputs.get(a), this.outputs.get(b)];
      return one !== undefined && other !== undefined && near?.(one, other) === true;
    };
    return groupVotes(this.deliveries, near && nearDigests);
  }

  /** Opens a settled task again, with the result that it had as one of those to compare. */
  reopen(): void {
    this.before = this.settlement({ digest: this.deliveries[0]?.digest ?? "", verdict: "unchecked" });
    this.state = "open";
    this.settled = Promise.withResolvers<Settled>();
    this.#letFail();
    this.check();
  }

  /** Whoever submitted it hears of it; a task that nobody waits for may fail. */
  #letFail(): void {
    this.settled.promise.catch(() => {});
  }
}
