// Random draws that a seed repeats.
import { nextFraction, type RandomState, seedRandom } from "../../src/model/text/random.ts";

export class Random {
  #state: RandomState;

  constructor(seed: number) {
    this.#state = seedRandom(seed);
  }

  /** In [0, 1). */
  next(): number {
    const { fraction, state } = nextFraction(this.#state);
    this.#state = state;
    return fraction;
  }

  /** A whole number from `min` to `max`, both included. */
  whole(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)] as T; // callers pass at least one item
  }

  bytes(into: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    for (let at = 0; at < into.byteLength; at++) into[at] = this.whole(0, 255);
    return into;
  }
}
