// Whether a split model gives the logits of the unsplit one, bit by bit, at every boundary of every model.
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import * as ort from "onnxruntime-web";
import { SpanRunner } from "../../src/engine/span-runner.ts";
import { tensorBytes } from "../../src/engine/ort.ts";
import { readCuttableModel } from "../../src/model/cut/cuttable-model.ts";
import type { BuiltManifest } from "../../src/model/build-manifest.ts";
import type { Manifest } from "../../src/model/tiles/manifest.ts";
import { loadSpan } from "../../src/model/load-span.ts";
import { MemoryTileStore } from "../../src/model/tiles/memory-tile-store.ts";
import { nextFraction, seedRandom } from "../../src/model/text/random.ts";
import { decodeFrame, encodeFrame } from "../../src/protocol/frame.ts";
import { bytesEqual } from "../../src/shared/bytes.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { errorMessage } from "../../src/shared/errors.ts";
import { FolderTileSource, manifestOfFolder } from "../model/model-folder.ts";
import { readOrigin, type ReferenceAnswer } from "../model/reference-answer.ts";
import { ReferenceSession } from "../model/reference-session.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const FIXTURES = path.join(ROOT, "test/fixtures/models");
const DEFAULTS = Object.freeze({ prefill: 32, steps: 64, promptSeed: 1 });

export interface ExactnessOptions {
  /** Positions of the prompt, which is one step. */
  readonly prefill: number;
  /** Decode steps after the prompt. */
  readonly steps: number;
  /** Seed from which the decoded tokens are drawn; undefined uses the greedy tokens of the unsplit session. */
  readonly seed: number | undefined;
  /** Report where the model comes from. If its folder has a reference answer, use its prompt and compare its tokens. */
  readonly describes?: boolean;
  /** Folder of the split model: the same folder, unless a test wants to see a difference. */
  readonly splitFolder?: string;
}

export interface ExactnessResult {
  readonly bench: "exactness";
  readonly model: string;
  readonly exporter?: string;
  readonly family?: string;
  readonly quantization?: string;
  /** Layers before which the model is cut. */
  readonly cuts: readonly number[];
  readonly steps: number;
  /** Whether the logits of every position have the same bytes. */
  readonly equal: boolean;
  /** Whether the tokens are those of the reference answer; null if there is none. */
  readonly reference?: boolean | null;
}

/** One step of the unsplit session. */
interface Step {
  readonly tokens: readonly number[];
  readonly logits: Uint8Array;
  /** Token with the highest logit. */
  readonly best: number;
}

/** Returns the ways of cutting: at every boundary alone, then at all of them. */
export function listCuts(layerCount: number): readonly (readonly number[])[] {
  const each = Array.from({ length: layerCount - 1 }, (_, index) => [index + 1]);
  return each.length > 1 ? [...each, each.flat()] : each;
}

/**
 * Compares every way of cutting the model in `folder` with the unsplit model: on WebAssembly, with one thread, and with
 * float32 between the spans (float16 for half-precision models).
 */
export async function* compareSplits(folder: string, options: ExactnessOptions): AsyncGenerator<ExactnessResult> {
  const splitFolder = options.splitFolder ?? folder;
  const built = await manifestOfFolder(splitFolder);
  const origin = options.describes === true ? await readOrigin(folder, readCuttableModel(built.graph.bytes)) : undefined;
  const steps = await runUnsplit(folder, built.manifest, options, origin?.answer);
  const reference = origin?.answer === undefined ? null : givesReference(steps, origin.answer);
  for (const cuts of listCuts(built.manifest.layerCount)) {
    const equal = await equalsUnsplit(splitFolder, built, cuts, steps);
    const result = { bench: "exactness", model: path.basename(folder) } as const;
    if (origin === undefined) {
      yield { ...result, cuts, steps: options.steps, equal };
      continue;
    }
    const { exporter, family, quantization } = origin;
    yield { ...result, exporter, family, quantization, cuts, steps: steps.length - 1, equal, reference };
  }
}

/** Returns whether each step's best token is that of the reference. */
const givesReference = (steps: readonly Step[], { tokens }: ReferenceAnswer): boolean =>
  steps.length === tokens.length && steps.every((step, index) => step.best === tokens[index]);

async function runUnsplit(
  folder: string,
  { vocabularySize, contextLength }: Manifest,
  options: ExactnessOptions,
  answer: ReferenceAnswer | undefined,
): Promise<Step[]> {
  const session = await ReferenceSession.open(folder);
  try {
    let state = seedRandom(options.seed ?? DEFAULTS.promptSeed);
    const draw = (): number => {
      const drawn = nextFraction(state);
      state = drawn.state;
      return Math.floor(drawn.fraction * vocabularySize);
    };
    let tokens: readonly number[] = answer?.prompt ?? Array.from({ length: Math.min(options.prefill, contextLength - 1) }, draw);
    const decodes = answer === undefined ? Math.min(options.steps, contextLength - tokens.length) : answer.tokens.length - 1;
    const steps: Step[] = [];
    for (let step = 0; step <= decodes; step++) {
      const { bytes, best } = await session.step(tokens);
      steps.push({ tokens, logits: bytes.slice(), best });
      tokens = [options.seed === undefined || answer !== undefined ? best : draw()];
    }
    return steps;
  } finally {
    await session.release();
  }
}

/** A span of the split model: its runner and its cache. */
interface SplitSpan {
  readonly runner: SpanRunner;
  cache: Parameters<SpanRunner["run"]>[0];
}

async function equalsUnsplit(folder: string, built: BuiltManifest, cuts: readonly number[], steps: readonly Step[]): Promise<boolean> {
  const bounds = [0, ...cuts, built.manifest.layerCount];
  const spans: SplitSpan[] = [];
  try {
    for (const [index, start] of bounds.slice(0, -1).entries()) {
      const source = await loadSpan({
        model: built.id,
        manifest: built.manifest,
        graph: built.graph.bytes,
        span: { start, end: bounds[index + 1] ?? start },
        source: new FolderTileSource(folder),
        store: new MemoryTileStore({ budgetBytes: 0 }),
        clock: systemClock,
        signal: new AbortController().signal,
      });
      const runner = await SpanRunner.create(ort, source, { executionProviders: ["wasm"], cacheOnDevice: false });
      spans.push({ runner, cache: { length: 0, tensors: new Map() } });
    }
    let equal = true;
    for (const step of steps) equal = bytesEqual(await runSplit(spans, step.tokens), step.logits) && equal;
    return equal;
  } finally {
    for (const { runner } of spans) await runner.release();
  }
}

/**
 * Resolves with the bytes of the logits of one step through all spans. Between spans a hidden state is framed, read
 * back and copied, as between tabs.
 */
async function runSplit(spans: readonly SplitSpan[], tokens: readonly number[]): Promise<Uint8Array> {
  let hidden: Uint8Array<ArrayBuffer> | undefined;
  for (const span of spans) {
    const { runner, cache } = span;
    const result = await runner.run(cache, tokens.length, hidden === undefined ? Int32Array.from(tokens) : undefined, hidden);
    for (const tensor of cache.tensors.values()) tensor.dispose();
    span.cache = { length: cache.length + tokens.length, tensors: result.caches };
    if (result.logits !== undefined) return tensorBytes(result.logits);
    hidden = decodeFrame(encodeFrame({ kind: "step" }, result.hidden)).payload.slice();
  }
  throw new Error("no span gave logits");
}

/**
 * Returns the folders that hold a model: the bundled ones, with `all` the fixtures too, and the public test models,
 * which lie beside the repository if somebody put them there.
 */
function listFolders(all: boolean): string[] {
  const data = process.env["MANYHANDS_DATA"] ?? path.join(ROOT, "../shared/data");
  const own = [path.join(ROOT, "public/models"), ...(all ? [FIXTURES] : [])];
  return [...own, path.join(data, "models")].flatMap((parent) => {
    if (existsSync(parent)) return readdirSync(parent).map((name) => path.join(parent, name));
    console.error(`exactness: ${parent} is not there`);
    return [];
  });
}

/** Resolves with the reason why a model is skipped without --all; undefined if it is compared. */
async function reasonToSkip(folder: string): Promise<string | undefined> {
  try {
    const built = await manifestOfFolder(folder);
    const caches = readCuttableModel(built.graph.bytes).layers.caches.flat();
    return caches.every((cache) => cache.type === "float32") ? undefined : "not float32 (--all compares it too)";
  } catch (error) {
    return errorMessage(error);
  }
}

/** Prints one JSON line per model and way of cutting. The exit code is 1 if one of them is not equal. */
export async function run(args: readonly string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      all: { type: "boolean" },
      seed: { type: "string" },
      steps: { type: "string" },
      prefill: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) {
    console.log(
      "exactness [FOLDER…] [--all] [--seed N] [--steps 64] [--prefill 32]\n\nWithout folders: public/models and the test models beside the repository. --all adds the fixtures, the models that are not float32, and a comparison with the reference answers of models that have one. --seed draws the tokens at random instead of choosing greedily.",
    );
    return;
  }
  const options = {
    prefill: Number(values.prefill ?? DEFAULTS.prefill),
    steps: Number(values.steps ?? DEFAULTS.steps),
    seed: values.seed === undefined ? undefined : Number(values.seed),
    ...(values.all === true && { describes: true }),
  };
  let compared = 0;
  let different = 0;
  for (const folder of positionals.length > 0 ? positionals : listFolders(values.all === true)) {
    const reason = values.all ? undefined : await reasonToSkip(folder);
    if (reason !== undefined) {
      console.error(`exactness: ${path.basename(folder)} skipped: ${reason}`);
      continue;
    }
    for await (const result of compareSplits(folder, options)) {
      console.log(JSON.stringify(result));
      compared++;
      if (!result.equal || result.reference === false) different++;
    }
  }
  if (different > 0 || compared === 0) process.exitCode = 1;
}
