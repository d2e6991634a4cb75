// One volunteer as the dispatcher sees it: which kinds it offers, which tasks it holds, and how many more it should
// get.
import type { OfferFrame } from "../../protocol/task-frames.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Lease } from "./task-record.ts";
import type { TaskSender } from "../task-sender.ts";

const DEFAULTS = Object.freeze({
  /**
   * Milliseconds of computing that lie at a volunteer: longer than any round trip, so that it never waits for the next
   * task.
   */
  aheadMs: 150,
  /** Tasks that lie at a volunteer, however small they are. */
  maxTasks: 256,
  /** Computed results that wait at a volunteer for a second opinion. With more, it only gives second opinions. */
  maxCommitted: 512,
  /**
   * Milliseconds without progress after which a lease is over, unless the task may be silent for longer; a volunteer
   * reports progress every second.
   */
  leaseMs: 8_000,
  /** Milliseconds that a volunteer's message about a silent task may take to arrive. */
  noticeMs: 2_000,
  /** Weight of a new measurement in the mean. */
  smoothing: 0.2,
});

export class VolunteerView {
  readonly peer: PeerId;
  readonly sender: TaskSender;
  /** In the order in which they were assigned. */
  readonly leases = new Map<number, Lease>();
  slots = 0;
  /** The last offer of more than none: tasks that run go on when the volunteer starts nothing more. */
  #lastSlots = 0;
  /** The determinism class of each kind that the volunteer offers. */
  #kinds = new Map<string, string | undefined>();
  /** Leases without a commitment. */
  #uncommitted = 0;
  #meanMs: number | undefined;
  #lastCommitMs = 0;
  /** Of the last sign of life that counts: progress, a commitment, or a result. */
  movedMs: number;
  /** Until then nothing new is assigned. */
  pausedUntilMs = 0;

  constructor(peer: PeerId, sender: TaskSender, nowMs: number) {
    this.peer = peer;
    this.sender = sender;
    this.movedMs = nowMs;
  }

  offers(kinds: OfferFrame["kinds"], slots: number): void {
    this.#kinds = new Map(kinds.map(({ kind, version, determinismClass }) => [`${kind} ${version}`, determinismClass]));
    this.slots = slots;
    if (slots > 0) this.#lastSlots = slots;
  }

  computes(kind: string, version: number): boolean {
    return this.#kinds.has(`${kind} ${version}`);
  }

  classOf(kind: string, version: number): string | undefined {
    return this.#kinds.get(`${kind} ${version}`);
  }

  /** The volunteer refused a task of this kind although it offers the kind. */
  doesNotCompute(kind: string, version: number): void {
    this.#kinds.delete(`${kind} ${version}`);
  }

  /** How many more tasks may be assigned now. */
  capacity(nowMs: number): number {
    if (this.slots === 0 || nowMs < this.pausedUntilMs) return 0;
    const ahead = this.#meanMs === undefined ? this.slots : Math.ceil(DEFAULTS.aheadMs / Math.max(this.#meanMs, 0.01));
    return Math.min(DEFAULTS.maxTasks, this.slots + ahead) - this.#uncommitted;
  }

  /**
   * Tasks that wait or run at the volunteer, for each one that it computes at once: the peer with the lowest load is
   * served first.
   */
  get load(): number {
    return this.#uncommitted / Math.max(1, this.slots);
  }

  /** Whether it may get a task that needs a second opinion from another peer. */
  get mayStart(): boolean {
    return this.leases.size - this.#uncommitted < DEFAULTS.maxCommitted;
  }

  add(lease: Lease): void {
    if (this.#uncommitted === 0) this.movedMs = lease.assignedMs;
    this.leases.set(lease.number, lease);
    this.#uncommitted++;
  }

  remove(lease: Lease): void {
    if (this.leases.delete(lease.number) && lease.commit === undefined) this.#uncommitted--;
  }

  /** The frame leaves with the next flush. */
  queueCancel(lease: Lease): void {
    this.sender.queue({ kind: "cancel", leases: [lease.number] });
  }

  committed(lease: Lease, digest: Uint8Array, nowMs: number): void {
    lease.commit = digest;
    this.#uncommitted--;
    const ms = nowMs - Math.max(lease.assignedMs, this.#lastCommitMs);
    this.#lastCommitMs = nowMs;
    this.#meanMs = this.#meanMs === undefined ? ms : this.#meanMs + DEFAULTS.smoothing * (ms - this.#meanMs);
    this.movedMs = nowMs;
  }

  /**
   * Leases that the volunteer computes now, as far as the requester can tell: it computes in the order of assignment.
   */
  get running(): readonly Lease[] {
    const running: Lease[] = [];
    for (const lease of this.leases.values()) {
      if (running.length >= this.#lastSlots) break;
      if (lease.commit === undefined) running.push(lease);
    }
    return running;
  }

  /** Leases that wait at the volunteer behind the ones that it computes. */
  get waiting(): readonly Lease[] {
    const running = new Set(this.running);
    return [...this.leases.values()].filter((lease) => lease.commit === undefined && !running.has(lease));
  }

  /** Leases that are over for want of progress. */
  overdue(nowMs: number): readonly Lease[] {
    const over = [...this.leases.values()].filter(({ revealedMs }) => revealedMs !== undefined && nowMs - revealedMs > DEFAULTS.leaseMs);
    for (const lease of this.running) {
      if (lease.startedMs === undefined) {
        lease.startedMs = nowMs;
        lease.movedMs = nowMs;
      }
      if (nowMs - lease.movedMs > patience(lease) || nowMs - lease.startedMs > lease.record.task.limits.runMs + DEFAULTS.leaseMs)
        over.push(lease);
    }
    return over;
  }

  /** Whether it holds tasks and has given no sign of life for longer than any lease that it computes allows. */
  isSilent(nowMs: number): boolean {
    return this.#uncommitted > 0 && nowMs - this.movedMs > Math.max(DEFAULTS.leaseMs, ...this.running.map(patience));
  }
}

/**
 * Milliseconds for which a lease waits for progress: a task that may be silent for longer is ended by its volunteer,
 * not here.
 */
const patience = ({ record }: Lease): number => Math.max(DEFAULTS.leaseMs, record.task.limits.silentMs + DEFAULTS.noticeMs);
