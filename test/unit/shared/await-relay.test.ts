// A wait for the relay that ends for the person who waits, and not for the work that goes on.
import { expect, it } from "vitest";
import { abortable } from "../../../src/shared/abort.ts";
import { awaitRelay, type RelayWait } from "../../../src/shared/await-relay.ts";

const never = new AbortController().signal;
const forever = (): Promise<never> => new Promise(() => {});
const patient: RelayWait["clock"] = { sleep: (_, signal) => abortable(forever(), signal) };
const impatient: RelayWait["clock"] = { sleep: () => Promise.resolve() };
const wait = { relay: "https://relay.example", advice: "Ask again.", isAway: () => true };

it("settles like the work that it waits for", async () => {
  expect(await awaitRelay(Promise.resolve(7), { ...wait, clock: patient }, never)).toBe(7);
  const failure = new Error("refused");
  await expect(awaitRelay(Promise.reject(failure), { ...wait, clock: patient }, never)).rejects.toBe(failure);
});

it("gives up on a relay that is away, and says what to do", async () => {
  await expect(awaitRelay(forever(), { ...wait, clock: impatient }, never)).rejects.toMatchObject({
    code: "RELAY_UNREACHABLE",
    message: "The relay at https://relay.example does not answer, so no peers can be found. Ask again.",
  });
});

it("waits on if the relay is not what takes long", async () => {
  const work = Promise.withResolvers<string>();
  const waiting = awaitRelay(work.promise, { ...wait, clock: impatient, isAway: () => false }, never);
  await new Promise((resolve) => setImmediate(resolve));
  work.resolve("joined");
  expect(await waiting).toBe("joined");
});

it("rejects with the signal's reason", async () => {
  const stopper = new AbortController();
  const waiting = awaitRelay(forever(), { ...wait, clock: patient }, stopper.signal);
  const reason = new Error("stopped");
  stopper.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(awaitRelay(Promise.reject(new Error("late")), { ...wait, clock: patient }, stopper.signal)).rejects.toBe(reason);
});
