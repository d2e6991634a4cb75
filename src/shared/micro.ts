// The unit in which credit is counted.

/** Microcredits in a credit; amounts are whole microcredits everywhere. */
export const MICRO = 1_000_000;
