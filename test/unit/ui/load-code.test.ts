// The node's code waits for its relay: asked again with growing pauses, told each time, given up when nobody wants it.
import { expect, it } from "vitest";
import { loadCode, type LoadCodeDeps } from "../../../src/ui/load-code.ts";

/** A relay that answers each question with the next of `answers`, a clock that does not wait, and what both saw. */
function world(answers: readonly (number | Error)[]): { deps: LoadCodeDeps; slept: number[] } {
  const slept: number[] = [];
  const left = answers.values();
  return {
    slept,
    deps: {
      url: "https://relay.example/healthz",
      random: () => 0.5,
      fetch: async () => {
        const { value = 200 } = left.next();
        if (value instanceof Error) throw value;
        return { status: value };
      },
      clock: {
        sleep: async (ms, signal) => {
          signal?.throwIfAborted();
          slept.push(ms);
        },
      },
    },
  };
}

it("imports at once where the relay answers", async () => {
  const { deps, slept } = world([200]);
  const waits: number[] = [];
  expect(
    await loadCode(deps, async () => "code", { signal: new AbortController().signal, onAway: (retryInMs) => waits.push(retryInMs) }),
  ).toBe("code");
  expect([waits, slept]).toEqual([[], []]);
});

it("asks a relay that is away again and again, telling when", async () => {
  const { deps, slept } = world([new Error("refused"), 502, ...Array.from({ length: 5 }, () => new Error("refused"))]);
  const waits: number[] = [];
  let imported = 0;
  await loadCode(deps, async () => imported++, { signal: new AbortController().signal, onAway: (retryInMs) => waits.push(retryInMs) });
  expect(imported).toBe(1);
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  expect(slept).toEqual(waits);
});

it("stops asking when nobody wants the code any more, and imports nothing", async () => {
  const { deps } = world([new Error("refused"), new Error("refused")]);
  const stopper = new AbortController();
  const reason = new Error("let go of");
  let imported = 0;
  const loading = loadCode(deps, async () => imported++, { signal: stopper.signal, onAway: () => stopper.abort(reason) });
  await expect(loading).rejects.toBe(reason);
  expect(imported).toBe(0);
});

it("a module that cannot be fetched from a relay that answers is a failure", async () => {
  const { deps } = world([200]);
  const failure = new TypeError("404");
  const loading = loadCode(deps, () => Promise.reject(failure), { signal: new AbortController().signal, onAway: () => undefined });
  await expect(loading).rejects.toBe(failure);
});
