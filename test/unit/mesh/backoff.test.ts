// Waiting before the next try: grows, is bounded, and differs between tabs.
import fc from "fast-check";
import { expect, test } from "vitest";
import { backoffMs, DEFAULTS } from "../../../src/mesh/backoff.ts";

test("the first waits are half a second to one, then they double up to the bound", () => {
  expect([1, 2, 3, 4, 5, 6, 60].map((failures) => backoffMs(failures, 0))).toEqual([500, 1000, 2000, 4000, 7500, 7500, 7500]);
  expect(backoffMs(1, 0.5)).toBe(750);
});

test("never under the first wait, never over the last, whatever the jitter", () => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), random, (failures, jitter) => {
      const ms = backoffMs(failures, jitter);
      expect(ms).toBeGreaterThanOrEqual(DEFAULTS.firstMs);
      expect(ms).toBeLessThanOrEqual(DEFAULTS.maxMs);
    }),
  );
});
