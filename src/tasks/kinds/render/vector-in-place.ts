// Vectors that are written in place; `vector.ts` has those that are allocated. Sums have a fixed order, for the same
// bits everywhere.

export type Axis = 0 | 1 | 2;
/** Three numbers. */
export type Place = Float64Array;
export const place = (): Place => new Float64Array(3);

export const dot = (a: Place, b: Place): number => at(a, 0) * at(b, 0) + at(a, 1) * at(b, 1) + at(a, 2) * at(b, 2);
export const at = (numbers: Place, index: number): number => numbers[index] as number; // every index here is inside

/** `out` := `a` + `b` · `by`. */
export function reach(out: Place, a: Place, b: Place, by: number): void {
  out[0] = at(a, 0) + at(b, 0) * by;
  out[1] = at(a, 1) + at(b, 1) * by;
  out[2] = at(a, 2) + at(b, 2) * by;
}

/** Scales `out`, which is not zero, to length 1. */
export function straighten(out: Place): void {
  const by = 1 / Math.sqrt(dot(out, out));
  out[0] = at(out, 0) * by;
  out[1] = at(out, 1) * by;
  out[2] = at(out, 2) * by;
}
