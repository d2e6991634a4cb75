// Collects what a span needs by walking back from what it has to give: nodes, weights and inputs.
import { create } from "@bufbuild/protobuf";
import { ManyhandsError } from "../shared/errors.ts";
import type { CuttableModel } from "./cuttable-model.ts";
import type { LayerCache } from "./find-layers.ts";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "./onnx/onnx_pb.ts";
import { int64Tensor, makeNode } from "./onnx/read-onnx.ts";

/** Where a walk stops and what of the outside it may use. */
export interface WalkBounds {
  /** Tensors to make. */
  readonly wanted: readonly string[];
  /** Tensors that come from the span before. */
  readonly given: readonly string[];
  /** Whether token ids are at hand: in the first span. */
  readonly hasTokens: boolean;
  /** Caches of the span's own layers. */
  readonly caches: readonly LayerCache[];
}

export interface Walked {
  /** Indices into the graph's nodes, ascending. */
  readonly nodes: readonly number[];
  /** Nodes that stand in for a Shape of something the span does not have; they come first. */
  readonly substitutes: readonly NodeProto[];
  /** Constants that the substitutes read. */
  readonly constants: readonly TensorProto[];
  /** Names of initializers. */
  readonly initializers: readonly string[];
  /** Names of graph inputs that are read: mask, positions, token ids, pasts. */
  readonly inputs: ReadonlySet<string>;
}

/** Walks back. Throws MODEL_UNSUPPORTED where the span would need a foreign cache or token ids that it does not have. */
export function walkSpan(model: CuttableModel, bounds: WalkBounds): Walked {
  const { graph, layers } = model;
  const given = new Set(bounds.given);
  const own = new Set(bounds.caches.map((cache) => cache.past));
  const pasts = new Map(layers.caches.flat().map((cache) => [cache.past, cache]));
  const nodes = new Set<number>();
  const initializers = new Set<string>();
  const inputs = new Set<string>();
  const substitutes = new Map<number, NodeProto>();
  const constants = new Map<string, TensorProto>();

  const substituteShape = (index: number, of: string): boolean => {
    const node = graph.nodes[index]?.proto;
    if (node?.opType !== "Shape" || given.has(of) || own.has(of)) return false;
    const past = pasts.get(of);
    const isTokens = of === layers.tokens.name && !bounds.hasTokens;
    if (past === undefined && !isTokens) return false;
    const twin = past === undefined ? layers.positionIds?.name : alike(model, past, bounds.caches)?.past;
    if (twin !== undefined) {
      substitutes.set(index, create(NodeProtoSchema, { ...node, input: [twin] }));
      inputs.add(twin);
      return true;
    }
    // [1, positions] are the first two dimensions of every boundary tensor.
    const boundary = bounds.given[0];
    if (past !== undefined || boundary === undefined || node.attribute.length > 0) return false;
    const shape = `${node.output[0]}.whole`;
    constants.set(FIRST_TWO, int64Tensor(FIRST_TWO, [0, 1]));
    substitutes.set(index, makeNode("Gather", `${node.name}.first-two`, [shape, FIRST_TWO], node.output));
    substitutes.set(-1 - index, makeNode("Shape", `${node.name}.of-boundary`, [boundary], [shape]));
    return true;
  };

  const waiting = [...bounds.wanted].filter((name) => !given.has(name));
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const maker = graph.producer.get(name);
    if (maker !== undefined) {
      const node = graph.nodes[maker];
      if (node === undefined || nodes.has(maker) || substitutes.has(maker)) continue;
      if (substituteShape(maker, node.inputs[0] ?? "")) continue;
      nodes.add(maker);
      waiting.push(...node.inputs.filter((input) => !given.has(input)));
    } else if (graph.initializers.has(name)) {
      initializers.add(name);
    } else {
      if (pasts.has(name) && !own.has(name))
        throw new ManyhandsError("MODEL_UNSUPPORTED", `a span would need the cache "${name}" of another span`);
      if (name === layers.tokens.name && !bounds.hasTokens)
        throw new ManyhandsError("MODEL_UNSUPPORTED", "later layers read the token ids again: such models cannot be cut yet");
      inputs.add(name);
    }
  }
  const ordered = [...substitutes].toSorted(([a], [b]) => a - b).map(([, node]) => node);
  return {
    nodes: [...nodes].toSorted((a, b) => a - b),
    substitutes: ordered,
    constants: [...constants.values()],
    initializers: [...initializers],
    inputs,
  };
}

const FIRST_TWO = "span.first-two";

/** A cache of the span that has the shape of a foreign one at every moment: same kind, same dimensions by name. */
function alike(model: CuttableModel, foreign: LayerCache, own: readonly LayerCache[]): LayerCache | undefined {
  const dims = (cache: LayerCache): string => JSON.stringify(model.graph.inputs.get(cache.past)?.dims);
  return own.find((cache) => cache.kind === foreign.kind && dims(cache) === dims(foreign));
}
