// Cuts the ONNX graph of one span of layers out of a decoder: the graph's bytes, the plan
// to run it, and the weights that it reads.
import { create } from "@bufbuild/protobuf";
import type { BoundaryTensor, CacheTensor, SpanPlan } from "../../protocol/span-plan.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { ModelId, Span } from "../../shared/ids.ts";
import type { CuttableModel } from "./cuttable-model.ts";
import type { IntegerInput } from "./find-layers.ts";
import {
  adaptBoundaryIn,
  adaptBoundaryOut,
  adaptCache,
  adaptInteger,
  type Adapter,
  adaptKeptRows,
  boundaryInfo,
} from "./graph-adapters.ts";
import { GraphProtoSchema, ModelProtoSchema, type NodeProto, OperatorSetIdProtoSchema, type TensorProto } from "../graph/onnx_pb.ts";
import { asExternal, externalRange, type TensorRange, writeOnnx } from "../graph/read-onnx.ts";
import { emitPart, givesSum } from "../graph/skip-norm.ts";
import { spanBounds, type Walked, walkSpan } from "./walk-span.ts";

/** One tensor of weights that a span's graph refers to as external data. */
export interface SpanWeight {
  readonly tensor: string;
  /** Where its bytes lie in the model's files. */
  readonly source: TensorRange;
  /** Its name in the span's graph: an external file of its own, read from offset 0. */
  readonly path: string;
}

export interface SpanCut {
  readonly plan: SpanPlan;
  /** ONNX ModelProto. */
  readonly graph: Uint8Array<ArrayBuffer>;
  readonly weights: readonly SpanWeight[];
}

/** What a plan says about the model that the graph does not say. */
export interface CutOptions {
  readonly model: ModelId;
  readonly contextLength: number;
}

/** External data came in with version 4 of the format's intermediate representation. */
const MIN_IR_VERSION = 4n;

/**
 * Cuts `[start, end)`. The first span takes token ids and the last one gives logits; between spans, boundary tensors
 * cross. Weights inside the graph stay inside. Pure: the same model and span give the same bytes. Throws BAD_INPUT for
 * a span outside the model and MODEL_UNSUPPORTED for a graph that cannot be cut there.
 */
export function cutSpan(model: CuttableModel, span: Span, options: CutOptions): SpanCut {
  const { layers, layerCount, boundaries } = model;
  if (!Number.isInteger(span.start) || !Number.isInteger(span.end) || span.start < 0 || span.start >= span.end || span.end > layerCount) {
    throw new ManyhandsError("BAD_INPUT", `layers ${span.start} to ${span.end} are no span of a model with ${layerCount} layers`);
  }
  const isLast = span.end === layerCount;
  const passed = isLast ? [] : (boundaries[span.end] ?? []);
  const bounds = spanBounds(model, span);
  const { wanted, given, caches } = bounds;
  const walked = walkSpan(model, bounds);

  const integer = (input: typeof layers.tokens | undefined): Adapter<string> | undefined =>
    input !== undefined && walked.inputs.has(input.name) ? adaptInteger(input) : undefined;
  const tokens = integer(layers.tokens);
  const mask = integer(layers.attentionMask);
  const positions = integer(layers.positionIds);
  const keptRows = layers.keptRows.filter(({ name }) => walked.inputs.has(name)).map((input) => keepAllRows(model, input));
  const adaptedCaches = caches.map(adaptCache);
  // Every boundary tensor is in it.
  const crossing = (name: string): BoundaryTensor => model.crossing.get(name) as BoundaryTensor;
  const isWidened = (name: string): boolean => model.widened.has(name);
  const adaptedIn = given.map((name) => adaptBoundaryIn(crossing(name), isWidened(name)));
  const adaptedOut = passed.map((name) => adaptBoundaryOut(crossing(name), isWidened(name), given.includes(name)));
  const logits = isLast ? { name: layers.logits.name, type: layers.logits.type, vocabularySize: model.vocabularySize } : undefined;
  const plan: SpanPlan = {
    model: options.model,
    span: { start: span.start, end: span.end },
    layerCount,
    contextLength: options.contextLength,
    tokens: tokens?.seen,
    attentionMask: mask?.seen,
    positionIds: positions?.seen,
    boundaryIn: adaptedIn.map((tensor) => tensor.seen),
    boundaryOut: adaptedOut.map((tensor) => tensor.seen),
    logits,
    caches: adaptedCaches.map((cache): CacheTensor => cache.seen),
  };

  const adapters = [tokens, mask, positions, ...keptRows, ...adaptedCaches, ...adaptedIn, ...adaptedOut].filter(
    (adapter) => adapter !== undefined,
  );
  const weights: SpanWeight[] = [];
  const initializer = walked.initializers.map((name): TensorProto => {
    const tensor = model.graph.initializers.get(name) as TensorProto; // walkSpan returns names of initializers
    const source = externalRange(tensor);
    if (source === undefined) return tensor;
    // Tied tensors share one range, which is fetched and held once.
    const path = weights.find((weight) => sameRange(weight.source, source))?.path ?? `weight-${weights.length}`;
    if (path === `weight-${weights.length}`) weights.push({ tensor: name, source, path });
    return asExternal(tensor, { file: path, offset: 0, length: source.length });
  });
  const graph = create(GraphProtoSchema, {
    name: `layers-${span.start}-${span.end}`,
    node: [
      ...adapters.flatMap((adapter) => adapter.before),
      ...walked.substitutes,
      ...emitNodes(model, walked, new Set(wanted)),
      ...adapters.flatMap((adapter) => adapter.after),
    ],
    initializer: [...initializer, ...walked.constants, ...adapters.flatMap((adapter) => adapter.constants)],
    input: adapters.flatMap((adapter) => adapter.inputs),
    output: [
      ...(logits === undefined ? [] : [boundaryInfo({ type: logits.type, width: logits.vocabularySize }, logits.name)]),
      ...adapters.flatMap((adapter) => adapter.outputs),
    ],
  });
  return { plan, graph: writeOnnx(wrap(model, graph)), weights };
}

function keepAllRows(model: CuttableModel, input: IntegerInput): Adapter<undefined> {
  return adaptKeptRows(input, model.graph.inputs.get(input.name)?.dims?.length ?? 0);
}

const sameRange = (a: TensorRange, b: TensorRange): boolean => a.file === b.file && a.offset === b.offset && a.length === b.length;

/** The file's own graph nodes. A fused one stays whole if both of its parts are in the span. */
function emitNodes(model: CuttableModel, walked: Walked, wanted: ReadonlySet<string>): NodeProto[] {
  const { graph } = model;
  const parts = new Map<NodeProto, number>();
  for (const index of walked.nodes) {
    const proto = graph.nodes[index]?.proto;
    if (proto !== undefined) parts.set(proto, (parts.get(proto) ?? 0) + 1);
  }
  return walked.nodes.flatMap((index) => {
    const node = graph.nodes[index];
    if (node === undefined) return [];
    if (node.part === "whole") return [node.proto];
    const fits =
      parts.get(node.proto) === 2 && (givesSum(node.proto) || !node.outputs.some((name) => node.part === "sum" && wanted.has(name)));
    if (!fits) return emitPart(node);
    // The sum comes first in the order, so the fused node stands there before any node reads its outputs.
    return node.part === "sum" ? [node.proto] : [];
  });
}

function wrap(
  model: CuttableModel,
  graph: ReturnType<typeof create<typeof GraphProtoSchema>>,
): ReturnType<typeof create<typeof ModelProtoSchema>> {
  const { irVersion, opsetImport, functions, producerName } = model.graph.model;
  const hasMain = opsetImport.some((entry) => entry.domain === "" || entry.domain === "ai.onnx");
  return create(ModelProtoSchema, {
    irVersion: irVersion < MIN_IR_VERSION ? MIN_IR_VERSION : irVersion,
    opsetImport: hasMain ? opsetImport : [...opsetImport, create(OperatorSetIdProtoSchema, { domain: "", version: 14n })],
    functions,
    producerName,
    graph,
  });
}
