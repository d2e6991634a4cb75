// Pauses between tries: they grow up to a bound, differ between peers, end early on request, and end with their owner.
import fc from "fast-check";
import { expect, it } from "vitest";
import { Backoff, type BackoffRule, backoffMs, RELAY_BACKOFF } from "../../../src/shared/backoff.ts";
import type { Clock } from "../../../src/shared/clock.ts";

const never = new AbortController().signal;
/** Sleeps end at once, or never. */
const quick: Pick<Clock, "sleep"> = { sleep: async () => {} };
const still: Pick<Clock, "sleep"> = {
  sleep: (_, signal) => new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error))),
};

it("doubles up to its bound, and begins anew after `hurry`", async () => {
  const backoff = new Backoff(quick, () => 0.5);
  const pauses: number[] = [];
  const note = (retryInMs: number): number => pauses.push(retryInMs);
  for (let count = 0; count < 7; count++) await backoff.pause(note, never);
  expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  backoff.hurry();
  await backoff.pause(note, never);
  expect(pauses.at(-1)).toBe(500);
});

it("never grows beyond its bound and its jitter, for any rule and any number of failures", () => {
  const rules = fc.record<BackoffRule>({
    firstMs: fc.integer({ min: 1, max: 60_000 }),
    mostMs: fc.integer({ min: 60_000, max: 3_600_000 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(rules, fc.integer({ min: 1, max: 10_000 }), random, (rule, failures, chance) => {
      const ms = backoffMs(rule, failures, chance);
      const plainMs = Math.min(rule.mostMs, rule.firstMs * 2 ** Math.min(failures - 1, 60));
      expect(Math.abs(ms - plainMs)).toBeLessThanOrEqual((plainMs * rule.jitter) / 2 + 1e-6);
    }),
  );
});

it("keeps the jitter of a relay's pauses within a quarter", () => {
  expect([0, 0.5].map((random) => backoffMs(RELAY_BACKOFF, 1, random))).toEqual([375, 500]);
  expect(backoffMs(RELAY_BACKOFF, 1, 0.999)).toBeCloseTo(625, 0);
});

it("ends at once on `hurry`", async () => {
  const backoff = new Backoff(still, () => 0.5);
  const paused = backoff.pause(() => {}, never);
  backoff.hurry();
  await expect(paused).resolves.toBeUndefined();
});

it("rejects with its owner's reason, even if `hurry` comes at the same time", async () => {
  const backoff = new Backoff(still, () => 0.5);
  const owner = new AbortController();
  const reason = new Error("stopped");
  const paused = backoff.pause(() => {}, owner.signal);
  owner.abort(reason);
  backoff.hurry();
  await expect(paused).rejects.toBe(reason);
});
