// The form that a span is built in, and its report.
import { expect, test } from "vitest";
import path from "node:path";
import { relativeDistance, selfTest, selfTestAgrees } from "../../../src/engine/self-test.ts";
import { startRunner } from "../../../src/engine/start-runner.browser.ts";
import { joinParts } from "../../../src/protocol/span-plan.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { wholeSpan } from "../../../tools/bench/models/whole-span.ts";

const fixture = (name: string): string => path.resolve(import.meta.dirname, "../../fixtures/models", name);

test.for([
  ["llama-genai-fp32", false, "wasm", false],
  ["llama-genai-fp32", true, "wasm+rows", true],
  ["llama-genai-q4", true, "wasm+f32-weights+rows", true],
  ["gpt2-optimum-q8", true, "wasm", false],
] as const)("%s, asked for the row-invariant form: %s", async ([name, asked, form, given]) => {
  const { runner, report } = await startRunner(
    joinParts([await wholeSpan(fixture(name))]),
    { backend: "wasm", rowInvariant: asked },
    systemClock,
  );
  expect(report.determinismClass).toMatch(new RegExp(`/${form.replaceAll("+", "\\+")}/1$`));
  expect(report.rowInvariant).toBe(given);
  expect(report.notices.some((notice) => notice.includes("quantized dynamically"))).toBe(asked && !given);
  await runner.release();
});

test.for(["llama-genai-fp32", "smollm2-genai-q4-tied", "llama-optimum-fp32", "gpt2-onnxruntime-fp32", "../../../public/models/tales-2m"])(
  "%s gives the same numbers in both forms, except for rounding",
  async (name) => {
    const outputs = [];
    for (const rowInvariant of [false, true]) {
      const { runner } = await startRunner(joinParts([await wholeSpan(fixture(name))]), { backend: "wasm", rowInvariant }, systemClock);
      outputs.push(await selfTest(runner, systemClock));
      await runner.release();
    }
    const [plain, rows] = outputs;
    expect(plain && rows && selfTestAgrees(plain, rows)).toBe(true);
    expect(plain && rows && relativeDistance(plain.output, rows.output)).toBeLessThan(1e-5);
  },
);
