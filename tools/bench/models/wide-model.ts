// Writes a synthetic Llama with seeded random weights into a folder: wide enough that computing takes longer than
// sending.
import { existsSync } from "node:fs";
import { copyFile, type FileHandle, mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { decodeManifest } from "../../../src/model/tiles/manifest.ts";
import { makeManifest } from "../../model/make-manifest.ts";
import { COPYING_ROPE_BASE, copyingWeight, tokenCodes } from "./copying-weights.ts";
import { llamaGraph, type LlamaShape, type LlamaWeight } from "./llama-graph.ts";

const ROOT = path.resolve(import.meta.dirname, "../../..");
const DATA_FILE = "model.onnx.data";
/** Floats that are drawn before they are written: 8 MiB. */
const CHUNK_FLOATS = 2 ** 21;
/** Standard deviation of weights: it keeps activations near 1 at these widths (GPT-2, Radford et al. 2019). */
const DEVIATION = 0.02;
const ROPE_BASE = 10_000;
/** Standard deviation of 4-bit values, in steps. */
const PACKED_DEVIATION = 2.5;
/** With 12 layers of width 768, this is the shape of the public story model of 110 million parameters (llama2.c). */
const VOCABULARY = 32_000;

export interface WideModelOptions extends Partial<LlamaShape> {
  readonly seed?: number;
  /** Whether the model repeats its prompt, by two layers of handmade weights; else all weights are random. */
  readonly copies?: boolean;
  /** Folder to write to. Default: one under .cache/models, named after shape and seed. */
  readonly folder?: string;
  /** Bundled model whose tokenizer and vocabulary are used. */
  readonly like?: string;
}

/**
 * Makes the model unless its folder has a manifest already. Resolves with the folder. The same options give the same
 * bytes.
 */
export async function ensureWideModel(options: WideModelOptions = {}): Promise<string> {
  const like = options.like ?? path.join(ROOT, "public/models/tales-2m");
  const { seed = 1, copies = false } = options;
  const config = JSON.parse(await readFile(path.join(like, "genai_config.json"), "utf8")) as GenaiConfig; // a file of our own
  const shape: LlamaShape = {
    layers: options.layers ?? 12,
    width: options.width ?? 768,
    heads: options.heads ?? 12,
    kvHeads: options.kvHeads ?? options.heads ?? 12,
    headSize: options.headSize ?? 64,
    feedForward: options.feedForward ?? 2048,
    vocabulary: options.vocabulary ?? VOCABULARY,
    context: options.context ?? config.model.context_length,
    bits: options.bits ?? 32,
  };
  const folder =
    options.folder ?? path.join(ROOT, ".cache/models", `${copies ? "copying" : "wide"}-${Object.values(shape).join("-")}-seed-${seed}`);
  if (await hasManifest(folder)) return folder;

  // It is written beside its place and then moved there, so that a run that was cut short leaves nothing that looks
  // whole.
  const draft = `${folder}.draft`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { recursive: true });
  const { graph, weights } = llamaGraph(shape, DATA_FILE);
  await writeFile(path.join(draft, "model.onnx"), graph);
  await writeWeights(path.join(draft, DATA_FILE), weights, { shape, seed, copies });
  await copyFile(path.join(like, "tokenizer_config.json"), path.join(draft, "tokenizer_config.json"));
  await writeFile(
    path.join(draft, "tokenizer.json"),
    padTokenizer(await readFile(path.join(like, "tokenizer.json"), "utf8"), shape.vocabulary),
  );
  await writeFile(path.join(draft, "genai_config.json"), `${JSON.stringify(wideConfig(config, shape), undefined, 2)}\n`);
  await makeManifest(draft, {
    name: `${copies ? "copying" : "wide"}-${shape.layers}x${shape.width}`,
    licence: "MIT",
    source: copies ? "seeded random weights, and two layers made by hand" : "seeded random weights",
  });
  await rm(folder, { recursive: true, force: true });
  await rename(draft, folder);
  return folder;
}

/** Fills the tokenizer up to `size` tokens: a random model may choose any token, and each must have a text. */
function padTokenizer(json: string, size: number): string {
  const tokenizer = JSON.parse(json) as { readonly model: { readonly vocab: Record<string, number> } }; // a file of our own
  const { vocab } = tokenizer.model;
  for (let id = Object.keys(vocab).length; id < size; id++) vocab[`<${id}>`] = id;
  return JSON.stringify(tokenizer);
}

interface GenaiConfig {
  readonly model: { readonly vocab_size: number; readonly context_length: number; readonly decoder: object };
}

function wideConfig(config: GenaiConfig, shape: LlamaShape): object {
  const decoder = {
    ...config.model.decoder,
    head_size: shape.headSize,
    hidden_size: shape.width,
    num_attention_heads: shape.heads,
    num_hidden_layers: shape.layers,
    num_key_value_heads: shape.kvHeads,
  };
  return { ...config, model: { ...config.model, vocab_size: shape.vocabulary, context_length: shape.context, decoder } };
}

interface Values {
  readonly shape: LlamaShape;
  readonly seed: number;
  readonly copies: boolean;
}

async function writeWeights(file: string, weights: readonly LlamaWeight[], { shape, seed, copies }: Values): Promise<void> {
  const normal = normalNumbers(seed);
  const ropeBase = copies ? COPYING_ROPE_BASE : ROPE_BASE;
  const codes = copies ? tokenCodes(shape.vocabulary, normal) : undefined;
  const handle = await open(file, "w");
  try {
    for (const weight of weights) {
      const total = weight.dims.reduce((product, dim) => product * dim, 1);
      if (weight.kind === "packed") {
        await writePacked(handle, total, normal);
        continue;
      }
      const handMade = codes && copyingWeight(weight, shape, codes);
      const columns = weight.dims.at(-1) ?? 1;
      for (let start = 0; start < total; start += CHUNK_FLOATS) {
        const chunk = new Float32Array(Math.min(CHUNK_FLOATS, total - start));
        fill(chunk, start, weight, { shape, ropeBase, normal });
        if (handMade) {
          for (let index = 0; index < chunk.length; index++)
            chunk[index] = handMade(Math.floor((start + index) / columns), (start + index) % columns) ?? chunk[index] ?? 0;
        }
        await handle.write(new Uint8Array(chunk.buffer));
      }
    }
  } finally {
    await handle.close();
  }
}

/**
 * Resolves with whether the folder is whole: its manifest is written last. A manifest of an older format does not
 * count.
 */
async function hasManifest(folder: string): Promise<boolean> {
  const file = path.join(folder, "manifest.cbor");
  if (!existsSync(file)) return false;
  try {
    decodeManifest(await readFile(file));
    return true;
  } catch {
    return false; // cut short or of another format: the model is made anew
  }
}

/**
 * Writes pairs of 4-bit values around their middle, 8, with a standard deviation of about 2.5, which is what rounding
 * normal weights gives. Read as 8-bit values, they have 16 times that deviation, and their scales are smaller to match.
 */
async function writePacked(handle: FileHandle, total: number, normal: () => number): Promise<void> {
  const four = (): number => Math.min(15, Math.max(0, Math.round(8 + PACKED_DEVIATION * normal())));
  for (let start = 0; start < total; start += CHUNK_FLOATS) {
    const chunk = new Uint8Array(Math.min(CHUNK_FLOATS, total - start));
    for (let index = 0; index < chunk.length; index++) chunk[index] = four() | (four() << 4);
    await handle.write(chunk);
  }
}

/** Fills `chunk` with the values `[start, start + chunk.length)` of a weight. */
function fill(
  chunk: Float32Array,
  start: number,
  { kind, dims }: LlamaWeight,
  { shape, ropeBase, normal }: { readonly shape: LlamaShape; readonly ropeBase: number; readonly normal: () => number },
): void {
  switch (kind) {
    case "norm":
      chunk.fill(1);
      return;
    case "matrix":
    case "projection": {
      // The more additions to the residual stream there are, the smaller each is.
      const deviation = kind === "matrix" ? DEVIATION : DEVIATION / Math.sqrt(2 * shape.layers);
      for (let index = 0; index < chunk.length; index++) chunk[index] = deviation * normal();
      return;
    }
    case "scales":
    case "projection-scales": {
      const steps = PACKED_DEVIATION * (shape.bits === 8 ? 16 : 1);
      const deviation = (kind === "scales" ? DEVIATION : DEVIATION / Math.sqrt(2 * shape.layers)) / steps;
      for (let index = 0; index < chunk.length; index++) chunk[index] = deviation * (0.9 + 0.02 * Math.abs(normal()));
      return;
    }
    case "packed":
      throw new Error("packed weights are bytes, not floats");
    case "cos":
    case "sin": {
      const half = dims[1] ?? 1;
      for (let index = 0; index < chunk.length; index++) {
        const position = Math.floor((start + index) / half);
        chunk[index] = Math[kind](position * ropeBase ** (-((start + index) % half) / half));
      }
    }
  }
}

/**
 * Returns a source of standard normal numbers: Box and Muller, 1958, over xorshift32 by Marsaglia, 2003. It is fast
 * rather than good, because a model needs a hundred million of them.
 */
function normalNumbers(seed: number): () => number {
  let word = (seed ^ 0x9e3779b9) | 0 || 1;
  let held: number | undefined;
  const uniform = (): number => {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    return ((word >>> 0) + 0.5) / 2 ** 32;
  };
  return () => {
    if (held !== undefined) {
      const value = held;
      held = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(uniform()));
    const angle = 2 * Math.PI * uniform();
    held = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

const NUMBERS = {
  layers: "layers",
  width: "width",
  heads: "heads",
  "kv-heads": "kvHeads",
  "head-size": "headSize",
  "feed-forward": "feedForward",
  vocabulary: "vocabulary",
  context: "context",
  bits: "bits",
  seed: "seed",
} as const;

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      folder: { type: "string" },
      copies: { type: "boolean" },
      help: { type: "boolean" },
      ...Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, { type: "string" as const }])),
    },
  });
  const given = new Map<string, unknown>(Object.entries(values));
  if (given.get("help") === true) {
    console.log(
      `node tools/bench/models/wide-model.ts [--folder FOLDER] [--copies] ${Object.keys(NUMBERS)
        .map((name) => `[--${name} N]`)
        .join(" ")}`,
    );
  } else {
    const numbers = Object.entries(NUMBERS).flatMap(([flag, key]) => (given.has(flag) ? [[key, Number(given.get(flag))]] : []));
    const folder = given.get("folder");
    console.log(
      await ensureWideModel({
        ...Object.fromEntries(numbers),
        copies: given.get("copies") === true,
        ...(typeof folder === "string" && { folder }),
      }),
    );
  }
}
