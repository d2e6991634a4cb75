// Inputs of tasks drawn at random, and the right outputs computed by other means than ours: plain loops, node:crypto,
// BigInt.
import { createHash } from "node:crypto";
import type { Scene } from "../../src/manyhands.ts";
import type { Random } from "../../tools/sim/random.ts";

const sha = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Over leaves of 64 KiB, as RFC 9162, 2.1.1, defines it. */
export function merkleRoot(file: Uint8Array): Buffer {
  const tree = (leaves: readonly Uint8Array[]): Buffer => {
    const [only] = leaves;
    if (only === undefined) return sha();
    if (leaves.length === 1) return sha(Uint8Array.of(0), only);
    let split = 1;
    while (split * 2 < leaves.length) split *= 2;
    return sha(Uint8Array.of(1), tree(leaves.slice(0, split)), tree(leaves.slice(split)));
  };
  return tree(Array.from({ length: Math.ceil(file.byteLength / 65_536) }, (_, at) => file.subarray(at * 65_536, (at + 1) * 65_536)));
}

export const hashOf = (item: Uint8Array): Buffer => sha(item);

/** The sum as it is defined for floats: the sums of blocks of 65,536, added left to right. */
export function sumInBlocks(floats: Float64Array): number {
  let total = 0;
  for (let start = 0; start < floats.length; start += 65_536) {
    let block = 0;
    for (const number of floats.subarray(start, start + 65_536)) block += number;
    total += block;
  }
  return total;
}

export interface PlainMatrix<T> {
  readonly rows: number;
  readonly columns: number;
  readonly elements: readonly T[];
}

export function product<T extends number | bigint>(left: PlainMatrix<T>, right: PlainMatrix<T>, zero: T): T[] {
  const out: T[] = [];
  for (let row = 0; row < left.rows; row++) {
    for (let column = 0; column < right.columns; column++) {
      let sum: number | bigint = zero;
      for (let k = 0; k < left.columns; k++) {
        const [a, b] = [left.elements[row * left.columns + k], right.elements[k * right.columns + column]];
        sum = typeof a === "bigint" ? (sum as bigint) + a * (b as bigint) : (sum as number) + (a as number) * (b as number); // of one type
      }
      out.push(sum as T); // as its zero
    }
  }
  return out;
}

/** Draws numbers of both signs and very different sizes. */
export const drawFloat = (random: Random): number => (random.next() - 0.5) * 10 ** random.whole(-6, 9);
export const drawWhole = (random: Random): bigint =>
  Array.from({ length: random.whole(1, 6) }, () => BigInt(random.whole(0, 2 ** 32 - 1))).reduce((all, word) => (all << 32n) | word, 0n) *
  (random.chance(0.5) ? 1n : -1n);
export const drawText = (random: Random): string =>
  String.fromCodePoint(
    ...Array.from({ length: random.whole(0, 12) }, () => random.pick([random.whole(32, 126), random.whole(0xa0, 0x24f), 0x1f600])),
  );
export const drawList = <T>(random: Random, least: number, most: number, draw: (random: Random) => T): T[] =>
  Array.from({ length: random.whole(least, most) }, () => draw(random));

/** Draws balls and a triangle over a floor, under a sky, with every kind of material. */
export function drawScene(random: Random, width: number, height: number): Scene {
  const share = (): number => Math.round(random.next() * 1000) / 1000;
  const colour = (): [number, number, number] => [share(), share(), share()];
  const at = (): [number, number, number] => [4 * share() - 2, 2 * share(), 4 * share() - 2];
  return {
    width,
    height,
    samples: 4,
    bounces: 4,
    seed: random.whole(0, 2 ** 32 - 1),
    camera: { position: [4 * share() - 2, 1 + share(), 6], target: [0, 0.7, 0], viewHeight: 0.8 },
    sky: { horizon: [0.8, 0.8, 0.9], zenith: [0.3, 0.5, 0.9] },
    materials: [
      { kind: "matt", colour: colour() },
      { kind: "metal", colour: colour(), blur: share() / 2 },
      { kind: "glass", colour: [1, 1, 1], index: 1.5 },
      { kind: "lamp", light: [4, 4, 3] },
    ],
    spheres: [
      { centre: [0, -1000, 0], radius: 1000, material: 0 },
      ...Array.from({ length: 6 }, (_, index) => ({ centre: at(), radius: 0.2 + share() / 2, material: index % 4 })),
    ],
    triangles: [{ corners: [at(), at(), at()], material: 1 }],
    lights: [{ position: [3, 5, 3], light: [20, 20, 20] }],
  };
}
