// `npm run model -- inspect`: prints what an ONNX decoder consists of, without reading its weights: layers, boundaries,
// operators, sizes and memory.
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import path from "node:path";
import { planConversion } from "../../src/model/cut/convert-weights.ts";
import { countBytes } from "../../src/model/cut/count-bytes.ts";
import { describeDtype } from "../../src/model/cut/count-cost.ts";
import { cutSpan } from "../../src/model/cut/cut-span.ts";
import { type CuttableModel, readCuttableModel } from "../../src/model/cut/cuttable-model.ts";
import { detachWeights } from "../../src/model/cut/detach-weights.ts";
import { boundaryBytesPerPosition, type BoundaryTensor, cacheBytesPerPosition, convertedBytes } from "../../src/protocol/span-plan.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";
import { asModelId, type Span } from "../../src/shared/ids.ts";
import { formatBytes } from "../../src/ui/parts/format.ts";
import { findModelFile } from "./model-folder.ts";
import { readSkeleton, type Skeleton } from "./read-skeleton.ts";

/** Positions for which memory is computed: a question and a long answer. */
const POSITIONS = 2048;
/** Numbers of equal parts into which the table of spans cuts a model. */
const PARTS = [1, 2, 3, 4, 8] as const;

/**
 * Resolves with lines about an ONNX file, or the one in a folder. Throws BAD_INPUT if there is none, else as
 * readCuttableModel does.
 */
export async function inspect(target: string): Promise<readonly string[]> {
  const file = await findFile(target);
  const skeleton = await readSkeleton(file);
  const model = readCuttableModel(skeleton.bytes);
  return [
    ...describeFile(file, skeleton),
    ...describeModel(model),
    "",
    "boundaries",
    ...columns([
      ["  before layer", "each position", "tensors"],
      ...model.boundaries.slice(1, -1).map((names, index) => boundaryRow(model, names, index + 1)),
    ]),
    "",
    "operators",
    ...wrap(countOperators(model)),
    "",
    `memory by span, with the cache of one session of ${POSITIONS} positions`,
    ...columns(spanRows(model)),
  ];
}

/** `npm run model -- inspect FILE`. */
export async function run(args: readonly string[]): Promise<number> {
  const [target] = args;
  if (target === undefined) throw new ManyhandsError("BAD_INPUT", "`inspect` needs an ONNX file or a model's folder. See --help.");
  for (const line of await inspect(target)) console.log(line);
  return 0;
}

async function findFile(target: string): Promise<string> {
  if (!existsSync(target)) throw new ManyhandsError("BAD_INPUT", `There is no ${target}.`);
  return (await stat(target)).isDirectory() ? path.join(target, await findModelFile(target)) : target;
}

function describeFile(file: string, { bytes, fileBytes, readBytes }: Skeleton): string[] {
  const own = path.basename(file);
  const sums = new Map<string, number>();
  for (const { source } of detachWeights(bytes, own).weights) sums.set(source.file, (sums.get(source.file) ?? 0) + source.length);
  const weights = [...sums].map(([name, sum]) => `${formatBytes(sum)} ${name === own ? "inside" : `in ${name}`}`);
  return [
    `file      ${own}, ${formatBytes(fileBytes)}, ${formatBytes(readBytes)} of it read`,
    `weights   ${weights.length === 0 ? "all small, inside" : weights.join(", ")}`,
  ];
}

function describeModel(model: CuttableModel): string[] {
  const { layers, layerCount, hiddenWidth, vocabularySize, graph } = model;
  const { producerName, producerVersion, opsetImport } = graph.model;
  const opset = opsetImport.find(({ domain }) => domain === "" || domain === "ai.onnx")?.version;
  const caches = new Set(
    layers.caches.map((each) => each.map(({ kind, heads, headSize, type }) => `${kind} ${heads} × ${headSize} ${type}`).join(", ")),
  );
  const inputs = [layers.tokens, layers.attentionMask, layers.positionIds, ...layers.keptRows].filter((input) => input !== undefined);
  const { layerBytes, embeddingBytes, headBytes } = countBytes(model);
  const [least, most] = [Math.min(...layerBytes), Math.max(...layerBytes)];
  return [
    `exporter  ${producerName || "not stated"} ${producerVersion}`.trimEnd() + `, opset ${opset ?? "not stated"}`,
    `layers    ${layerCount}, hidden width ${hiddenWidth}, vocabulary ${vocabularySize}, ${describeDtype(model)}`,
    `bytes     embedding ${formatBytes(embeddingBytes)}, a layer ${formatBytes(most)}${least === most ? "" : ` (the smallest ${formatBytes(least)})`}, head ${formatBytes(headBytes)}`,
    `cache     ${[...caches].join("; ")} (heads × head size, each layer)`,
    `inputs    ${inputs.map(({ name }) => name).join(", ")}`,
  ];
}

function boundaryRow(model: CuttableModel, names: readonly string[], layer: number): string[] {
  const tensors = names.map((name) => model.crossing.get(name) as BoundaryTensor); // readCuttableModel has every boundary tensor
  const described = tensors.map(
    ({ name, type, width }) => `${name} ${type} × ${width}${model.widened.has(name) ? " (half in the graph)" : ""}`,
  );
  return [`  ${layer}`, formatBytes(boundaryBytesPerPosition(tensors)), described.join(" + ")];
}

function countOperators(model: CuttableModel): string[] {
  const protos = new Set(model.graph.nodes.map((node) => node.proto));
  const counts = new Map<string, number>();
  for (const { opType } of protos) counts.set(opType, (counts.get(opType) ?? 0) + 1);
  return [...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([op, count]) => `${op} ${count}`);
}

/** Returns the rows of the table of spans: for a cut into equal parts, the largest value over all spans. */
function spanRows(model: CuttableModel): string[][] {
  const { layerCount } = model;
  const parts = PARTS.filter((count) => count <= layerCount).map((count) => {
    const bounds = Array.from({ length: count + 1 }, (_, index) => Math.round((index * layerCount) / count));
    const spans = bounds.slice(0, -1).map((start, index) => spanSizes(model, { start, end: bounds[index + 1] ?? layerCount }));
    const most = (pick: (sizes: SpanSizes) => number): number => Math.max(...spans.map(pick));
    return {
      name: count === 1 ? "whole" : `1/${count}`,
      sizes: { weights: most(({ weights }) => weights), cache: most(({ cache }) => cache), unpacked: most(({ unpacked }) => unpacked) },
    };
  });
  const hasUnpacked = parts.some(({ sizes }) => sizes.unpacked > 0);
  return [
    ["  part", "weights", "cache", ...(hasUnpacked ? ["unpacked on a CPU"] : [])],
    ...parts.map(({ name, sizes }) => [
      `  ${name}`,
      formatBytes(sizes.weights),
      formatBytes(sizes.cache),
      ...(hasUnpacked ? [formatBytes(sizes.unpacked)] : []),
    ]),
  ];
}

interface SpanSizes {
  readonly weights: number;
  readonly cache: number;
  /** Bytes of 4-bit and 8-bit weights, unpacked for a CPU. */
  readonly unpacked: number;
}

function spanSizes(model: CuttableModel, span: Span): SpanSizes {
  const cut = cutSpan(model, span, { model: asModelId("inspected"), contextLength: POSITIONS });
  const converted = planConversion(cut.graph);
  return {
    weights: cut.weights.reduce((sum, { source }) => sum + source.length, 0),
    cache: cacheBytesPerPosition(cut.plan) * POSITIONS,
    unpacked: converted === undefined ? 0 : convertedBytes(converted),
  };
}

/** Returns lines with the cells of each column below each other. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd(),
  );
}

/** Returns the words in lines of at most 100 characters. */
function wrap(words: readonly string[]): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length > 98) lines.push(`  ${word}`);
    else lines[lines.length - 1] = `${last}, ${word}`;
  }
  return lines;
}
