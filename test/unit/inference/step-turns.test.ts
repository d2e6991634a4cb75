// Whose step comes next: decoding before prompts, whoever waited longest, and prompts not never.
import { describe, expect, it } from "vitest";
import { StepTurns } from "../../../src/inference/server/step-turns.ts";
import { asSessionId } from "../../../src/shared/ids.ts";

const session = (name: string): ReturnType<typeof asSessionId> => asSessionId(name.repeat(32));

describe("turns of steps", () => {
  it("give decoding the right of way, and each session its turn", async () => {
    const turns = new StepTurns();
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    const step = (name: string, isDecode: boolean): Promise<void> =>
      turns.take(session(name), isDecode ? "decode" : "prompt", async () => {
        order.push(name);
        await gate.promise;
      });
    const all = [step("a", true), step("b", false), step("a", true), step("c", true), step("d", true)];
    gate.resolve();
    await Promise.all(all);
    expect(order).toEqual(["a", "c", "d", "a", "b"]);
  });

  it("do not starve a prompt beside many answers", async () => {
    const turns = new StepTurns();
    const order: string[] = [];
    const step = (name: string, isDecode: boolean): Promise<void> =>
      turns.take(session(name), isDecode ? "decode" : "prompt", async () => {
        order.push(name);
        await Promise.resolve();
      });
    const decode = async (name: string): Promise<void> => {
      for (let n = 0; n < 12; n++) await step(name, true);
    };
    await Promise.all([decode("a"), decode("b"), step("c", false)]);
    expect(order.indexOf("c")).toBeLessThan(12);
    expect(order).toHaveLength(25);
  });

  it("go on after a step that failed", async () => {
    const turns = new StepTurns();
    const failed = turns.take(session("a"), "decode", () => Promise.reject(new Error("no")));
    const next = turns.take(session("b"), "decode", () => Promise.resolve("yes"));
    await expect(failed).rejects.toThrow("no");
    expect(await next).toBe("yes");
  });
});
