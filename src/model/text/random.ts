// A small seeded random generator whose state is plain data: the same seed draws the same text on every machine.

/** Four 32-bit words, not all zero. */
export type RandomState = readonly [number, number, number, number];

const rotateLeft = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

/** Spreads a whole number of up to 53 bits over a state, by the finaliser of MurmurHash3 (SplitMix32). */
export function seedRandom(seed: number): RandomState {
  let mixed = (seed ^ Math.imul(Math.floor(seed / 2 ** 32), 0x9e3779b1)) | 0;
  const word = (): number => {
    mixed = (mixed + 0x9e3779b9) | 0;
    let z = mixed;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  const state: RandomState = [word(), word(), word(), word()];
  return state.every((value) => value === 0) ? [1, 0, 0, 0] : state;
}

/** 32 random bits and the state after them: xoshiro128** by Blackman and Vigna, 2018. */
function nextWord([a, b, c, d]: RandomState): { readonly word: number; readonly state: RandomState } {
  const word = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
  const third = c ^ a;
  const fourth = d ^ b;
  return { word, state: [(a ^ fourth) >>> 0, (b ^ third) >>> 0, (third ^ (b << 9)) >>> 0, rotateLeft(fourth, 11) >>> 0] };
}

/** A number in `[0, 1)` with 53 random bits, and the state after it. */
export function nextFraction(state: RandomState): { readonly fraction: number; readonly state: RandomState } {
  const high = nextWord(state);
  const low = nextWord(high.state);
  return { fraction: ((high.word >>> 5) * 2 ** 26 + (low.word >>> 6)) / 2 ** 53, state: low.state };
}
