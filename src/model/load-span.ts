// Brings one span into memory, ready for a runtime: cuts its graph, plans its other
// forms, and loads its weights as tiles.
import {
  type ExternalFile,
  joinParts,
  type RowInvariantForm,
  type SpanPlan,
  type SpanSource,
  type SplitSpan,
} from "../protocol/span-plan.ts";
import { shrinkableBytes } from "../shared/bytes.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { ModelId, Span } from "../shared/ids.ts";
import { planConversion } from "./cut/convert-weights.ts";
import { cutSpan, type SpanCut, type SpanWeight } from "./cut/cut-span.ts";
import { type CuttableModel, readCuttableModel } from "./cut/cuttable-model.ts";
import { layersOfWeights } from "./cut/layers-of-weights.ts";
import { splitSpan } from "./cut/split-span.ts";
import type { GraphProto } from "./graph/onnx_pb.ts";
import { readOnnx } from "./graph/read-onnx.ts";
import { makeRowInvariant } from "./rows/row-invariant.ts";
import { loadTiles, type LoadTilesOptions, type TileTarget } from "./tiles/load-tiles.ts";
import { type Manifest, type ManifestTensor, TILE_BYTES } from "./tiles/manifest.ts";

export interface LoadSpanOptions extends LoadTilesOptions {
  readonly model: ModelId;
  readonly manifest: Manifest;
  /** The verified bytes of the manifest's graph file. */
  readonly graph: Uint8Array;
  readonly span: Span;
}

/** Resolves with the span in parts of a few layers (see splitSpan) and all its weights. Throws as loadSpan. */
export async function loadSplitSpan(options: LoadSpanOptions): Promise<SplitSpan> {
  const model = readCuttableModel(options.graph);
  return joinParts(await loadParts(options, model, splitSpan(model, options), shrinkableBytes));
}

/**
 * Resolves with the span and all its weights. Every tensor is allocated once; tiles are copied into it as they come.
 * Throws MODEL_CORRUPT if bytes do not match their hash or a file is cut short, MODEL_UNAVAILABLE if the source cannot
 * be reached, MODEL_UNSUPPORTED if the graph cannot be cut there, or the signal's reason.
 */
export async function loadSpan(options: LoadSpanOptions): Promise<SpanSource> {
  const model = readCuttableModel(options.graph);
  const cut = cutSpan(model, options.span, { model: options.model, contextLength: options.manifest.contextLength });
  const [source] = await loadParts(options, model, [cut], (length) => new Uint8Array(length));
  return source as SpanSource; // one for each cut
}

/**
 * Loads the weights of every part into buffers of their own. A tensor that several parts
 * read is fetched once and shared.
 */
async function loadParts(
  options: LoadSpanOptions,
  model: CuttableModel,
  cuts: readonly SpanCut[],
  allocate: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<SpanSource[]> {
  const { manifest, signal } = options;
  signal.throwIfAborted();
  const tensors = new Map(manifest.tensors.map((tensor) => [tensor.name, tensor]));
  const layersOf = layersOfWeights(model, options.span);
  const forms = cuts.map(({ graph, plan }) => rowInvariantForm(graph, plan));
  const readers = countReaders(cuts.map(({ graph }) => graph));
  const rowReaders = countReaders(forms.flatMap((form) => (form.kind === "graph" ? [form.graph] : [])));
  const held = new Map<string, Uint8Array<ArrayBuffer>>();
  const targets: TileTarget[] = [];
  for (const weight of cuts.flatMap(({ weights }) => weights)) {
    if (held.has(weight.tensor)) continue;
    const tensor = matchTensor(manifest, tensors.get(weight.tensor), weight);
    const data = allocate(tensor.length);
    held.set(weight.tensor, data);
    const layers = layersOf.get(weight.tensor) ?? [];
    tensor.tiles.forEach((sha256, index) => {
      const bytes = data.subarray(index * TILE_BYTES, Math.min((index + 1) * TILE_BYTES, tensor.length));
      targets.push({
        range: { file: weight.source.file, offset: tensor.offset + index * TILE_BYTES, length: bytes.byteLength, sha256, layers },
        bytes,
      });
    });
  }
  await loadTiles(targets, options);
  return cuts.map(({ plan, graph, weights }, index) => {
    const externalData = weights.map(({ path, tensor }): ExternalFile => {
      const data = held.get(tensor) as Uint8Array<ArrayBuffer>; // every weight of every cut is held
      return { path, data, readOnce: readers.get(tensor) === 1 && (rowReaders.get(tensor) ?? 1) === 1 };
    });
    return { plan, graph, externalData, converted: planConversion(graph), rowInvariant: forms[index] };
  });
}

function rowInvariantForm(graph: Uint8Array, plan: SpanPlan): RowInvariantForm {
  const form = makeRowInvariant(graph, plan);
  return form.kind === "graph" ? { ...form, converted: planConversion(form.graph) } : form;
}

/** How many nodes of all graphs read each tensor. A reader inside a subgraph counts as two. */
function countReaders(graphs: readonly Uint8Array[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const count = (graph: GraphProto, weight: number): void => {
    for (const node of graph.node) {
      for (const name of node.input) counts.set(name, (counts.get(name) ?? 0) + weight);
      for (const { g, graphs: all } of node.attribute) for (const inner of [...(g === undefined ? [] : [g]), ...all]) count(inner, 2);
    }
  };
  for (const bytes of graphs) count(readOnnx(bytes).graph, 1);
  return counts;
}

/** The manifest's tensor for a weight that the graph refers to. Throws MODEL_CORRUPT if the two do not agree. */
function matchTensor(manifest: Manifest, tensor: ManifestTensor | undefined, { tensor: name, source }: SpanWeight): ManifestTensor {
  if (
    tensor === undefined ||
    manifest.dataFiles[tensor.file]?.path !== source.file ||
    tensor.offset !== source.offset ||
    tensor.length !== source.length
  ) {
    throw new ManyhandsError("MODEL_CORRUPT", `the model's graph and its manifest do not agree on "${name}"`);
  }
  return tensor;
}
