// The node's code waits for its relay: it asks again and again, reports each wait, and lets the caller give up.
import { expect, it } from "vitest";
import { Backoff } from "../../../src/shared/backoff.ts";
import { loadCode, type LoadCodeOptions } from "../../../src/ui/load-code.ts";

const never = new AbortController().signal;

/** A relay that replies with the next of `replies` each time, and a clock that does not wait. */
function relayOf(...replies: readonly (number | Error)[]): LoadCodeOptions {
  const left = replies.values();
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

it("imports at once if the relay replies", async () => {
  const waits: number[] = [];
  expect(await loadCode(relayOf(200), async () => "code", { signal: never, onAway: (retryInMs) => waits.push(retryInMs) })).toBe("code");
  expect(waits).toEqual([]);
});

it("asks a relay that is away again and again, and reports when", async () => {
  const waits: number[] = [];
  let imported = 0;
  const relay = relayOf(new Error("refused"), 502, new Error("refused"));
  await loadCode(relay, async () => imported++, { signal: never, onAway: (retryInMs) => waits.push(retryInMs) });
  expect(imported).toBe(1);
  expect(waits).toEqual([500, 1000, 2000]);
});

it("stops asking when the caller gives up, and imports nothing", async () => {
  const stopper = new AbortController();
  const reason = new Error("released");
  let imported = 0;
  const relay = relayOf(new Error("refused"), new Error("refused"));
  const loading = loadCode(relay, async () => imported++, { signal: stopper.signal, onAway: () => stopper.abort(reason) });
  await expect(loading).rejects.toBe(reason);
  expect(imported).toBe(0);
});

it("fails if a module cannot be fetched although the relay replies", async () => {
  const failure = new TypeError("404");
  await expect(loadCode(relayOf(200), () => Promise.reject(failure), { signal: never, onAway: () => {} })).rejects.toBe(failure);
});
