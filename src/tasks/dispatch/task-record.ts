// What the dispatcher knows of one task between its submission and its settlement. No clock, no wire.
import type { Task, TaskClaim } from "../../protocol/task-frames.ts";
import type { PeerId, TaskId } from "../../shared/ids.ts";
import type { Bytes } from "../task-kind.ts";
import type { Urgency } from "./task-queue.ts";
import { groupVotes, judge, type Judgement } from "./judge-results.ts";

/** One peer's revealed result, with the claim that pays for it. */
export interface Delivery {
  readonly peer: PeerId;
  readonly replica: number;
  /** Hex of the output's SHA-256. */
  readonly digest: string;
  /** The class in which the peer computes this kind. */
  readonly determinismClass: string | undefined;
  readonly claim: TaskClaim;
}

export interface Settled {
  readonly id: TaskId;
  readonly kind: string;
  /** The reservation at the ledger that pays for the task; null if there is none. */
  readonly reservation: string | null;
  readonly output: Bytes;
  readonly verdict: "quorum" | "unchecked";
  readonly units: number;
  /** Results that agree with this output, and results that do not. */
  readonly agreed: readonly Delivery[];
  readonly wrong: readonly Delivery[];
}

/** The right of one peer to compute one replica of a task, kept alive by progress. */
export interface Lease {
  readonly number: number;
  readonly peer: PeerId;
  readonly record: TaskRecord;
  readonly replica: number;
  readonly assignedMs: number;
  /** Since when the peer computes it, as far as the requester can tell; undefined while it waits at the peer. */
  startedMs: number | undefined;
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
  /** Peers that have the task, had it, or gave a result: no peer votes twice. */
  readonly tried = new Set<PeerId>();
  /** Peers that were lost while they computed the task. */
  readonly lostWith = new Set<PeerId>();
  readonly faults: { readonly peer: PeerId; readonly message: string }[] = [];
  /** The requester's own look at an output; an output that it refuses is wrong. */
  accepts: (output: Bytes, random: () => number) => boolean = () => true;
  /** Whether outputs of two determinism classes agree; undefined if only equal bytes do. */
  near: ((a: Bytes, b: Bytes) => boolean) | undefined;
  /** Whether one result is not enough; the standing of the peers that get the task decides that. */
  isChecked = false;
  /** Replicas that have to be assigned or delivered. */
  wanted = 1;
  replicas = 0;
  losses = 0;
  isQueued = false;
  /** Submissions that wait for the task. */
  waiters = 0;
  state: "open" | "over" = "open";
  /** The settlement that the task had before it was opened again. */
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
    this.#mayFail();
  }

  /** Replicas that are still to be assigned. */
  get missing(): number {
    return this.state === "over" ? 0 : Math.max(0, this.wanted - this.deliveries.length - this.leases.size);
  }

  /** From now on one result is not enough. */
  check(): void {
    if (this.isChecked || this.task.replication.quorum === 1) return;
    this.isChecked = true;
    this.wanted = Math.max(this.wanted, this.task.replication.quorum);
  }

  /** The leases to reveal now. There are none until every replica is committed to, so that no peer can copy. */
  toReveal(): readonly Lease[] {
    const committed = [...this.leases].filter(({ commit }) => commit !== undefined);
    if (committed.length + this.deliveries.length < this.wanted) return [];
    return committed.filter(({ revealedMs }) => revealedMs === undefined);
  }

  /** Undefined until every wanted result is delivered. */
  judge(): Judgement | undefined {
    if (this.deliveries.length < this.wanted) return undefined;
    return judge(this.#votes(), this.isChecked, this.task.replication);
  }

  /** The settlement that follows from a judgement. */
  settlement(judgement: Pick<Extract<Judgement, { kind: "accepted" }>, "digest" | "verdict">): Settled {
    const votes = this.#votes();
    const output = this.outputs.get(judgement.digest);
    if (output === undefined) throw new Error("a judgement names a result that was delivered"); // a defect of ours
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

  /** The deliveries, in their order; those that agree have one digest. */
  #votes(): readonly Delivery[] {
    const { near } = this;
    const nearDigests = (a: string, b: string): boolean => {
      const [one, other] = [this.outputs.get(a), this.outputs.get(b)];
      return one !== undefined && other !== undefined && near?.(one, other) === true;
    };
    return groupVotes(this.deliveries, near && nearDigests);
  }

  /** Opens a settled task again. Its result is one of those to compare. */
  reopen(): void {
    this.before = this.settlement({ digest: this.deliveries[0]?.digest ?? "", verdict: "unchecked" });
    this.state = "open";
    this.settled = Promise.withResolvers<Settled>();
    this.#mayFail();
    this.check();
  }

  /** Submissions get the rejection through promises of their own; a task without any may fail, too. */
  #mayFail(): void {
    this.settled.promise.catch(() => {});
  }
}
