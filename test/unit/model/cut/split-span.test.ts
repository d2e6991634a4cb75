// In how many parts a span is run: a large span in a few, a small one, or one whose parts
// would repeat much, in a single one.
import { describe, expect, test } from "vitest";
import { readCuttableModel } from "../../../../src/model/cut/cuttable-model.ts";
import { splitSpan } from "../../../../src/model/cut/split-span.ts";
import { llamaGraph } from "../../../../tools/bench/models/llama-graph.ts";
import { SMALL } from "../test-models.ts";
import { asModelId } from "../../../../src/shared/ids.ts";

/** The parts of a span. A graph without weights is enough for it. */
function spans(shape: Parameters<typeof llamaGraph>[0], start: number, end: number): readonly string[] {
  const model = readCuttableModel(llamaGraph(shape, "data").graph);
  const options = { model: asModelId("model"), manifest: { contextLength: shape.context }, span: { start, end } };
  return splitSpan(model, options).map(({ plan }) => `${plan.span.start}-${plan.span.end}`);
}

const WIDE = {
  ...SMALL,
  layers: 10,
  width: 768,
  heads: 12,
  kvHeads: 12,
  headSize: 64,
  feedForward: 2048,
  vocabulary: 2000,
  bits: 32,
} as const;

describe("splitSpan", () => {
  test("runs a large span in four parts of about as many layers", () => {
    expect(spans(WIDE, 0, 10)).toEqual(["0-3", "3-5", "5-8", "8-10"]);
    expect(spans(WIDE, 2, 6)).toEqual(["2-4", "4-6"]);
  });

  test("never makes more parts than layers, nor parts with few bytes", () => {
    expect(spans({ ...WIDE, width: 1536 }, 4, 6)).toEqual(["4-5", "5-6"]);
    expect(spans(WIDE, 4, 6)).toEqual(["4-6"]);
    expect(spans(WIDE, 9, 10)).toEqual(["9-10"]);
    expect(spans({ ...SMALL, bits: 32 }, 0, 3)).toEqual(["0-3"]);
  });

  test("runs a span in one part if several parts would hold large tables again", () => {
    // Rotary tables for 256 thousand positions: 64 MB that every part reads.
    expect(spans({ ...WIDE, context: 262_144 }, 0, 10)).toEqual(["0-10"]);
  });
});
