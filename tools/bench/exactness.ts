// Whether a split answer has the bytes of an unsplit one: every boundary of every model, logits compared bit by bit.
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
  /** Positions of the prompt, in one step. */
  readonly prefill: number;
  /** Decode steps after it. */
  readonly steps: number;
  /** Draws the decoded tokens; undefined takes the unsplit session's greedy ones. */
  readonly seed: number | undefined;
  /** Says where the model comes from, and where its folder has a reference answer, takes its prompt and compares its tokens. */
  readonly describes?: boolean;
  /** Where the split model is read from: the same folder, unless a test wants to see a difference. */
  readonly splitFolder?: string;
}

export interface ExactnessResult {
  readonly bench: "exactness";
  readonly model: string;
  readonly exporter?: string;
  readonly family?: string;
  readonly quantization?: string;
  /** Layers before which the model was cut. */
  readonly cuts: readonly number[];
  readonly steps: number;
  /** Whether the logits of every position have the same bytes. */
  readonly equal: boolean;
  /** Whether the tokens are those of the reference answer; null where there is none. */
  readonly reference?: boolean | null;
}

/** One step of the unsplit session. */
interface Step {
  readonly tokens: readonly number[];
  readonly logits: Uint8Array;
  /** Token with the highest logit. */
  readonly best: number;
}

/** Every boundary alone, then all at once. */
export function listCuts(layerCount: number): readonly (readonly number[])[] {
  const each = Array.from({ length: layerCount - 1 }, (_, index) => [index + 1]);
  return each.length > 1 ? [...each, each.flat()] : each;
}

/** Compares every way of cutting the model in `folder`. WASM, one thread, float32 (float16 for half-precision models) on the wire. */
export async function* compareSplits(folder: string, options: ExactnessOptions): AsyncGenerator<ExactnessResult> {
  const splitFolder = options.splitFolder ?? folder;
  const built = await manifestOfFolder(splitFolder);
  const origin = options.describes === true ? await readOrigin(folder, readCuttableModel(built.graph.bytes)) : undefined;
  const steps = await runUnsplit(folder, built.manifest, options, origin?.answer);
  const reference = origin?.answer === undefined ? null : answers(steps, origin.answer);
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

/** Whether each step's best token is the reference's. */
const answers = (steps: readonly Step[], { tokens }: ReferenceAnswer): boolean =>
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

/** One span at work: its runner and its cache. */
interface Worker {
  readonly runner: SpanRunner;
  cache: Parameters<SpanRunner["run"]>[0];
}

async function equalsUnsplit(folder: string, built: BuiltManifest, cuts: readonly number[], steps: readonly Step[]): Promise<boolean> {
  const bounds = [0, ...cuts, built.manifest.layerCount];
  const workers: Worker[] = [];
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
      workers.push({ runner, cache: { length: 0, tensors: new Map() } });
    }
    let equal = true;
    for (const step of steps) equal = bytesEqual(await runSplit(workers, step.tokens), step.logits) && equal;
    return equal;
  } finally {
    for (const { runner } of workers) await runner.release();
  }
}

/** The logits' bytes of one step through all spans; what crosses is framed, read back and copied, as between tabs. */
async function runSplit(workers: readonly Worker[], tokens: readonly number[]): Promise<Uint8Array> {
  let hidden: Uint8Array<ArrayBuffer> | undefined;
  for (const worker of workers) {
    const { runner, cache } = worker;
    const result = await runner.run(cache, tokens.length, hidden === undefined ? Int32Array.from(tokens) : undefined, hidden);
    for (const tensor of cache.tensors.values()) tensor.dispose();
    worker.cache = { length: cache.length + tokens.length, tensors: result.caches };
    if (result.logits !== undefined) return tensorBytes(result.logits);
    hidden = decodeFrame(encodeFrame({ kind: "step" }, result.hidden)).payload.slice();
  }
  throw new Error("no span gave logits");
}

/** Folders with a model in them, the bundled ones first, with `all` the fixtures too. The public test models lie beside the repository where they are at hand. */
function listFolders(all: boolean): string[] {
  const data = process.env["MANYHANDS_DATA"] ?? path.join(ROOT, "../shared/data");
  const own = [path.join(ROOT, "public/models"), ...(all ? [FIXTURES] : [])];
  return [...own, path.join(data, "models")].flatMap((parent) => {
    if (existsSync(parent)) return readdirSync(parent).map((name) => path.join(parent, name));
    console.error(`exactness: ${parent} is not there`);
    return [];
  });
}

/** Why a model is left out without --all; undefined for one that is compared. */
async function reasonToSkip(folder: string): Promise<string | undefined> {
  try {
    const built = await manifestOfFolder(folder);
    const caches = readCuttableModel(built.graph.bytes).layers.caches.flat();
    return caches.every((cache) => cache.type === "float32") ? undefined : "not float32 (--all compares it too)";
  } catch (error) {
    return errorMessage(error);
  }
}

/** Prints one JSON line per model and cut; exit code 1 where one is not equal. */
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
      "exactness [FOLDER…] [--all] [--seed N] [--steps 64] [--prefill 32]\n\nWithout folders: public/models and the test models beside the repository. --all adds the fixtures, models that are not float32, and a comparison with the reference answers of those that have one. --seed draws the tokens instead of taking the greedy ones.",
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
