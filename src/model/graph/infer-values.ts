// Infers the small integers that a graph computes from shapes: lengths, ends of slices, targets of reshapes.
import { addSizes, constantOf, MAX_VALUES, multiplySizes, type NodeFacts, sameSize, type Size, sizeOf } from "./size.ts";
import type { TensorProto } from "./onnx_pb.ts";
import { ElementType } from "./read-onnx.ts";

/** Elements of a node's first output; undefined if they do not follow from shapes. */
export function inferValues(node: NodeFacts): readonly Size[] | undefined {
  switch (node.op) {
    case "Shape":
      return slice(node.dims(0), Number(node.attribute("start")?.i ?? 0n), node.attribute("end")?.i);
    case "Cast":
    case "Identity":
    case "Unsqueeze":
    case "Squeeze":
    case "Reshape":
      return node.values(0);
    default: {
      // The rules below are for scalars and lists: elements of tables are ordered otherwise.
      const isTable = (input: number): boolean => node.values(input) !== undefined && (node.dims(input)?.length ?? 2) > 1;
      return Array.from({ length: node.inputs }, (_, index) => index).some(isTable) ? undefined : ofLists(node);
    }
  }
}

function ofLists(node: NodeFacts): readonly Size[] | undefined {
  const first = node.values(0);
  switch (node.op) {
    case "Gather":
      return gather(first, node.values(1));
    case "Slice":
      return sliceValues(node);
    case "Concat": {
      const parts = Array.from({ length: node.inputs }, (_, index) => node.values(index));
      return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
    }
    case "Add":
      return pairwise(first, node.values(1), (a, b) => addSizes(a, b));
    case "Sub":
      return pairwise(first, node.values(1), (a, b) => addSizes(a, b, -1));
    case "Mul":
      return pairwise(first, node.values(1), multiplySizes);
    case "Div":
      return pairwise(first, node.values(1), divide);
    case "Equal":
      return pairwise(first, node.values(1), (a, b) => decided(a, b));
    case "Where":
      return where(first, node.values(1), node.values(2));
    case "ConstantOfShape":
      return filled(first, node.attribute("value")?.t);
    default:
      return undefined;
  }
}

function slice(values: readonly Size[] | undefined, start: number, end: bigint | undefined): readonly Size[] | undefined {
  return values?.slice(start, end === undefined ? undefined : Number(end));
}

function gather(values: readonly Size[] | undefined, indices: readonly Size[] | undefined): readonly Size[] | undefined {
  const found = indices?.map((index) => values?.at(constantOf(index) ?? Number.NaN));
  return indices?.every((index) => constantOf(index) !== undefined) && found?.every((value) => value !== undefined) ? found : undefined;
}

function sliceValues(node: NodeFacts): readonly Size[] | undefined {
  const [start, end] = [node.values(1), node.values(2)].map((values) => constantOf(values?.[0]));
  const step = node.inputs > 4 ? constantOf(node.values(4)?.[0]) : 1;
  return start === undefined || end === undefined || step !== 1 ? undefined : node.values(0)?.slice(start, end);
}

function pairwise(
  a: readonly Size[] | undefined,
  b: readonly Size[] | undefined,
  combine: (a: Size, b: Size) => Size | undefined,
): readonly Size[] | undefined {
  if (a === undefined || b === undefined || (a.length !== b.length && a.length !== 1 && b.length !== 1)) return undefined;
  const found = Array.from({ length: Math.max(a.length, b.length) }, (_, index) => {
    const [x, y] = [a[a.length === 1 ? 0 : index], b[b.length === 1 ? 0 : index]];
    return x === undefined || y === undefined ? undefined : combine(x, y);
  });
  return found.every((size) => size !== undefined) ? found : undefined;
}

/** Integer division of numbers. A length can be divided by one only. */
function divide(a: Size, b: Size): Size | undefined {
  const [x, y] = [constantOf(a), constantOf(b)];
  if (y === 1) return a;
  return x === undefined || y === undefined || y === 0 ? undefined : sizeOf(Math.trunc(x / y));
}

/** 1 if two lengths are always the same, 0 if they never are; undefined if that depends. */
function decided(a: Size, b: Size): Size | undefined {
  if (sameSize(a, b)) return sizeOf(1);
  const [x, y] = [constantOf(a), constantOf(b)];
  if (x !== undefined && y !== undefined) return sizeOf(0);
  return (isNegative(x) && isNatural(b)) || (isNegative(y) && isNatural(a)) ? sizeOf(0) : undefined;
}

const isNegative = (number: number | undefined): boolean => number !== undefined && number < 0;
/** Whether a size is a sum of lengths, and so never negative. */
const isNatural = ({ constant, terms }: Size): boolean => constant >= 0 && terms.every(([, factor]) => factor > 0);

function where(
  condition: readonly Size[] | undefined,
  yes: readonly Size[] | undefined,
  no: readonly Size[] | undefined,
): readonly Size[] | undefined {
  const found = condition?.map((entry, index) => {
    const choice = constantOf(entry);
    const side = choice === 1 ? yes : no;
    return choice === undefined ? undefined : side?.[side.length === 1 ? 0 : index];
  });
  return found?.every((size) => size !== undefined) ? found : undefined;
}

function filled(shape: readonly Size[] | undefined, value: TensorProto | undefined): readonly Size[] | undefined {
  const length = shape?.length === 1 ? constantOf(shape[0]) : undefined;
  const isOne = value?.dataType === ElementType.INT64 && value.rawData.byteLength === 8;
  if (length === undefined || length < 0 || length > MAX_VALUES || !isOne) return undefined;
  const entry = new DataView(value.rawData.buffer, value.rawData.byteOffset, 8).getBigInt64(0, true);
  return Array.from({ length }, () => sizeOf(Number(entry)));
}
