// Unpacked weights against ONNX Runtime's own kernel for packed ones, in every form that exporters write.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import * as ort from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { unpackSpan } from "../../../src/engine/dequantize.ts";
import { planConversion } from "../../../src/model/cut/convert-weights.ts";
import { GraphProtoSchema, ModelProtoSchema, type TensorProto, TensorProtoSchema } from "../../../src/model/graph/onnx_pb.ts";
import { asExternal, ElementType, intAttribute, makeNode, valueInfo, writeOnnx } from "../../../src/model/graph/read-onnx.ts";
import type { SpanPlan, SpanSource } from "../../../src/protocol/span-plan.ts";

interface Form {
  readonly bits: 4 | 8;
  readonly rows: number;
  readonly blocks: number;
  readonly blockSize: number;
  readonly zeroPoints: boolean;
  readonly bias: boolean;
}

/** A graph of one MatMulNBits, with its weights outside, as in a span. */
function packedMatMul(form: Form, bytes: (count: number) => Uint8Array<ArrayBuffer>): SpanSource {
  const { bits, rows, blocks, blockSize } = form;
  const externalData: { path: string; data: Uint8Array<ArrayBuffer> }[] = [];
  const weight = (name: string, dataType: number, dims: number[], data: Uint8Array<ArrayBuffer>): TensorProto => {
    externalData.push({ path: name, data });
    return asExternal(create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt) }), {
      file: name,
      offset: 0,
      length: data.byteLength,
    });
  };
  const floats = (count: number): Uint8Array<ArrayBuffer> =>
    new Uint8Array(Float32Array.from(bytes(count), (byte) => (byte - 100) / 999).buffer);
  const initializer = [
    weight("packed", ElementType.UINT8, [rows, blocks, (blockSize * bits) / 8], bytes((rows * blocks * blockSize * bits) / 8)),
    weight("scales", ElementType.FLOAT, [rows * blocks], floats(rows * blocks)),
  ];
  const zeroRow = Math.ceil((blocks * bits) / 8);
  if (form.zeroPoints) initializer.push(weight("zeros", ElementType.UINT8, [rows * zeroRow], bytes(rows * zeroRow)));
  if (form.bias) initializer.push(weight("bias", ElementType.FLOAT, [rows], floats(rows)));
  const node = makeNode(
    "MatMulNBits",
    "multiply",
    ["x", "packed", "scales", form.zeroPoints ? "zeros" : "", "", form.bias ? "bias" : ""].slice(
      0,
      form.bias ? 6 : form.zeroPoints ? 4 : 3,
    ),
    ["y"],
    [intAttribute("K", blocks * blockSize), intAttribute("N", rows), intAttribute("bits", bits), intAttribute("block_size", blockSize)],
  );
  node.domain = "com.microsoft";
  const graph = create(GraphProtoSchema, {
    name: "g",
    node: [node],
    initializer,
    input: [valueInfo("x", ElementType.FLOAT, [1, "n", blocks * blockSize])],
    output: [valueInfo("y", ElementType.FLOAT, [1, "n", rows])],
  });
  const opsetImport = [
    { domain: "", version: 14n },
    { domain: "com.microsoft", version: 1n },
  ];
  const bytesOfGraph = writeOnnx(create(ModelProtoSchema, { irVersion: 8n, opsetImport, graph }));
  // Only graph and weights matter here.
  return { plan: {} as SpanPlan, graph: bytesOfGraph, externalData, converted: planConversion(bytesOfGraph) };
}

async function product(source: SpanSource, x: Float32Array): Promise<Float32Array> {
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(source.graph, {
    executionProviders: ["wasm"],
    externalData: source.externalData.map((file) => ({ ...file })),
  });
  const { y } = await session.run({ x: new ort.Tensor("float32", x, [1, 2, x.length / 2]) });
  await session.release();
  return y?.data as Float32Array;
}

describe("unpackSpan", () => {
  it.each<Form>([
    { bits: 4, rows: 8, blocks: 2, blockSize: 32, zeroPoints: false, bias: false },
    { bits: 4, rows: 5, blocks: 3, blockSize: 16, zeroPoints: true, bias: false },
    { bits: 4, rows: 7, blocks: 1, blockSize: 128, zeroPoints: true, bias: true },
    { bits: 8, rows: 6, blocks: 2, blockSize: 32, zeroPoints: false, bias: true },
    { bits: 8, rows: 4, blocks: 2, blockSize: 64, zeroPoints: true, bias: false },
  ])(
    "multiplies as the packed kernel does: $bits bits, $blocks blocks of $blockSize, zero points $zeroPoints, bias $bias",
    async (form) => {
      const [seed] = fc.sample(fc.uint8Array({ minLength: 8192, maxLength: 8192 }), { numRuns: 1, seed: 7 });
      let at = 0;
      const source = packedMatMul(form, (count) => Uint8Array.from({ length: count }, () => seed?.[at++ % 8192] ?? 0));
      const unpacked = unpackSpan(source);
      expect(unpacked.externalData.map(({ path }) => path)).toEqual(form.bias ? ["bias", "unpacked-0"] : ["unpacked-0"]);
      const x = Float32Array.from({ length: 2 * form.blocks * form.blockSize }, (_, index) => Math.sin(index));
      const [expected, got] = [await product(source, x), await product(unpacked, x)];
      for (const [index, value] of expected.entries()) expect(got[index]).toBeCloseTo(value, 3);
    },
  );

  it("refuses weights that are shorter than their shape", () => {
    const source = packedMatMul(
      { bits: 4, rows: 4, blocks: 2, blockSize: 32, zeroPoints: false, bias: false },
      (count) => new Uint8Array(Math.max(1, count - 1)),
    );
    expect(() => unpackSpan(source)).toThrow(expect.objectContaining({ code: "MODEL_CORRUPT" }));
  });
});
