// Pauses between tries: they grow up to a bound, end early when somebody asks again, and end with their owner.
import { expect, it } from "vitest";
import type { Clock } from "../../../src/shared/clock.ts";
import { RetryPause } from "../../../src/shared/retry-pause.ts";

const never = new AbortController().signal;
/** Sleeps end at once, or never. */
const quick: Pick<Clock, "sleep"> = { sleep: async () => {} };
const still: Pick<Clock, "sleep"> = {
  sleep: (_, signal) => new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error))),
};

it("grows to its bound and begins anew when somebody asks again", async () => {
  const pause = new RetryPause(quick, () => 0.5);
  const told: number[] = [];
  const note = (retryInMs: number): number => told.push(retryInMs);
  for (let count = 0; count < 7; count++) await pause.take(note, never);
  expect(told).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  pause.hurry();
  await pause.take(note, never);
  expect(told.at(-1)).toBe(500);
});

it("keeps its jitter within a quarter", async () => {
  const told: number[] = [];
  for (const value of [0, 0.999]) await new RetryPause(quick, () => value).take((retryInMs) => told.push(retryInMs), never);
  expect(told).toEqual([375, 625]);
});

it("ends at once when somebody asks again", async () => {
  const pause = new RetryPause(still, () => 0.5);
  const taken = pause.take(() => {}, never);
  pause.hurry();
  await expect(taken).resolves.toBeUndefined();
});

it("rejects with its owner's reason, even when both come at once", async () => {
  const pause = new RetryPause(still, () => 0.5);
  const owner = new AbortController();
  const reason = new Error("stopped");
  const taken = pause.take(() => {}, owner.signal);
  owner.abort(reason);
  pause.hurry();
  await expect(taken).rejects.toBe(reason);
});
