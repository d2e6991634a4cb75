// Which step a span computes next: the oldest of each session, decoding before prompts, and nobody starves.
import { describe, expect, it } from "vitest";
import { type QueuedStep, StepQueue, type Urgency } from "../../../src/inference/server/step-queue.ts";
import { asSessionId, type SessionId } from "../../../src/shared/ids.ts";

const session = (name: string): SessionId => asSessionId(name.repeat(32));

/** A queue, and its time, which the test moves. */
function newQueue() {
  const clock = { nowMs: 0, now: () => clock.nowMs };
  return { queue: new StepQueue(clock), clock };
}

const step = (name: string, urgency: Urgency, more: Partial<QueuedStep<void, string>> = {}): QueuedStep<void, string> => ({
  session: session(name),
  urgency,
  admit: () => true,
  compute: () => Promise.resolve(),
  deliver: () => Promise.resolve(name),
  ...more,
});

/** Lets everything happen that does not wait for the test. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a step queue", () => {
  it("gives decoding the right of way, and each session its turn", async () => {
    const { queue } = newQueue();
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    const add = (name: string, urgency: Urgency): Promise<string | undefined> =>
      queue.add(
        step(name, urgency, {
          compute: async () => {
            order.push(name);
            await gate.promise;
          },
        }),
      );
    const all = [add("a", "decode"), add("f", "audit"), add("b", "prompt"), add("a", "decode"), add("c", "decode"), add("d", "decode")];
    gate.resolve();
    await Promise.all(all);
    expect(order).toEqual(["a", "c", "d", "a", "b", "f"]);
  });

  it("does not starve a prompt beside many answers", async () => {
    const { queue } = newQueue();
    const order: string[] = [];
    const run = (name: string, urgency: Urgency): Promise<unknown> =>
      queue.add(
        step(name, urgency, {
          compute: async () => {
            order.push(name);
            await Promise.resolve();
          },
        }),
      );
    const decode = async (name: string): Promise<void> => {
      for (let n = 0; n < 12; n++) await run(name, "decode");
    };
    await Promise.all([decode("a"), decode("b"), run("c", "prompt")]);
    expect(order.indexOf("c")).toBeLessThan(12);
    expect(order).toHaveLength(25);
  });

  it("holds a session back until its step is delivered, and lets another one compute meanwhile", async () => {
    const { queue } = newQueue();
    const events: string[] = [];
    const sent = Promise.withResolvers<void>();
    const noting = (name: string, deliver = Promise.resolve()): QueuedStep<void, string> =>
      step(name.slice(0, 1), "decode", {
        admit: () => events.push(`${name} admitted`) > 0,
        compute: async () => void events.push(`${name} computed`),
        deliver: async () => {
          await deliver;
          events.push(`${name} sent`);
          return name;
        },
      });
    const all = [queue.add(noting("a1", sent.promise)), queue.add(noting("a2")), queue.add(noting("b1"))];
    await settle();
    expect(events).toEqual(["a1 admitted", "a1 computed", "b1 admitted", "b1 computed", "b1 sent"]);
    sent.resolve();
    expect(await Promise.all(all)).toEqual(["a1", "a2", "b1"]);
    expect(events.slice(5)).toEqual(["a1 sent", "a2 admitted", "a2 computed", "a2 sent"]);
  });

  it("counts the wait from the moment in which a step becomes the oldest of its session", async () => {
    const { queue, clock } = newQueue();
    const waits: number[] = [];
    const computing = Promise.withResolvers<void>();
    const sending = Promise.withResolvers<void>();
    const noting = (name: string, computed = Promise.resolve(), sent = Promise.resolve()): QueuedStep<void, string> =>
      step(name, "decode", {
        compute: async (waitMs) => {
          waits.push(waitMs);
          await computed;
        },
        deliver: async () => {
          await sent;
          return name;
        },
      });
    const all = [queue.add(noting("a", computing.promise, sending.promise)), queue.add(noting("a")), queue.add(noting("b"))];
    clock.nowMs = 5;
    computing.resolve();
    await settle();
    clock.nowMs = 50;
    sending.resolve();
    await Promise.all(all);
    expect(waits).toEqual([0, 5, 0]);
  });

  it("goes on after a step that is refused, that is dropped, or that fails", async () => {
    const { queue } = newQueue();
    const refused = queue.add(
      step("a", "decode", {
        admit: () => {
          throw new Error("not now");
        },
      }),
    );
    const failed = queue.add(step("a", "decode", { compute: () => Promise.reject(new Error("broken")) }));
    const unsent = queue.add(step("a", "decode", { deliver: () => Promise.reject(new Error("gone")) }));
    const dropped = queue.add(step("a", "decode", { admit: () => false }));
    const last = queue.add(step("a", "decode"));
    await expect(refused).rejects.toThrow("not now");
    await expect(failed).rejects.toThrow("broken");
    await expect(unsent).rejects.toThrow("gone");
    expect(await Promise.all([dropped, last, queue.add(step("b", "decode"))])).toEqual([undefined, "a", "b"]);
  });

  it("drops the waiting steps of a session that has ended", async () => {
    const { queue } = newQueue();
    const gate = Promise.withResolvers<void>();
    let computed = 0;
    const counting = (name: string): QueuedStep<void, string> => step(name, "decode", { compute: async () => void computed++ });
    const running = queue.add(step("a", "decode", { compute: () => gate.promise }));
    const waiting = [queue.add(counting("a")), queue.add(counting("b")), queue.add(counting("b"))];
    queue.forget(session("a"));
    queue.forget(session("b"));
    gate.resolve();
    expect(await Promise.all([running, ...waiting])).toEqual(["a", undefined, undefined, undefined]);
    expect(computed).toBe(0);
    expect(await queue.add(counting("a"))).toBe("a");
  });
});
