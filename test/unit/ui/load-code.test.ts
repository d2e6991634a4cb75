// The node's code waits for its relay: asked again and again, told each time, given up when nobody wants it.
import { expect, it } from "vitest";
import { Backoff } from "../../../src/shared/backoff.ts";
import { loadCode, type LoadCodeOptions } from "../../../src/ui/load-code.ts";

const never = new AbortController().signal;

/** A relay that answers each question with the next of `answers`, and a clock that does not wait. */
function relayOf(...answers: readonly (number | Error)[]): LoadCodeOptions {
  const left = answers.values();
  return {
    url: "https://relay.example/healthz",
    backoff: new Backoff({ sleep: async (_, signal) => signal?.throwIfAborted() }, () => 0.5),
    fetch: async () => {
      const { value = 200 } = left.next();
      if (value instanceof Error) throw value;
      return { status: value };
    },
  };
}

it("imports at once where the relay answers", async () => {
  const waits: number[] = [];
  expect(await loadCode(relayOf(200), async () => "code", { signal: never, onAway: (retryInMs) => waits.push(retryInMs) })).toBe("code");
  expect(waits).toEqual([]);
});

it("asks a relay that is away again and again, telling when", async () => {
  const waits: number[] = [];
  let imported = 0;
  const relay = relayOf(new Error("refused"), 502, new Error("refused"));
  await loadCode(relay, async () => imported++, { signal: never, onAway: (retryInMs) => waits.push(retryInMs) });
  expect(imported).toBe(1);
  expect(waits).toEqual([500, 1000, 2000]);
});

it("stops asking when nobody wants the code any more, and imports nothing", async () => {
  const stopper = new AbortController();
  const reason = new Error("let go of");
  let imported = 0;
  const relay = relayOf(new Error("refused"), new Error("refused"));
  const loading = loadCode(relay, async () => imported++, { signal: stopper.signal, onAway: () => stopper.abort(reason) });
  await expect(loading).rejects.toBe(reason);
  expect(imported).toBe(0);
});

it("a module that cannot be fetched from a relay that answers is a failure", async () => {
  const failure = new TypeError("404");
  await expect(loadCode(relayOf(200), () => Promise.reject(failure), { signal: never, onAway: () => {} })).rejects.toBe(failure);
});
