// The simulated path: its delay, order and rate of loss, and a rate limit that queues packets and then drops them.
import fc from "fast-check";
import { expect, test } from "vitest";
import { nextFraction, seedRandom } from "../../../src/model/text/random.ts";
import { DEFAULTS, type PathOptions, PathShaper } from "../../../tools/browser/path-shaper.ts";

function draws(seed: number): () => number {
  let state = seedRandom(seed);
  return () => {
    const drawn = nextFraction(state);
    state = drawn.state;
    return drawn.fraction;
  };
}

/** Returns the arrivals of packets of `bytes`, one every `everyMs`. */
function send(path: PathOptions, count: number, bytes: number, everyMs: number, random = draws(1)): readonly (number | undefined)[] {
  const shaper = new PathShaper();
  return Array.from({ length: count }, (_, index) => shaper.arrival(path, bytes, index * everyMs, random));
}

test("a path without faults delays every packet by exactly its delay", () => {
  expect(send({ delayMs: 50 }, 3, 1200, 10)).toEqual([50, 60, 70]);
});

test("with any jitter, packets arrive in order, and between the delay and the delay plus jitter", () => {
  fc.assert(
    fc.property(fc.nat(100), fc.nat(100), fc.integer({ min: 1, max: 50 }), fc.nat(), (delayMs, jitterMs, everyMs, seed) => {
      const arrivals = send({ delayMs, jitterMs }, 50, 100, everyMs, draws(seed)).map((at) => at ?? Number.NaN);
      expect(arrivals).toEqual(arrivals.toSorted((a, b) => a - b));
      arrivals.forEach((at, index) => {
        expect(at).toBeGreaterThanOrEqual(index * everyMs + delayMs);
        expect(at).toBeLessThanOrEqual(index * everyMs + delayMs + jitterMs);
      });
    }),
  );
});

test("a loss of 0.1 loses a tenth of the packets", () => {
  const lost = send({ delayMs: 1, loss: 0.1 }, 20_000, 100, 1).filter((at) => at === undefined).length;
  expect(lost / 20_000).toBeGreaterThan(0.09);
  expect(lost / 20_000).toBeLessThan(0.11);
});

test("a rate limit spaces packets out, and drops them once the queue is full", () => {
  // 1,000 bytes at 100,000 bytes a second take 10 ms each; all are sent at once.
  const arrivals = send({ delayMs: 5, bytesPerSecond: 100_000 }, 100, 1000, 0);
  expect(arrivals.slice(0, 3)).toEqual([15, 25, 35]);
  const capacity = DEFAULTS.queueMs / 10 + 1;
  expect(arrivals.slice(0, capacity).every((at) => at !== undefined)).toBe(true);
  expect(arrivals.slice(capacity)).toEqual(Array.from({ length: 100 - capacity }, () => undefined));
});
