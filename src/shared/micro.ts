// The unit that credit is counted in.

/** Microcredits in a credit; amounts are whole microcredits everywhere. */
export const MICRO = 1_000_000;
