// How the dimensions of an operator's outputs follow from its inputs. It has the rules
// that decoders need; the rest is unknown.
import { addSizes, broadcastSize, constantOf, divideSizes, type NodeFacts, sameSize, type Size, sizeOf } from "./size.ts";

type Dims = readonly Size[];

/** Operators whose inputs broadcast. */
const BROADCASTS = new Set(
  "Add Sub Mul Div Pow And Or Xor Equal Less LessOrEqual Greater GreaterOrEqual Where Min Max Mod PRelu".split(" "),
);

/** Operators whose outputs have the dimensions of the first input. */
const KEEPS = new Set(
  "Cast Identity Not Neg Sqrt Reciprocal Sigmoid Tanh Relu Gelu FastGelu BiasGelu QuickGelu Erf Silu Swish Exp Log Abs Cos Sin Clip Dropout Softmax LogSoftmax Trilu CumSum IsNaN RotaryEmbedding LayerNormalization SimplifiedLayerNormalization RMSNormalization SkipLayerNormalization SkipSimplifiedLayerNormalization QuantizeLinear DequantizeLinear".split(
    " ",
  ),
);

/** Dimensions of each output; undefined if they do not follow from the inputs. */
export function inferDims(node: NodeFacts): readonly (Dims | undefined)[] {
  const first = node.dims(0);
  if (BROADCASTS.has(node.op)) return [broadcast(node)];
  if (KEEPS.has(node.op)) return Array.from({ length: Math.max(1, node.outputs) }, () => first);
  switch (node.op) {
    case "DynamicQuantizeLinear":
      return [first, [], []];
    case "Split":
      return split(node, first);
    case "EmbedLayerNormalization":
      return [first && appended(first, node.dims(2)?.[1])];
    default:
      return [inferOne(node, first)];
  }
}

function inferOne(node: NodeFacts, first: Dims | undefined): Dims | undefined {
  switch (node.op) {
    case "Shape":
      return first && [sizeOf(first.length)];
    case "Gather":
    case "GatherBlockQuantized":
      return gather(node, first);
    case "Concat":
      return concat(node);
    case "Unsqueeze":
      return first && unsqueeze(first, axesOf(node));
    case "Squeeze":
      return first && squeeze(first, axesOf(node));
    case "Reshape":
      return first && reshape(first, node.values(1));
    case "Transpose":
      return first && transpose(first, node.attribute("perm")?.ints.map(Number));
    case "MatMul":
    case "MatMulInteger":
    case "MatMulIntegerToFloat":
    case "DynamicQuantizeMatMul":
    case "FusedMatMul":
      return matmul(node, first);
    case "Gemm":
      return gemm(node, first);
    case "MatMulNBits":
      return first && appended(first.slice(0, -1), sizeOf(Number(node.attribute("N")?.i ?? 0n)));
    case "ReduceMean":
    case "ReduceSum":
    case "ReduceMax":
    case "ReduceMin":
      return first && reduce(first, axesOf(node), node.attribute("keepdims")?.i !== 0n);
    case "Slice":
      return slice(node, first);
    case "Expand":
      return first && broadcastTwo(first, node.values(1));
    case "ConstantOfShape":
      return node.values(0);
    case "Range":
      return range(node);
    default:
      return undefined;
  }
}

const appended = (dims: Dims, last: Size | undefined): Dims | undefined => (last === undefined ? undefined : [...dims, last]);

function broadcast(node: NodeFacts): Dims | undefined {
  let dims = node.dims(0);
  for (let input = 1; input < node.inputs; input++) dims = dims && broadcastTwo(dims, node.dims(input));
  return dims;
}

function broadcastTwo(a: Dims, b: Dims | undefined): Dims | undefined {
  if (b === undefined) return undefined;
  const [long, short] = a.length >= b.length ? [a, b] : [b, a];
  const gap = long.length - short.length;
  const dims = long.map((size, index) => (index < gap ? size : broadcastSize(size, short[index - gap] ?? size)));
  return dims.every((size) => size !== undefined) ? dims : undefined;
}

function gather(node: NodeFacts, data: Dims | undefined): Dims | undefined {
  const indices = node.dims(1);
  if (data === undefined || indices === undefined || (node.op !== "Gather" && node.attribute("bits") !== undefined)) return undefined;
  const axis = position(Number((node.attribute("axis") ?? node.attribute("gather_axis"))?.i ?? 0n), data.length);
  return [...data.slice(0, axis), ...indices, ...data.slice(axis + 1)];
}

function concat(node: NodeFacts): Dims | undefined {
  const parts = Array.from({ length: node.inputs }, (_, index) => node.dims(index));
  const [first, ...rest] = parts;
  if (first === undefined) return undefined;
  const axis = position(Number(node.attribute("axis")?.i ?? 0n), first.length);
  let sum = first[axis];
  for (const part of rest) {
    const length = part?.[axis];
    if (part === undefined || part.length !== first.length || sum === undefined || length === undefined) return undefined;
    sum = addSizes(sum, length);
  }
  return sum === undefined ? undefined : first.with(axis, sum);
}

const position = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/**
 * Axes from the attribute (older opsets) or the second input. Empty if there is neither; undefined if they are unknown.
 */
function axesOf(node: NodeFacts): readonly number[] | undefined {
  const given = node.attribute("axes");
  if (given !== undefined) return given.ints.map(Number);
  if (node.inputs < 2) return [];
  const axes = node.values(1)?.map(constantOf);
  return axes?.every((axis) => axis !== undefined) ? axes : undefined;
}

function unsqueeze(dims: Dims, axes: readonly number[] | undefined): Dims | undefined {
  if (axes === undefined) return undefined;
  const rank = dims.length + axes.length;
  const places = new Set(axes.map((axis) => position(axis, rank)));
  const rest = [...dims];
  return Array.from({ length: rank }, (_, index) => (places.has(index) ? sizeOf(1) : (rest.shift() ?? sizeOf(1))));
}

function squeeze(dims: Dims, axes: readonly number[] | undefined): Dims | undefined {
  if (axes === undefined || axes.length === 0) return undefined;
  const places = new Set(axes.map((axis) => position(axis, dims.length)));
  return dims.filter((_, index) => !places.has(index));
}

function reshape(dims: Dims, target: Dims | undefined): Dims | undefined {
  if (target === undefined) return undefined;
  const wanted = target.map((size, index) => (constantOf(size) === 0 ? (dims[index] ?? size) : size));
  const open = wanted.findIndex((size) => constantOf(size) === -1);
  if (open < 0) return wanted;
  const found = divideSizes(dims, wanted.toSpliced(open, 1));
  return found && wanted.with(open, found);
}

function transpose(dims: Dims, perm: readonly number[] | undefined): Dims | undefined {
  const order = perm ?? dims.map((_, index) => dims.length - 1 - index);
  const found = order.map((from) => dims[from]);
  return found.every((size) => size !== undefined) ? found : undefined;
}

function matmul(node: NodeFacts, a: Dims | undefined): Dims | undefined {
  const b = node.dims(1);
  if (a === undefined || b === undefined || a.length < 2 || b.length < 2 || node.attribute("transB") !== undefined) return undefined;
  const batch = broadcastTwo(a.slice(0, -2), b.slice(0, -2));
  const [rows, columns] = [a.at(-2), b.at(-1)];
  return batch && rows && appended([...batch, rows], columns);
}

function gemm(node: NodeFacts, a: Dims | undefined): Dims | undefined {
  const rows = a?.[node.attribute("transA")?.i === 1n ? 1 : 0];
  const columns = node.dims(1)?.[node.attribute("transB")?.i === 1n ? 0 : 1];
  return rows && columns && [rows, columns];
}

function reduce(dims: Dims, axes: readonly number[] | undefined, keeps: boolean): Dims | undefined {
  if (axes === undefined) return undefined;
  const places = new Set(axes.length === 0 ? dims.keys() : axes.map((axis) => position(axis, dims.length)));
  return keeps ? dims.map((size, index) => (places.has(index) ? sizeOf(1) : size)) : dims.filter((_, index) => !places.has(index));
}

function slice(node: NodeFacts, dims: Dims | undefined): Dims | undefined {
  const [starts, ends] = [node.values(1), node.values(2)];
  const axes = node.inputs > 3 ? node.values(3) : starts?.map((_, index) => sizeOf(index));
  const steps = node.inputs > 4 ? node.values(4) : undefined;
  if (dims === undefined || !starts || !ends || !axes || (node.inputs > 4 && !steps?.every((step) => constantOf(step) === 1)))
    return undefined;
  const found: (Size | undefined)[] = [...dims];
  axes.forEach((axis, index) => {
    const place = position(constantOf(axis) ?? Number.NaN, dims.length);
    found[place] = sliced(dims[place], starts[index], ends[index]);
  });
  return found.every((size) => size !== undefined) ? found : undefined;
}

/** Length of `[start, end)` of a dimension. An end past the dimension counts as its end. */
function sliced(size: Size | undefined, start: Size | undefined, end: Size | undefined): Size | undefined {
  if (size === undefined || start === undefined || end === undefined) return undefined;
  const [length, from, to] = [size, start, end].map(constantOf);
  if (length !== undefined && from !== undefined && to !== undefined) {
    const bound = (at: number): number => Math.min(length, Math.max(0, position(at, length)));
    return sizeOf(Math.max(0, bound(to) - bound(from)));
  }
  if (from === 0 && (sameSize(end, size) || (to ?? 0) >= 2 ** 31 - 1)) return size;
  return undefined;
}

function split(node: NodeFacts, dims: Dims | undefined): readonly (Dims | undefined)[] {
  const axis = position(Number(node.attribute("axis")?.i ?? 0n), dims?.length ?? 0);
  const parts = node.attribute("split")?.ints.map((length) => sizeOf(Number(length))) ?? (node.inputs > 1 ? node.values(1) : undefined);
  const whole = constantOf(dims?.[axis]);
  return Array.from({ length: node.outputs }, (_, index) => {
    const even = whole !== undefined && node.inputs < 2 && whole % node.outputs === 0 ? sizeOf(whole / node.outputs) : undefined;
    const length = parts?.[index] ?? even;
    return length && dims?.[axis] && dims.with(axis, length);
  });
}

function range(node: NodeFacts): Dims | undefined {
  const [start, limit, step] = [node.values(0)?.[0], node.values(1)?.[0], constantOf(node.values(2)?.[0])];
  return start === undefined || limit === undefined || step !== 1 ? undefined : [addSizes(limit, start, -1)];
}
