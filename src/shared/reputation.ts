// How often a peer's work is checked, by its standing at one kind of work. The past fades. Pure.

export const REPUTATION = Object.freeze({
  /**
   * Checked results in a row before any result goes unchecked. After the same number the ledger trusts a peer. A
   * newcomer that cheats on a fifth of its tasks gets through 15 of them unseen with a chance of 3.5 %.
   */
  always: 20,
  /** Least chance of a check: a saboteur with a long past is caught after 33 bad results on average. */
  floor: 0.03,
  /** Milliseconds after which a past counts half: a peer that comes back after a season starts nearly anew. */
  halfLifeMs: 30 * 24 * 3600_000,
});

/** A peer's past at one kind of task. The counts fade with time. */
export interface Standing {
  /** Checked and agreed since the last wrong one. */
  readonly streak: number;
  readonly agreed: number;
  readonly wrong: number;
  readonly faults: number;
  /** When the counts were taken: milliseconds by the clock of the caller. */
  readonly atMs: number;
}

export const STRANGER: Standing = Object.freeze({ streak: 0, agreed: 0, wrong: 0, faults: 0, atMs: 0 });

/** The standing as it counts at `nowMs`. */
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

/** The standing after a check agreed with the peer. Work that nobody checked changes nothing. */
export function afterAgreed(standing: Standing, nowMs: number): Standing {
  const now = faded(standing, nowMs);
  return { ...now, streak: now.streak + 1, agreed: now.agreed + 1 };
}

/** The standing after a check caught the peer: it starts anew. */
export function afterWrong(standing: Standing, nowMs: number): Standing {
  const now = faded(standing, nowMs);
  return { ...now, streak: 0, wrong: now.wrong + 1 };
}

/**
 * The standing after the peer said that a task fails which others computed. That proves
 * no lie, but its streak is halved.
 */
export function afterFault(standing: Standing, nowMs: number): Standing {
  const now = faded(standing, nowMs);
  return { ...now, streak: now.streak / 2, faults: now.faults + 1 };
}

/** The chance that the peer's next result is checked: 1 for newcomers, then 1/n, never below the floor. */
export function checkChance(standing: Standing, nowMs: number): number {
  const { streak } = faded(standing, nowMs);
  // Rounded: a streak that fades by a part of a result between two tasks does not make a newcomer.
  return Math.round(streak) < REPUTATION.always ? 1 : Math.max(REPUTATION.floor, 1 / streak);
}
