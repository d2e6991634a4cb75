// The requester's side of tasks: has each task assigned, checks the results, and settles each task exactly once.
import { sha256 } from "@noble/hashes/sha2.js";
import { commitment, encodeTask, type RefusalReason, type Task, type TaskClaim, taskId } from "../../protocol/task-frames.ts";
import { bytesEqual, toHex } from "../../shared/bytes.ts";
import { every } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { Emitter, type Observable } from "../../shared/events.ts";
import type { PeerId, TaskId } from "../../shared/ids.ts";
import { oncePerTurn } from "../../shared/once-per-turn.ts";
import { Assignments, type AssignmentsOptions } from "./assignments.ts";
import type { VolunteerView } from "./volunteer-view.ts";
import type { Bytes } from "../task-kind.ts";
import { type Lease, type Settled, TaskRecord } from "./task-record.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two looks at leases and deadlines. */
  tickMs: 250,
  /** Reports of a fault after which a task fails: the second comes from another peer, or from the only peer again. */
  faults: 2,
  /**
   * Peers that were lost, or fell silent, while they computed a task, after which it fails. Four by chance are rare if
   * a task takes a tenth of the time for which a tab is open (1 in 10,000), and each further peer may be a tab that the
   * task kills.
   */
  lostWith: 4,
  /** Milliseconds for which a busy volunteer gets no task. */
  busyMs: 500,
});

/** A result as the volunteer that made it signed for it. */
export interface ClaimedResult {
  readonly task: TaskId;
  readonly kind: string;
  readonly units: number;
  readonly replica: number;
  readonly volunteer: PeerId;
  readonly resultHash: Bytes;
  readonly claim: NonNullable<TaskClaim>;
}

export interface DispatcherOptions extends AssignmentsOptions {
  /** Whether the volunteer's signature is its own. Without it claims are not checked. */
  readonly checkClaim?: (result: ClaimedResult) => Promise<boolean>;
}

export interface SubmitOptions {
  /** Higher goes first; 0 is usual. */
  readonly priority?: number;
  /** Milliseconds from now after which the task fails with TIMEOUT. */
  readonly deadlineMs?: number;
  /** Priced units of the task, by the requester's own measure. */
  readonly units?: number;
  /** The reservation at the ledger that pays for the task. */
  readonly reservation?: string | null;
  /** Peers that do not get the task. */
  readonly avoid?: readonly PeerId[];
  /** `encodeTask(task)`, if the caller has it already. */
  readonly bytes?: Bytes;
  /** The requester's own look at an output, for kinds that have one (`KindCode.accepts`). */
  readonly accepts?: (output: Bytes, random: () => number) => boolean;
  /** Whether outputs of two determinism classes agree, for kinds that can tell (`KindCode.near`). */
  readonly near?: (a: Bytes, b: Bytes) => boolean;
  readonly signal: AbortSignal;
}

export interface DispatcherEvents {
  "task:settled": Settled;
  "task:failed": { readonly id: TaskId; readonly error: ManyhandsError };
  /** A peer was caught, so this task, which its result alone had settled, is checked now. */
  "task:reopened": { readonly id: TaskId; readonly peer: PeerId };
  /** The check of a reopened task gave the same result. */
  "task:confirmed": Settled;
  /** The check of a reopened task gave another result than the one before. */
  "task:corrected": Settled;
  /** A claim was signed by another key than its peer's: the result does not count. */
  "claim:forged": { readonly peer: PeerId; readonly task: TaskId };
  "peer:wrong": { readonly peer: PeerId; readonly task: TaskId };
}

export class Dispatcher implements Observable<DispatcherEvents> {
  readonly #options: DispatcherOptions;
  readonly #emitter = new Emitter<DispatcherEvents>();
  readonly #records = new Map<TaskId, TaskRecord>();
  readonly #assignments: Assignments;
  #submitted = 0;
  /** Tasks that are submitted in one turn are spread over the volunteers, and sent, together. */
  readonly #assignSoon = oncePerTurn(() => this.assign());

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#assignments = new Assignments(options);
  }

  on<Name extends keyof DispatcherEvents>(name: Name, listener: (payload: DispatcherEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Tasks that are neither settled nor failed. */
  get open(): number {
    return this.#records.size;
  }

  /**
   * Resolves with the task's settlement. A task that is submitted again while it is open is computed once, with the
   * priority and deadline of the first submission. Throws BAD_INPUT, TASK_FAILED if it fails on two peers or no two
   * results agree, TIMEOUT past its deadline, or the signal's reason.
   */
  submit(
    task: Task,
    { priority = 0, deadlineMs = Infinity, units = 1, reservation = null, avoid = [], accepts, near, signal, ...given }: SubmitOptions,
  ): Promise<Settled> {
    if (signal.aborted) return Promise.reject(signal.reason);
    let { bytes } = given;
    try {
      bytes ??= encodeTask(task);
    } catch (error) {
      return Promise.reject(error);
    }
    const id = taskId(bytes);
    const known = this.#records.get(id);
    if (known !== undefined) return this.#waitFor(known, signal);
    const untilMs = this.#options.clock.now() + deadlineMs;
    const record = new TaskRecord({ id, task, bytes, units, reservation, priority, deadlineMs: untilMs, order: this.#submitted++ });
    for (const peer of avoid) record.tried.add(peer);
    if (accepts) record.accepts = accepts;
    if (near) record.near = near;
    this.#records.set(id, record);
    this.#assignments.enqueue(record);
    this.#assignSoon();
    return this.#waitFor(record, signal);
  }

  /** When the last submission that waits for a task gives it up, the task fails. */
  #waitFor(record: TaskRecord, signal: AbortSignal): Promise<Settled> {
    record.waiters++;
    const { promise, resolve, reject } = Promise.withResolvers<Settled>();
    const onAbort = (): void => {
      reject(signal.reason);
      if (--record.waiters === 0) this.#fail(record, signal.reason as ManyhandsError);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const over = (): void => signal.removeEventListener("abort", onAbort);
    record.settled.promise.then(over, over);
    record.settled.promise.then(resolve, reject);
    promise.catch(() => {}); // the caller gets the rejection, if it still waits
    return promise;
  }

  /** Whether any peer has the task now. */
  isAssigned(id: TaskId): boolean {
    return (this.#records.get(id)?.leases.size ?? 0) > 0;
  }

  /** Watches leases and deadlines until the signal aborts. */
  watch(signal: AbortSignal): Promise<void> {
    return every(this.#options.clock, DEFAULTS.tickMs, signal, () => this.#tick());
  }

  /**
   * A volunteer has made its first offer, or a new one. If it starts nothing now, other volunteers get the tasks that
   * wait there.
   */
  offered(peer: VolunteerView): void {
    if (peer.slots === 0) for (const lease of peer.waiting) this.#cancel(peer, lease, false);
    this.#assignments.add(peer);
    this.assign();
  }

  /** A volunteer is gone: other volunteers get its tasks. */
  lost(peer: VolunteerView): void {
    this.#assignments.remove(peer);
    const running = new Set(peer.running);
    for (const lease of [...peer.leases.values()]) this.#reclaim(peer, lease, running.has(lease));
    this.assign();
  }

  progressed(peer: VolunteerView, number: number, step: number): void {
    const lease = peer.leases.get(number);
    if (lease === undefined || step <= lease.step) return; // late, or no progress
    lease.step = step;
    lease.movedMs = this.#options.clock.now();
    peer.movedMs = lease.movedMs;
  }

  committed(peer: VolunteerView, number: number, digest: Uint8Array): void {
    const lease = peer.leases.get(number);
    if (lease === undefined || lease.commit !== undefined) return; // late, or a second commitment: the first one binds
    const nowMs = this.#options.clock.now();
    peer.committed(lease, digest, nowMs);
    if (peer.load === 0) this.#assignments.level(nowMs);
    this.#reveal(lease.record);
  }

  /** Resolves once the result is judged. */
  async delivered(peer: VolunteerView, number: number, salt: Uint8Array, output: Bytes, claim: TaskClaim): Promise<void> {
    const lease = peer.leases.get(number);
    if (lease?.commit === undefined || lease.revealedMs === undefined) return; // late, or unasked
    const { record } = lease;
    peer.movedMs = this.#options.clock.now();
    const hash = sha256(output) as Bytes; // noble allocates plain buffers
    const isMeant = bytesEqual(commitment(salt, peer.peer, record.id, hash), lease.commit);
    const isGood = isMeant && output.byteLength <= record.task.limits.outputBytes && record.accepts(output, this.#options.random);
    const isSigned = !isGood || claim === null || (await this.#isOwn(peer.peer, lease, hash, claim));
    if (peer.leases.get(number) !== lease) return; // reclaimed, or delivered twice, meanwhile
    this.#assignments.end(peer, lease);
    if (!isSigned) this.#emitter.emit("claim:forged", { peer: peer.peer, task: record.id });
    if (!isGood || !isSigned) {
      this.#caught(peer.peer, record);
      this.#assignments.enqueue(record);
      return;
    }
    const digest = toHex(hash);
    record.outputs.set(digest, output);
    const determinismClass = peer.classOf(record.task.kind, record.task.version);
    record.deliveries.push({ peer: peer.peer, replica: lease.replica, digest, determinismClass, claim });
    this.#judge(record);
  }

  async #isOwn(volunteer: PeerId, { record, replica }: Lease, resultHash: Bytes, claim: NonNullable<TaskClaim>): Promise<boolean> {
    const { id: task, units } = record;
    return (await this.#options.checkClaim?.({ task, kind: record.task.kind, units, replica, volunteer, resultHash, claim })) ?? true;
  }

  refused(peer: VolunteerView, number: number, reason: RefusalReason, message: string): void {
    const lease = peer.leases.get(number);
    if (lease === undefined) return; // late
    const { record } = lease;
    const nowMs = this.#options.clock.now();
    this.#assignments.end(peer, lease);
    if (reason === "fault") record.faults.push({ peer: peer.peer, message });
    else if (reason === "unknown-kind") peer.doesNotCompute(record.task.kind, record.task.version);
    else if (reason === "busy") peer.pausedUntilMs = nowMs + DEFAULTS.busyMs * (0.5 + this.#options.random());
    if (reason !== "fault") record.tried.delete(peer.peer);
    if (record.faults.length >= DEFAULTS.faults) {
      this.#fail(record, new ManyhandsError("TASK_FAILED", `two tries failed: ${message}`));
      return;
    }
    // If no other volunteer computes this kind, the same one may try once more.
    if (reason === "fault" && !this.#assignments.hasOthersFor(record)) record.tried.delete(peer.peer);
    this.#assignments.retry(record);
  }

  /**
   * Assigns what volunteers have capacity for, and sends what is queued for them. To be called after each frame that
   * was read.
   */
  assign(): void {
    this.#assignments.assign();
  }

  #reveal(record: TaskRecord): void {
    for (const lease of record.toReveal()) {
      lease.revealedMs = this.#options.clock.now();
      const reveals = [{ lease: lease.number, replica: lease.replica, units: record.units }];
      this.#assignments.peer(lease.peer)?.sender.queue({ kind: "reveal", reveals });
    }
  }

  #judge(record: TaskRecord): void {
    const judgement = record.judge();
    if (judgement === undefined) return;
    if (judgement.kind === "split") {
      this.#fail(record, new ManyhandsError("TASK_FAILED", "no two peers agree on the result"));
    } else if (judgement.kind === "ask") {
      record.wanted += judgement.more;
      this.#assignments.enqueue(record);
    } else {
      const settled = record.settlement(judgement);
      this.#close(record);
      record.settled.resolve(settled);
      const { before } = record;
      const wasWrong = before !== undefined && !settled.agreed.some(({ digest }) => digest === before.agreed[0]?.digest);
      if (before === undefined) this.#emitter.emit("task:settled", settled);
      else if (!wasWrong) this.#emitter.emit("task:confirmed", settled);
      else this.#emitter.emit("task:corrected", settled);
      this.#account(record, settled);
    }
  }

  #account(record: TaskRecord, { verdict, agreed, wrong }: Settled): void {
    const { standings } = this.#options;
    const { kind } = record.task;
    for (const { peer } of agreed) {
      if (verdict === "quorum") standings.agreed(peer, kind);
      else if (record.task.replication.quorum > 1) standings.unchecked(peer, record);
    }
    for (const { peer } of record.faults) if (verdict === "quorum") standings.fault(peer, kind);
    for (const { peer } of wrong) this.#caught(peer, record);
  }

  #caught(peer: PeerId, record: TaskRecord): void {
    this.#emitter.emit("peer:wrong", { peer, task: record.id });
    for (const other of this.#options.standings.wrong(peer, record.task.kind)) {
      if (other.state === "open" || this.#records.has(other.id)) continue; // it is computed again already
      other.reopen();
      this.#records.set(other.id, other);
      this.#emitter.emit("task:reopened", { id: other.id, peer });
      this.#assignments.enqueue(other);
    }
  }

  #fail(record: TaskRecord, error: ManyhandsError): void {
    if (record.state === "over") return;
    this.#close(record);
    record.settled.reject(error);
    this.#emitter.emit("task:failed", { id: record.id, error });
    this.assign();
  }

  #close(record: TaskRecord): void {
    record.state = "over";
    this.#records.delete(record.id);
    this.#assignments.cancel(record);
  }

  /** `isSuspect`: the peer was computing the task, so the task may be why the peer was lost. */
  #reclaim(peer: VolunteerView, lease: Lease, isSuspect: boolean): void {
    const { record } = lease;
    this.#assignments.reclaim(peer, lease);
    if (record.state === "over") return;
    if (isSuspect) record.lostWith.add(peer.peer);
    if (record.lostWith.size < DEFAULTS.lostWith) this.#assignments.retry(record);
    else this.#fail(record, new ManyhandsError("TASK_FAILED", `${record.lostWith.size} peers were lost while they computed it`));
  }

  #cancel(peer: VolunteerView, lease: Lease, isSuspect: boolean): void {
    this.#reclaim(peer, lease, isSuspect);
    peer.queueCancel(lease);
  }

  #tick(): void {
    const nowMs = this.#options.clock.now();
    for (const record of [...this.#records.values()])
      if (record.deadlineMs <= nowMs) this.#fail(record, new ManyhandsError("TIMEOUT", "the task's deadline has passed"));
    for (const peer of this.#assignments.peers) {
      for (const lease of peer.overdue(nowMs)) {
        this.#cancel(peer, lease, lease.commit === undefined && peer.slots > 0);
      }
    }
    this.#assignments.level(nowMs);
    this.assign();
  }
}
