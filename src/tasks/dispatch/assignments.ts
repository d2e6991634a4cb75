// Which volunteer gets which task next: the tasks that wait, the volunteers that are there, and the leases between
// them.
import { backoffMs } from "../../shared/backoff.ts";
import type { Clock } from "../../shared/clock.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { VolunteerView } from "./volunteer-view.ts";
import type { Standings } from "./standings.ts";
import { TaskQueue } from "./task-queue.ts";
import type { Lease, TaskRecord } from "./task-record.ts";

const DEFAULTS = Object.freeze({
  /** Tasks of a queue that are looked at for one volunteer: it may have had all of the first ones already. */
  scan: 2048,
  /**
   * Milliseconds that a task waits at a volunteer, behind the ones that come next, before an idle volunteer gets it.
   */
  waitMs: 200,
  /**
   * Refusals and losses after which a task pauses before it is assigned again. The pause grows each time, up to the
   * longest.
   */
  quickRetries: 3,
  backoff: { firstMs: 500, mostMs: 8_000, jitter: 1 },
});

export interface AssignmentsOptions {
  readonly clock: Clock;
  /** In [0, 1): decides which results are checked, and gives jitter. */
  readonly random: () => number;
  readonly standings: Standings;
  /** Whether a peer needs no check, as the requester itself. By default every peer does. */
  readonly trusts?: (peer: PeerId) => boolean;
}

export class Assignments {
  readonly #options: AssignmentsOptions;
  /** Tasks that no peer has, and tasks that need another opinion. */
  readonly #fresh = new TaskQueue<TaskRecord>();
  readonly #begun = new TaskQueue<TaskRecord>();
  readonly #peers = new Map<PeerId, VolunteerView>();
  #leases = 0;

  constructor(options: AssignmentsOptions) {
    this.#options = options;
  }

  get peers(): readonly VolunteerView[] {
    return [...this.#peers.values()];
  }

  peer(id: PeerId): VolunteerView | undefined {
    return this.#peers.get(id);
  }

  add(peer: VolunteerView): void {
    this.#peers.set(peer.peer, peer);
  }

  /** Leaves the peer's leases to the caller, which has to end them. */
  remove(peer: VolunteerView): void {
    if (this.#peers.get(peer.peer) === peer) this.#peers.delete(peer.peer);
  }

  /** Whether there is a volunteer for the task that has not had it. */
  hasOthersFor({ task, tried }: TaskRecord): boolean {
    return this.peers.some((other) => !tried.has(other.peer) && other.computes(task.kind, task.version));
  }

  /** If the task lacks a replica, it is assigned as soon as a volunteer has capacity. */
  enqueue(record: TaskRecord): void {
    if (record.isQueued || record.missing === 0) return;
    record.isQueued = true;
    (record.replicas === 0 ? this.#fresh : this.#begun).push(record);
  }

  /** Enqueues the task again, at once or after a pause that grows with the number of losses. */
  retry(record: TaskRecord): void {
    const tries = ++record.losses - DEFAULTS.quickRetries;
    if (tries <= 0) {
      this.enqueue(record);
      return;
    }
    const ms = backoffMs(DEFAULTS.backoff, tries, this.#options.random());
    this.#options.clock.sleep(ms).then(
      () => {
        this.enqueue(record);
        this.assign();
      },
      () => {}, // never: the sleep has no signal
    );
  }

  /**
   * Assigns as many tasks as volunteers have capacity for, to the least busy ones first, and sends the frames that are
   * queued for them. To be called after each frame that was read.
   */
  assign(): void {
    const nowMs = this.#options.clock.now();
    if (this.#fresh.size + this.#begun.size > 0) {
      const free = [...this.#peers.values()].filter((peer) => peer.capacity(nowMs) > 0).toSorted((a, b) => a.load - b.load);
      for (const peer of free) this.#assignFrom(this.#begun, peer, nowMs);
      for (const peer of free) if (peer.mayStart) this.#assignFrom(this.#fresh, peer, nowMs);
      for (const peer of free) this.#assignFrom(this.#begun, peer, nowMs); // second opinions on tasks that were just assigned
    }
    for (const { sender } of this.#peers.values()) sender.flush();
  }

  #assignFrom(queue: TaskQueue<TaskRecord>, peer: VolunteerView, nowMs: number): void {
    const records = queue.pick(this.#shareOf(queue, peer, nowMs), DEFAULTS.scan, (record) => {
      if (record.missing === 0) {
        record.isQueued = false;
        return "drop";
      }
      return !record.tried.has(peer.peer) && peer.computes(record.task.kind, record.task.version) ? "take" : "leave";
    });
    for (const record of records) {
      record.isQueued = false;
      const { kind } = record.task;
      const isTrusted = this.#options.trusts?.(peer.peer) === true;
      if (!isTrusted && this.#options.standings.wantsCheck(peer.peer, kind, this.#options.random())) record.check();
      this.#lease(peer, record, nowMs);
      this.enqueue(record);
    }
  }

  /** No more than an even share of the queue, so that the last tasks are spread over all volunteers. */
  #shareOf(queue: TaskQueue<TaskRecord>, peer: VolunteerView, nowMs: number): number {
    const slots = [...this.#peers.values()].reduce((sum, each) => sum + each.slots, 0);
    const share = Math.ceil((queue.size * peer.slots) / Math.max(1, slots));
    return Math.min(peer.capacity(nowMs), Math.max(share, 1));
  }

  #lease(peer: VolunteerView, record: TaskRecord, nowMs: number): void {
    const lease: Lease = {
      number: this.#leases++,
      peer: peer.peer,
      record,
      replica: record.replicas++,
      assignedMs: nowMs,
      startedMs: undefined,
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

  /** Ends the lease, with or without a result. */
  end(peer: VolunteerView, lease: Lease): void {
    peer.remove(lease);
    lease.record.leases.delete(lease);
  }

  /** Ends the lease without a result: the peer may get the task again. */
  reclaim(peer: VolunteerView, lease: Lease): void {
    this.end(peer, lease);
    lease.record.tried.delete(peer.peer);
  }

  /** Ends every lease of a task that is over. */
  cancel(record: TaskRecord): void {
    for (const lease of [...record.leases]) {
      const peer = this.#peers.get(lease.peer);
      record.leases.delete(lease);
      peer?.remove(lease);
      peer?.queueCancel(lease);
    }
  }

  /**
   * If a volunteer is idle, enqueues tasks that have waited at others for a while: those tasks may take longer than the
   * ones before them, by which the capacity was measured.
   */
  level(nowMs: number): void {
    const { peers } = this;
    const idle = peers.filter((peer) => peer.load === 0 && peer.capacity(nowMs) > 0);
    if (idle.length === 0) return;
    for (const peer of peers) {
      for (const lease of peer.waiting.slice(peer.slots)) {
        const { record } = lease;
        const { kind, version } = record.task;
        if (nowMs - lease.assignedMs < DEFAULTS.waitMs) continue;
        if (!idle.some((other) => !record.tried.has(other.peer) && other.computes(kind, version))) continue;
        this.reclaim(peer, lease);
        this.enqueue(record);
        peer.queueCancel(lease);
      }
    }
  }
}
