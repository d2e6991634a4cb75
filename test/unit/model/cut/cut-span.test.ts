// Cutting: boundaries of real and synthetic graphs, spans that fit together, and files that are refused.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cutSpan } from "../../../../src/model/cut/cut-span.ts";
import { type CuttableModel, readCuttableModel } from "../../../../src/model/cut/cuttable-model.ts";
import { detachWeights } from "../../../../src/model/cut/detach-weights.ts";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  type ModelProto,
  NodeProtoSchema,
} from "../../../../src/model/graph/onnx_pb.ts";
import { ElementType, readOnnx, valueInfo, writeOnnx } from "../../../../src/model/graph/read-onnx.ts";
import type { SpanPlan } from "../../../../src/protocol/span-plan.ts";
import { errorCode, ManyhandsError } from "../../../../src/shared/errors.ts";
import { asModelId } from "../../../../src/shared/ids.ts";
import { llamaGraph } from "../../../../tools/bench/models/llama-graph.ts";
import { findModelFile } from "../../../../tools/model/model-folder.ts";
import { BUNDLED, MISSING, publicModel, SMALL } from "../test-models.ts";

const OPTIONS = { model: asModelId("test-model"), contextLength: 64 };

async function read(folder: string): Promise<CuttableModel> {
  const file = await findModelFile(folder);
  return readCuttableModel(detachWeights(new Uint8Array(await readFile(path.join(folder, file))), file).skeleton);
}

const llama = (layers: number): Uint8Array<ArrayBuffer> => llamaGraph({ ...SMALL, layers }, "model.onnx.data").graph;

/** A small graph changed by hand. */
function changed(change: (model: ModelProto & { graph: NonNullable<ModelProto["graph"]> }) => void): Uint8Array<ArrayBuffer> {
  const { model, graph } = readOnnx(llama(2));
  change(Object.assign(model, { graph }));
  return writeOnnx(model);
}

const codeOf = (action: () => unknown): string | undefined => {
  try {
    action();
    return undefined;
  } catch (error) {
    return errorCode(error) ?? String(error);
  }
};

describe("boundaries", () => {
  test("of the bundled model are one residual tensor each", async () => {
    const model = await read(BUNDLED);
    expect(model.layerCount).toBe(8);
    expect(model.boundaries.slice(1, -1).map((boundary) => [...boundary])).toEqual(
      Array.from({ length: 7 }, (_, index) => [`/model/layers.${index + 1}/input_layernorm/output_3`]),
    );
    expect(model.hiddenWidth).toBe(128);
    expect(model.vocabularySize).toBe(2000);
  });

  test.for<[string, number, object[]]>([
    ["stories260k", 5, [{ type: "float32", width: 64 }]],
    ["tiny-random-llama-fp32-gqa", 2, [{ type: "float32", width: 16 }]],
    ["tiny-random-gpt2-fp32", 5, [{ type: "float32", width: 32 }]],
    // In half precision the fused norm reads the unrounded sum. Two tensors cross, so that the bits stay the same.
    [
      "tiny-random-llama-fp16",
      2,
      [
        { type: "float16", width: 16 },
        { type: "float16", width: 16 },
      ],
    ],
  ])("of %s", async ([name, layerCount, crossing], { skip }) => {
    const folder = publicModel(name) ?? skip(MISSING);
    const model = await read(folder);
    expect(model.layerCount).toBe(layerCount);
    for (const boundary of model.boundaries.slice(1, -1)) {
      expect(boundary.map((tensor) => model.crossing.get(tensor))).toEqual(
        crossing.map((entry, index) => ({ ...entry, name: boundary[index] })),
      );
    }
  });

  test("do not depend on the order of nodes in the file", () => {
    const sorted = readCuttableModel(llama(4)).boundaries;
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (keys) => {
        const { model, graph } = readOnnx(llama(4));
        const order = new Map(graph.node.map((node) => [node, keys.next().value]));
        graph.node.sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
        expect(readCuttableModel(writeOnnx(model)).boundaries).toEqual(sorted);
      }),
      { numRuns: 20 },
    );
  });
});

describe("spans", () => {
  test("of every length fit together: each takes what the one before gives, and each cache belongs to one span", () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 6 })
          .chain((layers) => fc.tuple(fc.constant(layers), fc.subarray(Array.from({ length: layers - 1 }, (_, index) => index + 1)))),
        ([layers, cuts]) => {
          const model = readCuttableModel(llama(layers));
          const bounds = [0, ...cuts, layers];
          const plans: SpanPlan[] = bounds
            .slice(0, -1)
            .map((start, index) => cutSpan(model, { start, end: bounds[index + 1] ?? layers }, OPTIONS).plan);
          expect(plans.flatMap((plan) => plan.caches.map((cache) => cache.past))).toEqual(
            Array.from({ length: layers }, (_, layer) => [`past_key_values.${layer}.key`, `past_key_values.${layer}.value`]).flat(),
          );
          plans.forEach((plan, index) => {
            expect(plan.boundaryIn).toEqual(index === 0 ? [] : plans[index - 1]?.boundaryOut);
            expect(plan.tokens).toBe(index === 0 ? "input_ids" : undefined);
            expect(plan.logits?.vocabularySize).toBe(index === plans.length - 1 ? SMALL.vocabulary : undefined);
          });
        },
      ),
      { numRuns: 40 },
    );
  });

  test("read only their own weights, each once, and together all weights", () => {
    const model = readCuttableModel(llama(3));
    const names = (start: number, end: number): string[] => cutSpan(model, { start, end }, OPTIONS).weights.map((weight) => weight.tensor);
    for (const name of names(1, 2)) expect(name).toMatch(/^model\.layers\.1\.|^(cos|sin)_cache$/);
    expect(new Set([...names(0, 1), ...names(1, 2), ...names(2, 3)])).toEqual(new Set(names(0, 3)));
    expect(new Set(names(0, 3)).size).toBe(names(0, 3).length);
    expect(names(0, 3)).toHaveLength(model.graph.initializers.size);
  });

  test("are the same bytes each time", () => {
    const bytes = (): Uint8Array => cutSpan(readCuttableModel(llama(3)), { start: 1, end: 3 }, OPTIONS).graph;
    expect(bytes()).toEqual(bytes());
  });

  test("hold a tied tensor once", () => {
    const model = readCuttableModel(
      changed(({ graph }) => {
        const [embedding, head] = ["model.embed_tokens.weight", "lm_head.MatMul.weight"].map((name) =>
          graph.initializer.find((tensor) => tensor.name === name),
        );
        if (embedding && head) head.externalData = embedding.externalData;
      }),
    );
    const { weights } = cutSpan(model, { start: 0, end: 2 }, OPTIONS);
    expect(weights).toHaveLength(model.graph.initializers.size - 1);
    expect(new Set(weights.map((weight) => weight.path)).size).toBe(weights.length);
  });

  test.each([
    { start: -1, end: 1 },
    { start: 0, end: 0 },
    { start: 1, end: 1 },
    { start: 0, end: 4 },
    { start: 0.5, end: 2 },
  ])("outside the model are refused: $start to $end", (span) => {
    expect(codeOf(() => cutSpan(readCuttableModel(llama(3)), span, OPTIONS))).toBe("BAD_INPUT");
  });
});

describe("graphs that cannot be cut are refused with what to export instead", () => {
  const rename = (from: RegExp, to: string) =>
    changed(({ graph }) => {
      for (const value of [...graph.input, ...graph.output]) value.name = value.name.replace(from, to);
      for (const node of graph.node) {
        node.input = node.input.map((name) => name.replace(from, to));
        node.output = node.output.map((name) => name.replace(from, to));
      }
    });
  test.each([
    ["no caches", rename(/^past_key_values\.(\d+)/, "state$1")],
    ["a cache that is not returned", rename(/^present\.0\.key$/, "other")],
    ["no logits", rename(/^logits$/, "scores")],
    ["embeddings instead of token ids", rename(/^input_ids$/, "inputs_embeds")],
    ["a missing layer", rename(/^(past_key_values|present)\.0\./, "$1.7.")],
    ["an unknown input", rename(/^attention_mask$/, "encoder_attention_mask")],
    [
      "a merged export",
      changed(({ graph }) => {
        // The first layer's attention moves into a branch: the cache is read from inside it.
        const index = graph.node.findIndex((node) => node.opType === "GroupQueryAttention");
        const attention = graph.node[index];
        if (attention === undefined) return;
        const branch = create(GraphProtoSchema, {
          name: "branch",
          node: [attention],
          output: attention.output.map((name) => valueInfo(name, ElementType.FLOAT, [])),
        });
        const attribute = ["then_branch", "else_branch"].map((name) =>
          create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.GRAPH, g: branch }),
        );
        graph.input.push(valueInfo("use_cache_branch", ElementType.BOOL, [1]));
        graph.node[index] = create(NodeProtoSchema, {
          opType: "If",
          name: "if",
          input: ["use_cache_branch"],
          output: attention.output,
          attribute,
        });
      }),
    ],
    ["a tensor that nothing makes", changed(({ graph }) => graph.node.splice(8, 1))],
    [
      "a circle",
      changed(({ graph }) => {
        const embed = graph.node.find((node) => node.opType === "Gather" && node.input.includes("input_ids"));
        if (embed) embed.input[1] = "logits";
      }),
    ],
    ["an empty graph", changed(({ graph }) => graph.node.splice(0))],
  ])("%s", (_, bytes) => {
    expect(codeOf(() => readCuttableModel(bytes))).toBe("MODEL_UNSUPPORTED");
  });
});

describe("files that are something else", () => {
  test("cut short", () => {
    const whole = llama(2);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: whole.length - 1 }), (length) => {
        expect(["MODEL_CORRUPT", "MODEL_UNSUPPORTED"]).toContain(codeOf(() => readCuttableModel(whole.slice(0, length))));
      }),
    );
  });

  test("a damaged export is cut, or refused with a code", () => {
    const whole = llamaGraph(SMALL, "model.onnx.data").graph;
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = whole.slice();
        for (const [at, value] of changes) bytes[at] = value;
        try {
          const model = readCuttableModel(bytes);
          cutSpan(model, { start: 0, end: 1 }, OPTIONS);
        } catch (error) {
          expect(error).toBeInstanceOf(ManyhandsError);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("bytes of any kind", () => {
    const errors = (bytes: Uint8Array): void => {
      try {
        readCuttableModel(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ManyhandsError);
        return;
      }
      throw new Error("was taken for a model");
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), errors));
    errors(new TextEncoder().encode('{"model":"this is JSON"}'));
    errors(new Uint8Array(0));
  });
});
