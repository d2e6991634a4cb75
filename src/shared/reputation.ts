// What a peer's past at one kind of work says: how often its work is checked. Pure; the past fades.

export const REPUTATION = Object.freeze({
  /**
   * Checked results in a row before any goes unchecked, and the same count after which the ledger trusts: a newcomer that
   * cheats on a fifth of its tasks gets through 15 unseen with 3.5 %.
   */
  always: 20,
  /** Chance of a check that never falls further: a saboteur with a long past is caught after 33 bad results on average. */
  floor: 0.03,
  /** Milliseconds in which a past counts half: who comes back after a season starts nearly anew. */
  halfLifeMs: 30 * 24 * 3600_000,
});

/** At one kind of task. Counts are of late: they fade. */
export interface Standing {
  /** Checked and agreed since the last wrong one. */
  readonly streak: number;
  readonly agreed: number;
  readonly wrong: number;
  readonly faults: number;
  /** When the counts were as they are. */
  readonly atMs: number;
}

export const STRANGER: Standing = Object.freeze({ streak: 0, agreed: 0, wrong: 0, faults: 0, atMs: 0 });

/** As it counts now. */
export function faded(standing: Standing, nowMs: number): Standing {
  const by = 0.5 ** (Math.max(0, nowMs - standing.atMs) / REPUTATION.halfLifeMs);
  return {
    streak: standing.streak * by,
    agreed: standing.agreed * by,
    wrong: standing.wrong * by,
    faults: standing.faults * by,
    atMs: nowMs,
  };
}

/** A check agreed with it. Work that nobody checked changes nothing. */
export function afterAgreed(standing: Standing, nowMs: number): Standing {
  const now = faded(standing, nowMs);
  return { ...now, streak: now.streak + 1, agreed: now.agreed + 1 };
}

/** A check caught it: it starts anew. */
export function afterWrong(standing: Standing, nowMs: number): Standing {
  const now = faded(standing, nowMs);
  return { ...now, streak: 0, wrong: now.wrong + 1 };
}

/** It said of a task that others computed that it cannot be: no lie that is proved, but half of what it had is gone. */
export function afterFault(standing: Standing, nowMs: number): Standing {
  const now = faded(standing, nowMs);
  return { ...now, streak: now.streak / 2, faults: now.faults + 1 };
}

/** Chance with which its next result is checked: 1 for newcomers, then 1/n, never below the floor. */
export function checkChance(standing: Standing, nowMs: number): number {
  const { streak } = faded(standing, nowMs);
  // A streak that fades by a part of a result between two tasks is not a newcomer's.
  return Math.round(streak) < REPUTATION.always ? 1 : Math.max(REPUTATION.floor, 1 / streak);
}
