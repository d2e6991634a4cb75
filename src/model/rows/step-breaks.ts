// Cache lengths that a step must not cross, or else its rows would not have the bits of one position at a time.
import type { GraphProto, TensorProto } from "../graph/onnx_pb.ts";
import { attribute } from "../graph/read-onnx.ts";

/**
 * Lengths at which the runtime's product changes its blocks: queries and keys of more than 128 numbers are summed in
 * blocks whose length depends on the number of keys. ONNX Runtime's sgemm takes blocks of 1,024 up to 16 columns, of
 * 512 up to 32, of 256 up to 64 and of 128 beyond (mlas/lib/sgemm.cpp, strides of N and K).
 */
export function productBreaks(headSize: number): readonly number[] {
  const steps = [
    { columns: 16, block: 1024 },
    { columns: 32, block: 512 },
    { columns: 64, block: 256 },
  ];
  return steps.filter(({ block }) => headSize > block / 2).map(({ columns }) => columns);
}

/**
 * Lengths past which the graph uses other tables: LongRoPE has short and long ones,
 * chosen by the length of the whole step.
 */
export function lengthSwitches(graph: GraphProto): readonly number[] {
  const makers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  return graph.node.flatMap(({ opType, input }): number[] => {
    const condition = opType === "If" ? makers.get(input[0] ?? "") : undefined;
    if (condition?.opType !== "Greater") return [];
    const bound = condition.input[1] ?? "";
    const maker = makers.get(bound);
    const value = wholeNumber(constants.get(bound) ?? (maker && attribute(maker, "value")?.t));
    return value === undefined ? [] : [value];
  });
}

function wholeNumber(tensor: TensorProto | undefined): number | undefined {
  if (tensor === undefined || tensor.dims.some((dim) => dim !== 1n)) return undefined;
  if (tensor.int64Data[0] !== undefined) return Number(tensor.int64Data[0]);
  const { rawData } = tensor;
  return rawData.byteLength === 8 ? Number(new DataView(rawData.buffer, rawData.byteOffset).getBigInt64(0, true)) : undefined;
}
