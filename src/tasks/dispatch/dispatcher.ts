// The requester's side: takes tasks, has them lent, checks what comes back, and settles each exactly once.
import { sha256 } from "@noble/hashes/sha2.js";
import { commitment, encodeTask, type RefusalReason, type Task, type TaskClaim, taskId } from "../../protocol/task-frames.ts";
import { bytesEqual, toHex } from "../../shared/bytes.ts";
import { every } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { Emitter, type Observable } from "../../shared/events.ts";
import type { PeerId, TaskId } from "../../shared/ids.ts";
import { oncePerTurn } from "../../shared/once-per-turn.ts";
import { Assignments, type AssignmentsDeps } from "./assignments.ts";
import type { VolunteerView } from "./volunteer-view.ts";
import type { Bytes } from "../task-kind.ts";
import { type Lease, type Settled, TaskRecord } from "./task-record.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two looks at leases and deadlines. */
  tickMs: 250,
  /** Reports of a fault after which a task fails: the second is another peer's, or the only one's again. */
  faults: 2,
  /**
   * Peers that were lost, or said nothing more, while they computed a task, after which it fails: four by chance are rare where
   * a task takes a tenth of the time for which a tab is open (1 in 10,000), and each further one may be a tab that it kills.
   */
  lostWith: 4,
  /** Milliseconds for which a volunteer that is busy is left alone. */
  busyMs: 500,
});

/** A result as its maker signed for it. */
export interface ClaimedWork {
  readonly task: TaskId;
  readonly kind: string;
  readonly units: number;
  readonly replica: number;
  readonly worker: PeerId;
  readonly resultHash: Bytes;
  readonly claim: NonNullable<TaskClaim>;
}

export interface DispatcherDeps extends AssignmentsDeps {
  /** Whether the worker's signature is its own; without it claims are taken as they come. */
  readonly checkClaim?: (work: ClaimedWork) => Promise<boolean>;
}

export interface SubmitOptions {
  /** Higher goes first; 0 is usual. */
  readonly priority?: number;
  /** Milliseconds from now after which the task fails with TIMEOUT. */
  readonly deadlineMs?: number;
  /** Priced units of the task, by the requester's own measure. */
  readonly units?: number;
  /** What was set aside for it at the ledger. */
  readonly reservation?: string | null;
  /** Who does not get it. */
  readonly avoid?: readonly PeerId[];
  /** `encodeTask(task)`, where the caller has it already. */
  readonly bytes?: Bytes;
  /** The requester's own look at an output, for kinds that have one (`TaskKind.accepts`). */
  readonly accepts?: (output: Bytes, random: () => number) => boolean;
  /** Whether outputs of two determinism classes say the same, for kinds that can tell (`TaskKind.near`). */
  readonly near?: (a: Bytes, b: Bytes) => boolean;
  readonly signal: AbortSignal;
}

export interface DispatcherEvents {
  "task:settled": Settled;
  "task:failed": { readonly id: TaskId; readonly error: ManyhandsError };
  /** A peer was caught: this task that it settled alone is checked now. */
  "task:reopened": { readonly id: TaskId; readonly peer: PeerId };
  /** The check of a reopened task gave the same result. */
  "task:confirmed": Settled;
  /** The check of a reopened task gave another result than the one that was handed out. */
  "task:corrected": Settled;
  /** A signature that is not its peer's own: the result does not count. */
  "claim:forged": { readonly peer: PeerId; readonly task: TaskId };
  "peer:wrong": { readonly peer: PeerId; readonly task: TaskId };
}

export class Dispatcher implements Observable<DispatcherEvents> {
  readonly #deps: DispatcherDeps;
  readonly #emitter = new Emitter<DispatcherEvents>();
  readonly #records = new Map<TaskId, TaskRecord>();
  readonly #lending: Assignments;
  #orders = 0;
  /** What is submitted in one turn is shared out, and leaves, together. */
  readonly #lendSoon = oncePerTurn(() => this.lend());

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
    this.#lending = new Assignments(deps);
  }

  on<Name extends keyof DispatcherEvents>(name: Name, listener: (payload: DispatcherEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Tasks that are neither settled nor failed. */
  get open(): number {
    return this.#records.size;
  }

  /**
   * The settlement of a task. The same task again while it is open is the same work, of the first one's priority and
   * deadline. Throws BAD_INPUT, TASK_FAILED where it fails on two peers or nobody agrees, TIMEOUT past its deadline, or the
   * signal's reason.
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
    if (known !== undefined) return this.#want(known, signal);
    const untilMs = this.#deps.clock.now() + deadlineMs;
    const record = new TaskRecord({ id, task, bytes, units, reservation, priority, deadlineMs: untilMs, order: this.#orders++ });
    for (const peer of avoid) record.tried.add(peer);
    if (accepts) record.accepts = accepts;
    if (near) record.near = near;
    this.#records.set(id, record);
    this.#lending.enqueue(record);
    this.#lendSoon();
    return this.#want(record, signal);
  }

  /** A task is given up when the last one who waits for it gives it up. */
  #want(record: TaskRecord, signal: AbortSignal): Promise<Settled> {
    record.wanters++;
    const { promise, resolve, reject } = Promise.withResolvers<Settled>();
    const onAbort = (): void => {
      reject(signal.reason);
      if (--record.wanters === 0) this.#fail(record, signal.reason as ManyhandsError);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const over = (): void => signal.removeEventListener("abort", onAbort);
    record.settled.promise.then(over, over);
    record.settled.promise.then(resolve, reject);
    promise.catch(() => {}); // whoever submitted it hears of it, if it still listens
    return promise;
  }

  /** Whether some peer has the task now. */
  isLent(id: TaskId): boolean {
    return (this.#records.get(id)?.leases.size ?? 0) > 0;
  }

  /** Watches leases and deadlines until the signal aborts. */
  watch(signal: AbortSignal): Promise<void> {
    return every(this.#deps.clock, DEFAULTS.tickMs, signal, () => this.#tick());
  }

  /** A volunteer has come, or offers something else. Where it starts nothing now, what waits there goes to others. */
  offered(peer: VolunteerView): void {
    if (peer.slots === 0) for (const lease of peer.waiting) this.#cancel(peer, lease, false);
    this.#lending.come(peer);
    this.lend();
  }

  /** A volunteer is gone: what it held goes to others. */
  lost(peer: VolunteerView): void {
    this.#lending.go(peer);
    const computed = new Set(peer.computed);
    for (const lease of [...peer.leases.values()]) this.#takeBack(peer, lease, computed.has(lease));
    this.lend();
  }

  progressed(peer: VolunteerView, number: number, step: number): void {
    const lease = peer.leases.get(number);
    if (lease === undefined || step <= lease.step) return; // late, or no progress
    lease.step = step;
    lease.movedMs = this.#deps.clock.now();
    peer.movedMs = lease.movedMs;
  }

  committed(peer: VolunteerView, number: number, digest: Uint8Array): void {
    const lease = peer.leases.get(number);
    if (lease === undefined || lease.commit !== undefined) return; // late, or twice: the first one binds
    const nowMs = this.#deps.clock.now();
    peer.committed(lease, digest, nowMs);
    if (peer.load === 0) this.#lending.level(nowMs);
    this.#reveal(lease.record);
  }

  /** Resolves once it is judged. */
  async delivered(peer: VolunteerView, number: number, salt: Uint8Array, output: Bytes, claim: TaskClaim): Promise<void> {
    const lease = peer.leases.get(number);
    if (lease?.commit === undefined || lease.revealedMs === undefined) return; // late, or unasked
    const { record } = lease;
    peer.movedMs = this.#deps.clock.now();
    const hash = sha256(output) as Bytes; // noble allocates plain buffers
    const isMeant = bytesEqual(commitment(salt, peer.peer, record.id, hash), lease.commit);
    const isGood = isMeant && output.byteLength <= record.task.limits.outputBytes && record.accepts(output, this.#deps.random);
    const isSigned = !isGood || claim === null || (await this.#isOwn(peer.peer, lease, hash, claim));
    if (peer.leases.get(number) !== lease) return; // taken back, or delivered twice, meanwhile
    this.#lending.end(peer, lease);
    if (!isSigned) this.#emitter.emit("claim:forged", { peer: peer.peer, task: record.id });
    if (!isGood || !isSigned) {
      this.#caught(peer.peer, record);
      this.#lending.enqueue(record);
      return;
    }
    const digest = toHex(hash);
    record.outputs.set(digest, output);
    const determinismClass = peer.classOf(record.task.kind, record.task.version);
    record.deliveries.push({ peer: peer.peer, replica: lease.replica, digest, determinismClass, claim });
    this.#judge(record);
  }

  async #isOwn(worker: PeerId, { record, replica }: Lease, resultHash: Bytes, claim: NonNullable<TaskClaim>): Promise<boolean> {
    const { id: task, units } = record;
    return (await this.#deps.checkClaim?.({ task, kind: record.task.kind, units, replica, worker, resultHash, claim })) ?? true;
  }

  refused(peer: VolunteerView, number: number, reason: RefusalReason, message: string): void {
    const lease = peer.leases.get(number);
    if (lease === undefined) return; // late
    const { record } = lease;
    const nowMs = this.#deps.clock.now();
    this.#lending.end(peer, lease);
    if (reason === "fault") record.faults.push({ peer: peer.peer, message });
    else if (reason === "unknown-kind") peer.notTaking(record.task.kind, record.task.version);
    else if (reason === "busy") peer.pausedUntilMs = nowMs + DEFAULTS.busyMs * (0.5 + this.#deps.random());
    if (reason !== "fault") record.tried.delete(peer.peer);
    if (record.faults.length >= DEFAULTS.faults) {
      this.#fail(record, new ManyhandsError("TASK_FAILED", `two tries failed: ${message}`));
      return;
    }
    // The only one that takes this kind may try once more.
    if (reason === "fault" && !this.#lending.hasOthersFor(record)) record.tried.delete(peer.peer);
    this.#lending.retry(record);
  }

  /** Has lent what there is room for, and sends what was queued. To be called after a frame was read. */
  lend(): void {
    this.#lending.lend();
  }

  #reveal(record: TaskRecord): void {
    for (const lease of record.toReveal()) {
      lease.revealedMs = this.#deps.clock.now();
      const reveals = [{ lease: lease.number, replica: lease.replica, units: record.units }];
      this.#lending.peer(lease.peer)?.sender.queue({ kind: "reveal", reveals });
    }
  }

  #judge(record: TaskRecord): void {
    const judgement = record.judge();
    if (judgement === undefined) return;
    if (judgement.kind === "split") {
      this.#fail(record, new ManyhandsError("TASK_FAILED", "no two peers agree on the result"));
    } else if (judgement.kind === "ask") {
      record.wanted += judgement.more;
      this.#lending.enqueue(record);
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
    const { standings } = this.#deps;
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
    for (const other of this.#deps.standings.wrong(peer, record.task.kind)) {
      if (other.state === "open" || this.#records.has(other.id)) continue; // it is being computed again already
      other.reopen();
      this.#records.set(other.id, other);
      this.#emitter.emit("task:reopened", { id: other.id, peer });
      this.#lending.enqueue(other);
    }
  }

  #fail(record: TaskRecord, error: ManyhandsError): void {
    if (record.state === "over") return;
    this.#close(record);
    record.settled.reject(error);
    this.#emitter.emit("task:failed", { id: record.id, error });
    this.lend();
  }

  /** Nobody computes it any more. */
  #close(record: TaskRecord): void {
    record.state = "over";
    this.#records.delete(record.id);
    this.#lending.cancel(record);
  }

  /** `isSuspect`: the task was being computed, so it may be what the peer was lost by. */
  #takeBack(peer: VolunteerView, lease: Lease, isSuspect: boolean): void {
    const { record } = lease;
    this.#lending.takeBack(peer, lease);
    if (record.state === "over") return;
    if (isSuspect) record.lostWith.add(peer.peer);
    if (record.lostWith.size < DEFAULTS.lostWith) this.#lending.retry(record);
    else this.#fail(record, new ManyhandsError("TASK_FAILED", `${record.lostWith.size} peers were lost while they computed it`));
  }

  #cancel(peer: VolunteerView, lease: Lease, isSuspect: boolean): void {
    this.#takeBack(peer, lease, isSuspect);
    peer.tellCancelled(lease);
  }

  #tick(): void {
    const nowMs = this.#deps.clock.now();
    for (const record of [...this.#records.values()])
      if (record.deadlineMs <= nowMs) this.#fail(record, new ManyhandsError("TIMEOUT", "the task's deadline has passed"));
    for (const peer of this.#lending.peers) {
      for (const lease of peer.overdue(nowMs)) {
        this.#cancel(peer, lease, lease.commit === undefined && peer.slots > 0);
      }
    }
    this.#lending.level(nowMs);
    this.lend();
  }
}
