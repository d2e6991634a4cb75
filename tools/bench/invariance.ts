// Whether a row's bits depend on its step, and the price: random chunkings of every model against one position a step.
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { tensorBytes } from "../../src/engine/ort.ts";
import type { SpanRunner } from "../../src/engine/span-runner.ts";
import { nextFraction, seedRandom } from "../../src/model/text/random.ts";
import { errorMessage } from "../../src/shared/errors.ts";
import { timePrice } from "./parts/invariance-price.ts";
import { withPlainAttention } from "./models/plain-attention.ts";
import { loadSpans, openRunner } from "./models/whole-span.ts";
import { ensureWideModel } from "./models/wide-model.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const DEFAULTS = Object.freeze({
  seed: 1,
  /** Chunkings of each model. */
  chunkings: 50,
  /** Positions of each chunking at most: beyond the runtime's blocks of 256 if the model's context is long enough. */
  positions: 300,
  /** Rounds of the price. In each, both forms are timed in turn. */
  rounds: 7,
  /** Decode steps in a round. */
  steps: 24,
  /** Cache lengths at which a decode step is timed. */
  lengths: [128, 512, 2048],
});

type Cache = Parameters<SpanRunner["run"]>[0];

export interface InvarianceOptions {
  readonly chunkings: number;
  readonly positions: number;
  readonly seed: number;
  /** Use the span's plain graph instead of its row-invariant form: a test of this bench wants to see that fail. */
  readonly plain?: boolean;
  /** Write grouped attention out in plain operators; for generated models whose heads have no groups. */
  readonly writtenOut?: boolean;
}

export type InvarianceResult =
  | {
      readonly bench: "invariance";
      readonly model: string;
      readonly chunkings: number;
      /** Rows compared in all chunkings. */
      readonly rows: number;
      /** Rows whose logits differ from those of one position a step. */
      readonly differing: number;
      readonly positions: number;
    }
  | { readonly bench: "invariance"; readonly model: string; readonly refused: string };

/**
 * Cuts the model in the middle, and compares every row of random chunkings with the same row computed in a step of its
 * own.
 */
export async function compareChunkings(folder: string, options: InvarianceOptions): Promise<InvarianceResult> {
  const model = `${path.basename(folder)}${options.writtenOut === true ? "-plain" : ""}`;
  const loaded = await loadSpans(folder, (layerCount) => (layerCount > 1 ? [layerCount >> 1] : []));
  const sources = options.writtenOut === true ? loaded.map(withPlainAttention) : loaded;
  for (const { rowInvariant } of options.plain === true ? [] : sources)
    if (rowInvariant?.kind === "refused") return { bench: "invariance", model, refused: rowInvariant.reason };
  const runners: SpanRunner[] = [];
  try {
    for (const source of sources) runners.push(await openRunner(source, options.plain === true));
    const draw = drawing(options.seed);
    const { contextLength } = sources[0]?.plan ?? { contextLength: 0 };
    const positions = Math.min(options.positions, contextLength);
    const vocabulary = sources.at(-1)?.plan.logits?.vocabularySize ?? 0;
    const tokens = Int32Array.from({ length: positions }, () => Math.floor(draw() * vocabulary));
    const singles = await logitsOf(
      runners,
      tokens,
      Array.from(tokens, () => 1),
    );
    let differing = 0;
    let rows = 0;
    for (let chunking = 0; chunking < options.chunkings; chunking++) {
      // The first chunking is a single step; the others mix single positions with steps of every length.
      const logits = await logitsOf(runners, tokens, chunking === 0 ? [positions] : drawChunks(positions, draw));
      for (const [position, row] of logits) {
        rows++;
        if (Buffer.compare(row, singles.get(position) ?? Buffer.alloc(0)) !== 0) differing++;
      }
    }
    return { bench: "invariance", model, chunkings: options.chunkings, rows, differing, positions };
  } finally {
    for (const runner of runners) await runner.release();
  }
}

/**
 * Resolves with the logits by position, computed in steps of these lengths. Some graphs give only those of a step's
 * last row.
 */
async function logitsOf(
  runners: readonly SpanRunner[],
  tokens: Int32Array,
  chunks: readonly number[],
): Promise<ReadonlyMap<number, Buffer>> {
  const rows = new Map<number, Buffer>();
  const caches = runners.map((): Cache => ({ length: 0, tensors: new Map() }));
  let position = 0;
  for (const count of chunks) {
    let hidden: Uint8Array<ArrayBuffer> | undefined;
    for (const [index, runner] of runners.entries()) {
      const cache = caches[index] ?? { length: 0, tensors: new Map() };
      const result = await runner.run(cache, count, index === 0 ? tokens.subarray(position, position + count) : undefined, hidden);
      for (const tensor of cache.tensors.values()) tensor.dispose();
      caches[index] = { length: position + count, tensors: result.caches };
      hidden = result.hidden;
      if (result.logits === undefined) continue;
      const bytes = Buffer.from(tensorBytes(result.logits));
      const given = result.logits.dims[1] ?? 1;
      const size = bytes.byteLength / given;
      for (let row = 0; row < given; row++) rows.set(position + count - given + row, bytes.subarray(row * size, (row + 1) * size));
    }
    position += count;
  }
  for (const { tensors } of caches) for (const tensor of tensors.values()) tensor.dispose();
  return rows;
}

function drawing(seed: number): () => number {
  let state = seedRandom(seed);
  return () => {
    const drawn = nextFraction(state);
    state = drawn.state;
    return drawn.fraction;
  };
}

/**
 * Returns lengths that sum to `positions`. The largest possible length is drawn first, so that some chunkings have only
 * short steps.
 */
function drawChunks(positions: number, draw: () => number): number[] {
  const largest = 1 + Math.floor(positions ** draw());
  const chunks: number[] = [];
  for (let left = positions; left > 0; left -= chunks.at(-1) ?? left) chunks.push(Math.min(left, 1 + Math.floor(draw() * largest)));
  return chunks;
}

/** Returns the folders that hold a model: bundled ones, fixtures, and the public test models if they are there. */
function listFolders(): string[] {
  const data = process.env["MANYHANDS_DATA"] ?? path.join(ROOT, "../shared/data");
  return [path.join(ROOT, "public/models"), path.join(ROOT, "test/fixtures/models"), path.join(data, "models")].flatMap((parent) => {
    if (existsSync(parent)) return readdirSync(parent).map((name) => path.join(parent, name));
    console.error(`invariance: ${parent} is not there`);
    return [];
  });
}

/** Small random models: the runtime sums these head sizes in different blocks, and some heads share a group. */
const SHAPES = [
  { heads: 2, kvHeads: 2, headSize: 64 },
  { heads: 4, kvHeads: 2, headSize: 96 },
  { heads: 4, kvHeads: 2, headSize: 128 },
  { heads: 2, kvHeads: 1, headSize: 256 },
  { heads: 2, kvHeads: 2, headSize: 64, writtenOut: true },
  { heads: 2, kvHeads: 2, headSize: 256, writtenOut: true },
] as const;

/** Prints one JSON line for each model, then the price. The exit code is 1 if a row differs. */
export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      chunkings: { type: "string" },
      positions: { type: "string" },
      seed: { type: "string" },
      rounds: { type: "string" },
      price: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(
      "invariance [FOLDER…] [--chunkings 50] [--positions 300] [--seed 1] [--price only|none] [--rounds 7]\n\nWithout folders: public/models, the fixtures, the test models beside the repository, and generated models of other head sizes.",
    );
    return;
  }
  const number = (text: string | undefined, otherwise: number): number => (text === undefined ? otherwise : Number(text));
  const rounds = number(values.rounds, DEFAULTS.rounds);
  const options = {
    chunkings: number(values.chunkings, DEFAULTS.chunkings),
    positions: number(values.positions, DEFAULTS.positions),
    seed: number(values.seed, DEFAULTS.seed),
  };
  const small = { layers: 2, width: 128, feedForward: 128, vocabulary: 512, context: 1024 };
  let compared = 0;
  let different = 0;
  if (values.price !== "only") {
    const folders = positionals.length > 0 ? positionals : listFolders();
    const models = folders.map((folder) => ({ folder, writtenOut: false }));
    for (const { heads, kvHeads, headSize, ...more } of positionals.length > 0 ? [] : SHAPES)
      models.push({ folder: await ensureWideModel({ ...small, heads, kvHeads, headSize }), writtenOut: "writtenOut" in more });
    for (const { folder, writtenOut } of models) {
      try {
        const result = await compareChunkings(folder, { ...options, writtenOut });
        console.log(JSON.stringify(result));
        compared++;
        if ("differing" in result && result.differing > 0) different++;
      } catch (error) {
        different++;
        console.log(JSON.stringify({ bench: "invariance", model: path.basename(folder), failed: errorMessage(error) }));
      }
    }
    if (compared === 0 || different > 0) process.exitCode = 1;
  }
  if (values.price === "none") return;
  const price = { lengths: DEFAULTS.lengths, rounds, steps: DEFAULTS.steps };
  for (const attention of ["grouped by 1", "grouped by 3", "plain"] as const) {
    const kvHeads = attention === "grouped by 3" ? 4 : 12;
    const folder = await ensureWideModel({ layers: 6, kvHeads, vocabulary: 4096, context: 2304 });
    console.log(JSON.stringify(await timePrice(folder, attention, price)));
  }
}
