// Sessions on a real span: budget, order, truncation, rows of logits, and disposal.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine, StepInput } from "../../../src/engine/contract.ts";
import { cacheBytesPerPosition } from "../../../src/protocol/span-plan.ts";
import { asSessionId, type SessionId } from "../../../src/shared/ids.ts";
import { bundledEngine } from "../../support/bundled-model.ts";

const id = (digit: number): SessionId => asSessionId(String(digit).repeat(32));
const step = (session: SessionId, position: number, tokens: readonly number[]): StepInput => ({
  session,
  position,
  count: tokens.length,
  tokens: Int32Array.from(tokens),
  hidden: undefined,
  topK: 8,
});

describe("LocalEngine", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await bundledEngine(0, 8, 100 * 8 * 2 * 4 * 16 * 4); // 100 positions of 8 layers, 4 heads of 16, f32
  });
  afterAll(() => engine.dispose());

  it("counts the cache as the plan does", () => {
    expect(cacheBytesPerPosition(engine.plan)).toBe(8 * 2 * 4 * 16 * 4);
  });

  it("admits sessions while their positions fit, and again once others have closed", async () => {
    await engine.open(id(1), 60);
    await expect(engine.open(id(2), 60)).rejects.toMatchObject({ code: "SESSION_REFUSED" });
    await expect(engine.open(id(1), 1)).rejects.toMatchObject({ code: "SESSION_REFUSED" });
    await engine.close(id(1));
    await engine.open(id(2), 60);
    await engine.close(id(2));
    await engine.close(id(2));
  });

  it("refuses steps that do not follow the cache, overfill it, or belong to no session", async () => {
    await engine.open(id(3), 4);
    await engine.step(step(id(3), 0, [0, 5]));
    await expect(engine.step(step(id(3), 1, [5]))).rejects.toMatchObject({ code: "PREFIX_MISMATCH" });
    await expect(engine.step(step(id(3), 2, [5, 6, 7]))).rejects.toMatchObject({ code: "SESSION_REFUSED" });
    await expect(engine.step(step(id(4), 0, [5]))).rejects.toMatchObject({ code: "SESSION_UNKNOWN" });
    await engine.close(id(3));
  });

  it("gives the same bits after a truncation as before", async () => {
    await engine.open(id(5), 32);
    await engine.step(step(id(5), 0, [0, 40, 41, 42]));
    const before = await engine.step(step(id(5), 4, [43, 44]));
    await engine.step(step(id(5), 6, [45]));
    await engine.truncate(id(5), 4);
    const after = await engine.step(step(id(5), 4, [43, 44]));
    expect(after.logits).toEqual(before.logits);
    await expect(engine.truncate(id(5), 7)).rejects.toMatchObject({ code: "PREFIX_MISMATCH" });
    await engine.truncate(id(5), 0);
    expect((await engine.step(step(id(5), 0, [0]))).position).toBe(1);
    await engine.close(id(5));
  });

  it("returns the candidates after each of the last positions, as steps that end there do", async () => {
    await engine.open(id(8), 16);
    const tokens = [0, 40, 41, 42, 43];
    const { logits, earlierLogits } = await engine.step({ ...step(id(8), 0, tokens), logitRows: 4 });
    expect(earlierLogits).toHaveLength(3);
    for (const [index, row] of [...earlierLogits, logits].entries()) {
      await engine.truncate(id(8), 0);
      const alone = await engine.step(step(id(8), 0, tokens.slice(0, index + 2)));
      expect(alone.logits).toEqual(row);
      expect(alone.earlierLogits).toEqual([]);
    }
    await engine.truncate(id(8), 0);
    await expect(engine.step({ ...step(id(8), 0, tokens), logitRows: 6 })).rejects.toMatchObject({ code: "BAD_INPUT" });
    await expect(engine.step({ ...step(id(8), 0, tokens), logitRows: 0 })).rejects.toMatchObject({ code: "BAD_INPUT" });
    await engine.close(id(8));
  });

  it("fails every call once disposed", async () => {
    const other = await bundledEngine(7, 8);
    await other.dispose();
    await other.dispose();
    await expect(other.open(id(6), 1)).rejects.toMatchObject({ code: "ENGINE_FAILED" });
  });

  it("refuses a hidden state of the wrong size", async () => {
    const last = await bundledEngine(7, 8);
    await last.open(id(7), 8);
    await expect(
      last.step({ session: id(7), position: 0, count: 2, tokens: undefined, hidden: new Uint8Array(128 * 4), topK: 4 }),
    ).rejects.toMatchObject({ code: "FRAME_MALFORMED" });
    await last.dispose();
  });
});
