// Collects the graph nodes, weights and inputs that a span needs, by walking back from the tensors that it has to make.
import { ManyhandsError } from "../../shared/errors.ts";
import type { Span } from "../../shared/ids.ts";
import type { CuttableModel } from "./cuttable-model.ts";
import type { LayerCache } from "./find-layers.ts";
import type { GraphNode } from "../graph/graph-node.ts";
import type { NodeProto, TensorProto } from "../graph/onnx_pb.ts";
import { SEQUENCE_SYMBOL, ShapeSurrogates, type SizeSource } from "./shape-surrogates.ts";

/** Where a walk begins and stops, and what it may use. */
export interface WalkBounds {
  /** Tensors that the span has to make. */
  readonly wanted: readonly string[];
  /** Tensors that come from the span before it. */
  readonly given: readonly string[];
  /** Whether token ids are available: they are in the first span. */
  readonly hasTokens: boolean;
  /** The caches of the span's own layers. */
  readonly caches: readonly LayerCache[];
}

/** Bounds of the span `[start, end)`. The first span has the embedding in it, the last one the head. */
export function spanBounds({ layers, layerCount, boundaries }: CuttableModel, { start, end }: Span): WalkBounds {
  const caches = layers.caches.slice(start, end).flat();
  const passed = end === layerCount ? [layers.logits.name] : (boundaries[end] ?? []);
  return {
    wanted: [...caches.map((cache) => cache.present), ...passed],
    given: start === 0 ? [] : (boundaries[start] ?? []),
    hasTokens: start === 0,
    caches,
  };
}

/**
 * Bounds of the model's parts, to count each for itself: the embedding, every layer
 * without embedding and head, and the head.
 */
export function partBounds({ layers, layerCount, boundaries }: CuttableModel): {
  readonly embedding: WalkBounds;
  readonly layers: readonly WalkBounds[];
  readonly head: WalkBounds;
} {
  const boundary = (index: number): readonly string[] => boundaries[index] ?? [];
  return {
    embedding: { wanted: boundary(0), given: [], hasTokens: true, caches: layers.caches[0] ?? [] },
    layers: layers.caches.map((caches, layer) => ({
      wanted: [...caches.map((cache) => cache.present), ...boundary(layer + 1)],
      given: boundary(layer),
      hasTokens: layer === 0,
      caches,
    })),
    head: {
      wanted: [layers.logits.name],
      given: boundary(layerCount),
      hasTokens: layerCount === 0,
      caches: layers.caches[layerCount - 1] ?? [],
    },
  };
}

export interface Walked {
  /** Indices of the graph's nodes, ascending. */
  readonly nodes: readonly number[];
  /** Nodes that stand in for a Shape of a tensor that the span does not have. They come first. */
  readonly substitutes: readonly NodeProto[];
  /** Constants that the substitutes read. */
  readonly constants: readonly TensorProto[];
  /** Names of initializers. */
  readonly initializers: readonly string[];
  /** Names of graph inputs that are read: mask, positions, token ids, pasts. */
  readonly inputs: ReadonlySet<string>;
}

/** Throws MODEL_UNSUPPORTED if the span would need a foreign cache, or token ids that it does not have. */
export function walkSpan(model: CuttableModel, bounds: WalkBounds): Walked {
  const { graph, layers, sizes } = model;
  const given = new Set(bounds.given);
  const own = new Set(bounds.caches.map((cache) => cache.past));
  const pasts = new Set(layers.caches.flat().map((cache) => cache.past));
  const nodes = new Set<number>();
  const initializers = new Set<string>();
  const inputs = new Set<string>();
  const shapes = new Set<number>();

  const isInput = (name: string): boolean =>
    graph.inputs.has(name) && (pasts.has(name) ? own.has(name) : name !== layers.tokens.name || bounds.hasTokens);
  const isAvailable = (name: string): boolean => given.has(name) || graph.initializers.has(name) || isInput(name);

  const waiting = bounds.wanted.filter((name) => !given.has(name));
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const maker = graph.producer.get(name);
    if (maker !== undefined) {
      const node = graph.nodes[maker];
      if (node === undefined || nodes.has(maker) || shapes.has(maker)) continue;
      // A shape that is known otherwise is no reason to compute its tensor.
      if (node.proto.opType === "Shape" && sizes.get(name)?.values !== undefined && !isAvailable(node.inputs[0] ?? "")) {
        shapes.add(maker);
        continue;
      }
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
  const surrogates = new ShapeSurrogates(sizeSources(model, bounds));
  for (const index of [...shapes].toSorted((a, b) => a - b)) {
    const { inputs: read, outputs } = graph.nodes[index] as GraphNode; // an index that the walk found
    const maker = graph.producer.get(read[0] ?? "");
    if (maker !== undefined && nodes.has(maker)) nodes.add(index);
    else for (const output of outputs) surrogates.add(output, sizes.get(output)?.values ?? []);
  }
  for (const name of surrogates.read) if (!given.has(name)) inputs.add(name);
  return {
    nodes: [...nodes].toSorted((a, b) => a - b),
    substitutes: surrogates.nodes,
    constants: surrogates.constants,
    initializers: [...initializers],
    inputs,
  };
}

/**
 * The tensors in which a span finds the lengths that vary: new positions in its given
 * tensors, past positions in its own caches.
 */
function sizeSources(model: CuttableModel, { given, hasTokens, caches }: WalkBounds): SizeSource[] {
  const whole = given[0] ?? (hasTokens ? model.layers.tokens.name : undefined);
  const sources: SizeSource[] = whole === undefined ? [] : [{ symbol: SEQUENCE_SYMBOL, tensor: whole, axis: 1 }];
  for (const { past } of caches) {
    const dims = model.sizes.get(past)?.dims;
    dims?.forEach(({ terms }, axis) => {
      const symbol = terms[0]?.[0];
      if (symbol !== undefined && !sources.some((source) => source.symbol === symbol)) sources.push({ symbol, tensor: past, axis });
    });
  }
  return sources;
}
