// One volunteer as the dispatcher sees it: what it offers, what it holds, and how much more it should be given.
import type { OfferFrame } from "../../protocol/task-frames.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Lease } from "./task-record.ts";
import type { TaskSender } from "../task-sender.ts";

export const DEFAULTS = Object.freeze({
  /** Milliseconds of work that lie at a volunteer: longer than any round trip, so that it never waits for the next task. */
  aheadMs: 150,
  /** Tasks that lie there at most, however small. */
  most: 256,
  /** Computed results that wait there for a second opinion; past it a volunteer only gives second opinions. */
  held: 512,
  /**
   * Milliseconds without progress after which a lease is over, where the task may not be silent for longer; a volunteer tells
   * of progress each second.
   */
  leaseMs: 8_000,
  /** Milliseconds that a volunteer's word about a silent task may take to come. */
  noticeMs: 2_000,
  /** Share of a new measurement in the mean. */
  smoothing: 0.2,
});

export class VolunteerView {
  readonly peer: PeerId;
  readonly sender: TaskSender;
  /** In the order in which they were lent. */
  readonly leases = new Map<number, Lease>();
  slots = 0;
  /** The last offer of any: what runs there goes on when nothing more is taken. */
  #slotsHad = 0;
  /** With the class in which it computes each. */
  #kinds = new Map<string, string | undefined>();
  #computing = 0;
  #meanMs: number | undefined;
  #lastCommitMs = 0;
  /** Of any sign of life that counts: progress, a commitment, a result. */
  movedMs: number;
  /** Until when nothing new goes there. */
  pausedUntilMs = 0;

  constructor(peer: PeerId, sender: TaskSender, nowMs: number) {
    this.peer = peer;
    this.sender = sender;
    this.movedMs = nowMs;
  }

  offers(kinds: OfferFrame["kinds"], slots: number): void {
    this.#kinds = new Map(kinds.map(({ kind, version, determinismClass }) => [`${kind} ${version}`, determinismClass]));
    this.slots = slots;
    if (slots > 0) this.#slotsHad = slots;
  }

  takes(kind: string, version: number): boolean {
    return this.#kinds.has(`${kind} ${version}`);
  }

  classOf(kind: string, version: number): string | undefined {
    return this.#kinds.get(`${kind} ${version}`);
  }

  notTaking(kind: string, version: number): void {
    this.#kinds.delete(`${kind} ${version}`);
  }

  /** Tasks that may be lent now. */
  room(nowMs: number): number {
    if (this.slots === 0 || nowMs < this.pausedUntilMs) return 0;
    const ahead = this.#meanMs === undefined ? this.slots : Math.ceil(DEFAULTS.aheadMs / Math.max(this.#meanMs, 0.01));
    return Math.min(DEFAULTS.most, this.slots + ahead) - this.#computing;
  }

  /** Tasks that wait or run there, for each that it computes at once: whoever has least is given most. */
  get load(): number {
    return this.#computing / Math.max(1, this.slots);
  }

  /** Whether it may be given a task of which somebody else has to give a second opinion. */
  get mayStart(): boolean {
    return this.leases.size - this.#computing < DEFAULTS.held;
  }

  add(lease: Lease): void {
    if (this.#computing === 0) this.movedMs = lease.lentMs;
    this.leases.set(lease.number, lease);
    this.#computing++;
  }

  remove(lease: Lease): void {
    if (this.leases.delete(lease.number) && lease.commit === undefined) this.#computing--;
  }

  /** With the next flush. */
  tellCancelled(lease: Lease): void {
    this.sender.queue({ kind: "cancel", leases: [lease.number] });
  }

  committed(lease: Lease, digest: Uint8Array, nowMs: number): void {
    lease.commit = digest;
    this.#computing--;
    const ms = nowMs - Math.max(lease.lentMs, this.#lastCommitMs);
    this.#lastCommitMs = nowMs;
    this.#meanMs = this.#meanMs === undefined ? ms : this.#meanMs + DEFAULTS.smoothing * (ms - this.#meanMs);
    this.movedMs = nowMs;
  }

  /** Those that it computes now, as far as the requester can tell: it takes them in the order in which they were lent. */
  get computed(): readonly Lease[] {
    const up: Lease[] = [];
    for (const lease of this.leases.values()) {
      if (up.length >= this.#slotsHad) break;
      if (lease.commit === undefined) up.push(lease);
    }
    return up;
  }

  /** Those that wait there behind the ones that it computes. */
  get waiting(): readonly Lease[] {
    const computed = new Set(this.computed);
    return [...this.leases.values()].filter((lease) => lease.commit === undefined && !computed.has(lease));
  }

  /** Leases that are over for want of progress. */
  overdue(nowMs: number): readonly Lease[] {
    const over = [...this.leases.values()].filter(({ revealedMs }) => revealedMs !== undefined && nowMs - revealedMs > DEFAULTS.leaseMs);
    for (const lease of this.computed) {
      if (lease.upMs === undefined) {
        lease.upMs = nowMs;
        lease.movedMs = nowMs;
      }
      if (nowMs - lease.movedMs > patience(lease) || nowMs - lease.upMs > lease.record.task.limits.runMs + DEFAULTS.leaseMs)
        over.push(lease);
    }
    return over;
  }

  /** Holds work and has given no sign of anything for the longest lease of what it computes. */
  isSilent(nowMs: number): boolean {
    return this.#computing > 0 && nowMs - this.movedMs > Math.max(DEFAULTS.leaseMs, ...this.computed.map(patience));
  }
}

/** Milliseconds for which a lease waits for progress: a task that may be silent for longer is ended by its volunteer, not here. */
const patience = ({ record }: Lease): number => Math.max(DEFAULTS.leaseMs, record.task.limits.silentMs + DEFAULTS.noticeMs);
