// Inferred sizes, compared with those that the runtime finds, and the arithmetic behind them.
import { readFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import * as ort from "onnxruntime-web";
import { describe, expect, test } from "vitest";
import { readCuttableModel } from "../../../../src/model/cut/cuttable-model.ts";
import { ElementType, readOnnx, valueInfo, writeOnnx } from "../../../../src/model/graph/read-onnx.ts";
import {
  addSizes,
  constantOf,
  divideSizes,
  multiplySizes,
  pastSize,
  sameSize,
  SEQUENCE,
  type Size,
  sizeOf,
} from "../../../../src/model/graph/size.ts";
import { FIXTURES } from "../test-models.ts";

const POSITIONS = 5;
const PAST = 3;

/** The number that a size stands for in a step of `POSITIONS` after `PAST`. */
const numberOf = ({ constant, terms }: Size): number =>
  terms.reduce((sum, [symbol, factor]) => sum + factor * (symbol === "sequence" ? POSITIONS : PAST), constant);

describe("inferred sizes are those that the runtime finds", () => {
  test.each(["llama-optimum-fp32", "gpt2-optimum-fp32", "gemma3-optimum-fp32"])("%s", async (name) => {
    const { model, graph } = readOnnx(new Uint8Array(await readFile(path.join(FIXTURES, name, "model.onnx"))));
    const { sizes, layers, graph: read } = readCuttableModel(writeOnnx(model));
    // Every shape that the graph computes becomes an output.
    const shapes = graph.node.filter((node) => node.opType === "Shape").flatMap((node) => node.output);
    graph.output.push(...shapes.map((shape) => valueInfo(shape, ElementType.INT64, ["rank"])));
    const session = await ort.InferenceSession.create(writeOnnx(model), { executionProviders: ["wasm"], logSeverityLevel: 3 });
    const whole = (length: number): ort.Tensor => new ort.Tensor("int64", new BigInt64Array(length).fill(1n), [1, length]);
    const feeds: Record<string, ort.Tensor> = { input_ids: whole(POSITIONS), attention_mask: whole(PAST + POSITIONS) };
    if (layers.positionIds !== undefined) {
      const positions = BigInt64Array.from({ length: POSITIONS }, (_, index) => BigInt(PAST + index));
      feeds[layers.positionIds.name] = new ort.Tensor("int64", positions, [1, POSITIONS]);
    }
    for (const { past, heads, headSize } of layers.caches.flat())
      feeds[past] = new ort.Tensor("float32", new Float32Array(heads * PAST * headSize), [1, heads, PAST, headSize]);
    const outputs = await session.run(feeds, shapes);
    const known = shapes.filter((shape) => sizes.get(shape)?.values !== undefined);
    for (const shape of known)
      expect(sizes.get(shape)?.values?.map(numberOf), shape).toEqual([...((outputs[shape]?.data ?? []) as BigInt64Array)].map(Number));
    // All shapes outside the layers have to be known: spans depend on those.
    const outside = read.nodes.filter(({ proto }) => proto.opType === "Shape" && !/layers\.|\/h\./.test(proto.name));
    expect(outside.length).toBeGreaterThan(3);
    for (const { outputs: made } of outside) for (const shape of made) expect(known, shape).toContain(shape);
    await session.release();
  });
});

describe("arithmetic", () => {
  const size = fc
    .tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -3, max: 3 }), fc.integer({ min: -3, max: 3 }))
    .map(([constant, sequence, past]) => addSizes(addSizes(sizeOf(constant), SEQUENCE, sequence), pastSize("past_sequence_length"), past));

  test("sums, multiples and products with numbers agree with the same arithmetic on numbers", () => {
    fc.assert(
      fc.property(size, size, fc.integer({ min: -4, max: 4 }), (a, b, factor) => {
        expect(numberOf(addSizes(a, b, factor))).toBe(numberOf(a) + factor * numberOf(b));
        const product = multiplySizes(a, sizeOf(factor));
        expect(product && numberOf(product)).toBe(numberOf(a) * factor + 0);
        expect(sameSize(addSizes(addSizes(a, b), b, -1), a)).toBe(true);
      }),
    );
  });

  test("the dimension that a reshape leaves open divides evenly, or stays unknown", () => {
    fc.assert(
      fc.property(fc.array(size, { maxLength: 3 }), size, fc.integer({ min: 1, max: 8 }), (parts, left, number) => {
        const whole = [...parts, left, sizeOf(number)];
        const found = divideSizes(whole, [...parts, sizeOf(number)]);
        fc.pre(parts.every((part) => constantOf(part) !== 0));
        if (found !== undefined) expect(numberOf(found)).toBe(numberOf(left));
        expect(divideSizes([SEQUENCE], [sizeOf(2)])).toBeUndefined();
      }),
    );
  });
});
