// Which volunteer gets which task next: the tasks that wait, the volunteers that are there, and the leases between them.
import { backoffMs } from "../../shared/backoff.ts";
import type { Clock } from "../../shared/clock.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { VolunteerView } from "./volunteer-view.ts";
import type { Standings } from "./standings.ts";
import { TaskQueue } from "./task-queue.ts";
import type { Lease, TaskRecord } from "./task-record.ts";

const DEFAULTS = Object.freeze({
  /** Tasks that are looked at for one volunteer: those before may all be ones that it had. */
  look: 2048,
  /** Milliseconds that a task lies at a volunteer, behind those that come next, before somebody who is idle gets it. */
  lieMs: 200,
  /** Refusals and losses after which a task waits before it is lent again: longer each time, to the longest. */
  quickRetries: 3,
  backoff: { firstMs: 500, mostMs: 8_000, jitter: 1 },
});

export interface AssignmentsDeps {
  readonly clock: Clock;
  /** In [0, 1): who is checked, and jitter. */
  readonly random: () => number;
  readonly standings: Standings;
  /** Whoever needs no check: the requester itself. Default: nobody. */
  readonly trusts?: (peer: PeerId) => boolean;
}

export class Assignments {
  readonly #deps: AssignmentsDeps;
  /** Tasks that nobody has, and those that need a second opinion. */
  readonly #fresh = new TaskQueue<TaskRecord>();
  readonly #begun = new TaskQueue<TaskRecord>();
  readonly #peers = new Map<PeerId, VolunteerView>();
  #leases = 0;

  constructor(deps: AssignmentsDeps) {
    this.#deps = deps;
  }

  get peers(): readonly VolunteerView[] {
    return [...this.#peers.values()];
  }

  peer(id: PeerId): VolunteerView | undefined {
    return this.#peers.get(id);
  }

  come(peer: VolunteerView): void {
    this.#peers.set(peer.peer, peer);
  }

  /** Its leases are its caller's to end. */
  go(peer: VolunteerView): void {
    if (this.#peers.get(peer.peer) === peer) this.#peers.delete(peer.peer);
  }

  /** Whether anybody is there who has not had the task. */
  hasOthersFor({ task, tried }: TaskRecord): boolean {
    return this.peers.some((other) => !tried.has(other.peer) && other.takes(task.kind, task.version));
  }

  /** To be lent as soon as there is room, where it lacks a replica. */
  enqueue(record: TaskRecord): void {
    if (record.isQueued || record.missing === 0) return;
    record.isQueued = true;
    (record.replicas === 0 ? this.#fresh : this.#begun).push(record);
  }

  /** Again, at once or after a pause that grows with what went wrong. */
  retry(record: TaskRecord): void {
    const tries = ++record.losses - DEFAULTS.quickRetries;
    if (tries <= 0) {
      this.enqueue(record);
      return;
    }
    const ms = backoffMs(DEFAULTS.backoff, tries, this.#deps.random());
    this.#deps.clock.sleep(ms).then(
      () => {
        this.enqueue(record);
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
      for (const peer of free) this.#linkVolunteer(peer, this.#begun, nowMs);
      for (const peer of free) if (peer.mayStart) this.#linkVolunteer(peer, this.#fresh, nowMs);
      for (const peer of free) this.#linkVolunteer(peer, this.#begun, nowMs); // second opinions of what was just lent
    }
    for (const { sender } of this.#peers.values()) sender.flush();
  }

  #linkVolunteer(peer: VolunteerView, queue: TaskQueue<TaskRecord>, nowMs: number): void {
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
      const isTrusted = this.#deps.trusts?.(peer.peer) === true;
      if (!isTrusted && this.#deps.standings.wantsCheck(peer.peer, kind, this.#deps.random())) record.check();
      this.#give(peer, record, nowMs);
      this.enqueue(record);
    }
  }

  /** No more than an even share of what waits: the last tasks go to all, not to the first. */
  #shareOf(peer: VolunteerView, queue: TaskQueue<TaskRecord>, nowMs: number): number {
    const slots = [...this.#peers.values()].reduce((sum, each) => sum + each.slots, 0);
    const share = Math.ceil((queue.size * peer.slots) / Math.max(1, slots));
    return Math.min(peer.room(nowMs), Math.max(share, 1));
  }

  #give(peer: VolunteerView, record: TaskRecord, nowMs: number): void {
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

  /** The lease is over, whatever became of it. */
  end(peer: VolunteerView, lease: Lease): void {
    peer.remove(lease);
    lease.record.leases.delete(lease);
  }

  /** The lease is over without a result: its peer may try again. */
  takeBack(peer: VolunteerView, lease: Lease): void {
    this.end(peer, lease);
    lease.record.tried.delete(peer.peer);
  }

  /** Nobody computes the task any more. */
  cancel(record: TaskRecord): void {
    for (const lease of [...record.leases]) {
      const peer = this.#peers.get(lease.peer);
      record.leases.delete(lease);
      peer?.remove(lease);
      peer?.tellCancelled(lease);
    }
  }

  /** Where somebody is idle, what has lain at others for a while is lent anew: tasks may take longer than those before told. */
  level(nowMs: number): void {
    const { peers } = this;
    const idle = peers.filter((peer) => peer.load === 0 && peer.room(nowMs) > 0);
    if (idle.length === 0) return;
    for (const peer of peers) {
      for (const lease of peer.waiting.slice(peer.slots)) {
        const { record } = lease;
        const { kind, version } = record.task;
        if (nowMs - lease.lentMs < DEFAULTS.lieMs) continue;
        if (!idle.some((other) => !record.tried.has(other.peer) && other.takes(kind, version))) continue;
        this.takeBack(peer, lease);
        this.enqueue(record);
        peer.tellCancelled(lease);
      }
    }
  }
}
