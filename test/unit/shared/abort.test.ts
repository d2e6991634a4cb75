// Waits with a bound: what they resolve with, and that they leave no timer behind.
import { expect, it } from "vitest";
import { settlesWithin } from "../../../src/shared/abort.ts";
import type { Clock } from "../../../src/shared/clock.ts";

/** A clock whose one sleep ends when the test says so. */
function handClock() {
  const { promise, resolve } = Promise.withResolvers<void>();
  const signals: (AbortSignal | undefined)[] = [];
  const clock: Pick<Clock, "sleep"> = {
    sleep: (_ms, signal) => {
      signals.push(signal);
      return promise;
    },
  };
  return { clock, ring: resolve, signals };
}

it("says whether a promise resolves in time, and stops its timer either way", async () => {
  const quick = handClock();
  expect(await settlesWithin(Promise.resolve("done"), 100, quick.clock)).toBe(true);
  const slow = handClock();
  const waiting = settlesWithin(new Promise(() => {}), 100, slow.clock);
  slow.ring();
  expect(await waiting).toBe(false);
  expect([...quick.signals, ...slow.signals].map((signal) => signal?.aborted)).toEqual([true, true]);
});

it("rejects as the promise does", async () => {
  const reason = new Error("broken");
  await expect(settlesWithin(Promise.reject(reason), 100, handClock().clock)).rejects.toBe(reason);
});
