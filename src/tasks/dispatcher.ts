// The requester's side: keeps the queue, lends tasks to volunteers, checks what comes back, and settles each task exactly once.
import { sha256 } from "@noble/hashes/sha2.js";
import { commitment, encodeTask, type RefusalReason, type Task, type TaskClaim, taskId } from "../protocol/task-frames.ts";
import { bytesEqual, toHex } from "../shared/bytes.ts";
import type { Clock } from "../shared/clock.ts";
import { ManyhandsError } from "../shared/errors.ts";
import { Emitter, type Observable } from "../shared/events.ts";
import type { PeerId, TaskId } from "../shared/ids.ts";
import type { DispatcherEvents } from "./dispatcher-events.ts";
import type { LentPeer } from "./lent-peer.ts";
import type { Standings } from "./standings.ts";
import type { Bytes } from "./task-kind.ts";
import { TaskQueue } from "./task-queue.ts";
import { type Lease, type Settled, TaskRecord } from "./task-record.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds between two looks at leases and deadlines. */
  tickMs: 250,
  /** Tasks that are looked at for one volunteer: those before may all be ones that it had. */
  look: 2048,
  /** Reports of a fault after which a task fails: the second is another peer's, or the only one's again. */
  faults: 2,
  /** Milliseconds for which a volunteer that is busy is left alone. */
  busyMs: 500,
  /** Refusals and losses after which a task waits before it is lent again: longer each time, to the longest. */
  quickRetries: 3,
  retryMs: 250,
  retryMostMs: 8_000,
});

export interface DispatcherDeps {
  readonly clock: Clock;
  /** In [0, 1): who is checked, and jitter. */
  readonly random: () => number;
  readonly standings: Standings;
}

export interface SubmitOptions {
  /** Higher goes first; 0 is usual. */
  readonly priority?: number;
  /** Milliseconds from now after which the task fails with TIMEOUT. */
  readonly deadlineMs?: number;
  /** Priced units of the task, by the requester's own measure. */
  readonly units?: number;
  readonly signal: AbortSignal;
}

export class Dispatcher implements Observable<DispatcherEvents> {
  readonly #deps: DispatcherDeps;
  readonly #emitter = new Emitter<DispatcherEvents>();
  readonly #records = new Map<TaskId, TaskRecord>();
  /** Tasks that nobody has, and those that need a second opinion. */
  readonly #fresh = new TaskQueue<TaskRecord>();
  readonly #begun = new TaskQueue<TaskRecord>();
  readonly #peers = new Map<PeerId, LentPeer>();
  #orders = 0;
  #leases = 0;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
  }

  on<Name extends keyof DispatcherEvents>(name: Name, listener: (payload: DispatcherEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Tasks that are neither settled nor failed. */
  get open(): number {
    return this.#records.size;
  }

  /**
   * The settlement of a task. The same task again while it is open is the same work, and ends with the
   * first one's signal. Throws BAD_INPUT, TASK_FAILED where it
   * fails on two peers or nobody agrees, TIMEOUT past its deadline, or the signal's reason.
   */
  submit(task: Task, { priority = 0, deadlineMs = Infinity, units = 1, signal }: SubmitOptions): Promise<Settled> {
    if (signal.aborted) return Promise.reject(signal.reason);
    let bytes: Bytes;
    try {
      bytes = encodeTask(task);
    } catch (error) {
      return Promise.reject(error);
    }
    const id = taskId(bytes);
    const known = this.#records.get(id);
    if (known !== undefined) return known.settled.promise;
    const untilMs = this.#deps.clock.now() + deadlineMs;
    const record = new TaskRecord({ id, task, bytes, units, priority, deadlineMs: untilMs, order: this.#orders++ });
    const onAbort = (): void => this.#fail(record, signal.reason as ManyhandsError);
    signal.addEventListener("abort", onAbort, { once: true });
    record.settled.promise.then(
      () => signal.removeEventListener("abort", onAbort),
      () => signal.removeEventListener("abort", onAbort),
    );
    this.#records.set(id, record);
    this.#enqueue(record);
    this.lend();
    return record.settled.promise;
  }

  /** Watches leases and deadlines until the signal aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.#deps.clock.sleep(DEFAULTS.tickMs, signal);
      } catch {
        return; // over
      }
      this.#tick();
    }
  }

  /** A volunteer has come, or offers something else. */
  offered(peer: LentPeer): void {
    this.#peers.set(peer.peer, peer);
    this.lend();
  }

  /** A volunteer is gone: what it held goes to others. */
  lost(peer: LentPeer): void {
    if (this.#peers.get(peer.peer) === peer) this.#peers.delete(peer.peer);
    for (const lease of [...peer.leases.values()]) this.#takeBack(peer, lease);
    this.lend();
  }

  progressed(peer: LentPeer, number: number, step: number): void {
    const lease = peer.leases.get(number);
    if (lease === undefined || step <= lease.step) return; // late, or no progress
    lease.step = step;
    lease.movedMs = this.#deps.clock.now();
    peer.movedMs = lease.movedMs;
  }

  committed(peer: LentPeer, number: number, digest: Uint8Array): void {
    const lease = peer.leases.get(number);
    if (lease === undefined || lease.commit !== undefined) return; // late, or twice: the first one binds
    peer.committed(lease, digest, this.#deps.clock.now());
    this.#reveal(lease.record);
  }

  delivered(peer: LentPeer, number: number, salt: Uint8Array, output: Bytes, claim: TaskClaim): void {
    const lease = peer.leases.get(number);
    if (lease?.commit === undefined || lease.revealedMs === undefined) return; // late, or unasked
    const { record } = lease;
    const nowMs = this.#deps.clock.now();
    peer.movedMs = nowMs;
    const hash = sha256(output);
    this.#end(peer, lease);
    if (!bytesEqual(commitment(salt, peer.peer, record.id, hash), lease.commit) || output.byteLength > record.task.limits.outputBytes) {
      this.#caught(peer.peer, record);
      this.#enqueue(record);
      return;
    }
    const digest = toHex(hash);
    record.outputs.set(digest, output);
    record.deliveries.push({ peer: peer.peer, replica: lease.replica, digest, claim });
    this.#judge(record);
  }

  refused(peer: LentPeer, number: number, reason: RefusalReason, message: string): void {
    const lease = peer.leases.get(number);
    if (lease === undefined) return; // late
    const { record } = lease;
    const nowMs = this.#deps.clock.now();
    this.#end(peer, lease);
    if (reason === "fault") record.faults.push({ peer: peer.peer, message });
    else if (reason === "unknown-kind") peer.notTaking(record.task.kind, record.task.version);
    else if (reason === "busy") peer.pausedUntilMs = nowMs + DEFAULTS.busyMs * (0.5 + this.#deps.random());
    if (reason !== "fault") record.tried.delete(peer.peer);
    if (record.faults.length >= DEFAULTS.faults) {
      this.#fail(record, new ManyhandsError("TASK_FAILED", `two tries failed: ${message}`));
      return;
    }
    // The only one that takes this kind may try once more.
    const others = [...this.#peers.values()].filter(
      (other) => !record.tried.has(other.peer) && other.takes(record.task.kind, record.task.version),
    );
    if (reason === "fault" && others.length === 0) record.tried.delete(peer.peer);
    this.#retry(record);
  }

  #enqueue(record: TaskRecord): void {
    if (record.isQueued || record.missing === 0) return;
    record.isQueued = true;
    (record.replicas === 0 ? this.#fresh : this.#begun).push(record);
  }

  /** Again, at once or after a pause that grows with what went wrong. */
  #retry(record: TaskRecord): void {
    const tries = ++record.losses - DEFAULTS.quickRetries;
    if (tries <= 0) {
      this.#enqueue(record);
      return;
    }
    const ms = Math.min(DEFAULTS.retryMostMs, DEFAULTS.retryMs * 2 ** tries) * (0.5 + this.#deps.random());
    this.#deps.clock.sleep(ms).then(
      () => {
        this.#enqueue(record);
        this.lend();
      },
      () => {}, // nobody aborts it
    );
  }

  /**
   * Gives volunteers what they have room for, the least busy first, and sends what was queued for them. To be called after a
   * frame was read.
   */
  lend(): void {
    const nowMs = this.#deps.clock.now();
    if (this.#fresh.size + this.#begun.size > 0) {
      const free = [...this.#peers.values()].filter((peer) => peer.room(nowMs) > 0).toSorted((a, b) => a.load - b.load);
      for (const peer of free) this.#lendTo(peer, this.#begun, nowMs);
      for (const peer of free) if (peer.mayStart) this.#lendTo(peer, this.#fresh, nowMs);
      for (const peer of free) this.#lendTo(peer, this.#begun, nowMs); // second opinions of what was just lent
    }
    for (const { sender } of this.#peers.values()) sender.flush();
  }

  #lendTo(peer: LentPeer, queue: TaskQueue<TaskRecord>, nowMs: number): void {
    const taken = queue.takeSome(this.#shareOf(peer, queue, nowMs), DEFAULTS.look, (record) => {
      if (record.missing === 0) {
        record.isQueued = false;
        return "drop";
      }
      return !record.tried.has(peer.peer) && peer.takes(record.task.kind, record.task.version) ? "take" : "leave";
    });
    for (const record of taken) {
      record.isQueued = false;
      const { kind } = record.task;
      if (this.#deps.standings.wantsCheck(peer.peer, kind, this.#deps.clock.now(), this.#deps.random())) record.check();
      this.#give(peer, record, nowMs);
      this.#enqueue(record);
    }
  }

  /** No more than an even share of what waits: the last tasks go to all, not to the first. */
  #shareOf(peer: LentPeer, queue: TaskQueue<TaskRecord>, nowMs: number): number {
    const slots = [...this.#peers.values()].reduce((sum, each) => sum + each.slots, 0);
    const share = Math.ceil((queue.size * peer.slots) / Math.max(1, slots));
    return Math.min(peer.room(nowMs), Math.max(share, 1));
  }

  #give(peer: LentPeer, record: TaskRecord, nowMs: number): void {
    const lease: Lease = {
      number: this.#leases++,
      peer: peer.peer,
      record,
      replica: record.replicas++,
      lentMs: nowMs,
      upMs: undefined,
      movedMs: nowMs,
      step: 0,
      commit: undefined,
      revealedMs: undefined,
    };
    record.tried.add(peer.peer);
    record.leases.add(lease);
    peer.add(lease);
    peer.sender.queue({ kind: "lend", leases: [{ lease: lease.number, sizeBytes: record.bytes.byteLength }] }, [record.bytes]);
  }

  #reveal(record: TaskRecord): void {
    for (const lease of record.toReveal()) {
      lease.revealedMs = this.#deps.clock.now();
      const reveals = [{ lease: lease.number, replica: lease.replica, units: record.units }];
      this.#peers.get(lease.peer)?.sender.queue({ kind: "reveal", reveals });
    }
  }

  #judge(record: TaskRecord): void {
    const judgement = record.judge();
    if (judgement === undefined) return;
    if (judgement.kind === "split") {
      this.#fail(record, new ManyhandsError("TASK_FAILED", "no two peers agree on the result"));
    } else if (judgement.kind === "ask") {
      record.wanted += judgement.more;
      this.#enqueue(record);
    } else {
      const settled = record.settlement(judgement);
      this.#close(record);
      record.settled.resolve(settled);
      const wasWrong = record.before !== undefined && !bytesEqual(record.before.output, settled.output);
      if (record.before === undefined) this.#emitter.emit("task:settled", settled);
      else if (wasWrong) this.#emitter.emit("task:corrected", settled);
      this.#account(record, settled);
    }
  }

  #account(record: TaskRecord, { verdict, agreed, wrong }: Settled): void {
    const { standings, clock } = this.#deps;
    const { kind } = record.task;
    for (const { peer } of agreed) {
      if (verdict === "quorum") standings.agreed(peer, kind, clock.now());
      else if (record.task.replication.quorum > 1) standings.unchecked(peer, record);
    }
    for (const { peer } of record.faults) if (verdict === "quorum") standings.fault(peer, kind, clock.now());
    for (const { peer } of wrong) this.#caught(peer, record);
  }

  #caught(peer: PeerId, record: TaskRecord): void {
    this.#emitter.emit("peer:wrong", { peer, task: record.id });
    for (const other of this.#deps.standings.wrong(peer, record.task.kind, this.#deps.clock.now())) {
      if (other.state === "open" || this.#records.has(other.id)) continue; // it is being computed again already
      other.reopen();
      this.#records.set(other.id, other);
      this.#emitter.emit("task:reopened", { id: other.id, peer });
      this.#enqueue(other);
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
    for (const lease of [...record.leases]) {
      const peer = this.#peers.get(lease.peer);
      record.leases.delete(lease);
      peer?.remove(lease);
      peer?.sender.queue({ kind: "cancel", leases: [lease.number] });
    }
  }

  #end(peer: LentPeer, lease: Lease): void {
    peer.remove(lease);
    lease.record.leases.delete(lease);
  }

  #takeBack(peer: LentPeer, lease: Lease): void {
    this.#end(peer, lease);
    lease.record.tried.delete(peer.peer); // it gave no result: it may come back and try again
    if (lease.record.state === "open") this.#retry(lease.record);
  }

  #tick(): void {
    const nowMs = this.#deps.clock.now();
    for (const record of [...this.#records.values()])
      if (record.deadlineMs <= nowMs) this.#fail(record, new ManyhandsError("TIMEOUT", "the task's deadline has passed"));
    for (const peer of [...this.#peers.values()]) {
      for (const lease of peer.overdue(nowMs)) {
        this.#takeBack(peer, lease);
        peer.sender.queue({ kind: "cancel", leases: [lease.number] });
      }
    }
    this.lend();
  }
}
