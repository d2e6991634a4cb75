// The standing of each peer at each kind of task, and each peer's recent tasks that were settled unchecked.
import type { PeerId } from "../../shared/ids.ts";
import { afterAgreed, afterFault, afterWrong, checkChance, type Standing, STRANGER } from "../../shared/reputation.ts";
import type { TaskRecord } from "./task-record.ts";

const DEFAULTS = Object.freeze({
  /**
   * Unchecked tasks of a peer that are opened again when it is caught: with 3 % of results checked, seven times as many
   * as a liar gets through on average.
   */
  recent: 256,
});

/** Plain data, for a store: peer, kind, standing. */
export type StandingRow = readonly [peer: PeerId, kind: string, standing: Standing];

export class Standings {
  readonly #standings = new Map<PeerId, Map<string, Standing>>();
  readonly #unchecked = new Map<PeerId, TaskRecord[]>();
  #changes = 0;

  /** Milliseconds by which standings fade. Rows that outlive the page need milliseconds since 1970. */
  readonly now: () => number;

  constructor(rows: readonly StandingRow[] = [], now: () => number = Date.now) {
    this.now = now;
    for (const [peer, kind, standing] of rows) this.#set(peer, kind, standing);
  }

  of(peer: PeerId, kind: string): Standing {
    return this.#standings.get(peer)?.get(kind) ?? STRANGER;
  }

  /** Grows with each change: as long as it stays the same, so do the rows. */
  get changes(): number {
    return this.#changes;
  }

  rows(): readonly StandingRow[] {
    return [...this.#standings].flatMap(([peer, kinds]) => [...kinds].map(([kind, standing]) => [peer, kind, standing] as const));
  }

  /** Whether the peer's next result of this kind is to be checked; `fraction` is drawn in [0, 1). */
  wantsCheck(peer: PeerId, kind: string, fraction: number): boolean {
    return fraction < checkChance(this.of(peer, kind), this.now());
  }

  agreed(peer: PeerId, kind: string): void {
    this.#set(peer, kind, afterAgreed(this.of(peer, kind), this.now()));
  }

  fault(peer: PeerId, kind: string): void {
    this.#set(peer, kind, afterFault(this.of(peer, kind), this.now()));
  }

  /** The peer was caught with a wrong result. Returns its recent unchecked tasks, of any kind. */
  wrong(peer: PeerId, kind: string): readonly TaskRecord[] {
    for (const known of this.#standings.get(peer)?.keys() ?? [])
      if (known !== kind) this.#set(peer, known, { ...this.of(peer, known), streak: 0 });
    this.#set(peer, kind, afterWrong(this.of(peer, kind), this.now()));
    const recent = this.#unchecked.get(peer) ?? [];
    this.#unchecked.delete(peer);
    return recent;
  }

  /** The peer's result alone settled this task. */
  unchecked(peer: PeerId, record: TaskRecord): void {
    const recent = this.#unchecked.get(peer) ?? [];
    recent.push(record);
    if (recent.length > DEFAULTS.recent) recent.shift();
    this.#unchecked.set(peer, recent);
  }

  #set(peer: PeerId, kind: string, standing: Standing): void {
    const kinds = this.#standings.get(peer) ?? new Map<string, Standing>();
    this.#standings.set(peer, kinds);
    kinds.set(kind, standing);
    this.#changes++;
  }
}
