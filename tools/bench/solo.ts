// Decode speed of one tab with one thread: this project, transformers.js and wllama, over weights of one shape.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Browser, Page } from "playwright-core";
import { startRelay } from "../../relay/relay.ts";
import { AnswerTap } from "../browser/answer-tap.ts";
import { launchBrowser, Tab } from "../browser/tabs.ts";
import type { GgufWeights } from "./models/gguf.ts";
import type { LlamaShape } from "./models/llama-graph.ts";
import { ensureSoloModels, type SoloPage, startSoloSite } from "./parts/solo-site.ts";
import { spread } from "./parts/spread.ts";
import { ensureWideModel } from "./models/wide-model.ts";

const DEFAULTS = Object.freeze({ rounds: "5", tokens: "48", layers: "12", vocabulary: "32000", quantizations: "fp32,q8,q4" });
const PROMPT = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park with her friends.";
const BITS = Object.freeze({ fp32: 32, q8: 8, q4: 4 } as const);
/** Milliseconds for a model to load or an answer to end, on a busy machine. */
const PATIENCE_MS = 300_000;

interface Contender {
  readonly engine: "manyhands" | "transformers.js" | "wllama";
  readonly decode: (tokens: number) => Promise<number>;
  readonly close: () => Promise<void>;
  readonly samples: number[];
  /** Milliseconds per token inside the runtime, if the engine reports them: the rest is this project's own. */
  readonly computeMs: number[];
}

export async function run(args: readonly string[]): Promise<void> {
  const option = (name: keyof typeof DEFAULTS) => ({ type: "string" as const, default: DEFAULTS[name] });
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: option("rounds"),
      tokens: option("tokens"),
      layers: option("layers"),
      vocabulary: option("vocabulary"),
      quantizations: option("quantizations"),
    },
  });
  const [rounds, tokens, layers, vocabulary] = [values.rounds, values.tokens, values.layers, values.vocabulary].map(Number);
  if (!rounds || !tokens || tokens < 16 || !layers || !vocabulary || vocabulary < 1000)
    throw new Error("--rounds and --layers must be whole numbers from 1, --tokens from 16, --vocabulary from 1000");
  for (const quantization of values.quantizations.split(",")) {
    if (quantization !== "fp32" && quantization !== "q8" && quantization !== "q4")
      throw new Error("--quantizations is a list of fp32, q8 and q4");
    await compare(quantization, { layers, vocabulary }, rounds, tokens);
  }
}

async function compare(
  quantization: GgufWeights,
  size: Pick<LlamaShape, "layers" | "vocabulary">,
  rounds: number,
  tokens: number,
): Promise<void> {
  const shape: LlamaShape = {
    ...size,
    width: 768,
    heads: 12,
    kvHeads: 12,
    headSize: 64,
    feedForward: 2048,
    context: 512,
    bits: BITS[quantization],
  };
  console.error(`making the ${quantization} models`);
  const wide = await ensureWideModel(shape);
  const site = await startSoloSite(await ensureSoloModels(shape, wide, quantization));
  const browser = await launchBrowser();
  const contenders: Contender[] = [];
  try {
    for (const engine of ["transformers.js", "wllama"] as const) {
      console.error(`loading ${engine}`);
      contenders.push(await openOther(browser, engine, site.pageOf(engine, quantization)));
    }
    console.error("loading manyhands");
    contenders.push(await openOurs(browser, wide));
    for (let round = 0; round <= rounds; round++) {
      // Interleaved, so that a busy minute of the machine affects all alike. The first round warms up.
      for (const { engine, decode, samples, computeMs } of contenders) {
        const tokensPerSecond = await decode(tokens);
        console.error(`${quantization}, round ${round}, ${engine}: ${tokensPerSecond.toFixed(1)} tokens/s`);
        if (round > 0) samples.push(tokensPerSecond);
        else computeMs.length = 0;
      }
    }
  } finally {
    for (const { close } of contenders) await close();
    await browser.close();
    await site.stop();
  }
  const best = Math.max(...contenders.map(({ samples }) => spread(samples).median));
  for (const { engine, samples, computeMs } of contenders) {
    const tokensPerSecond = spread(samples);
    const ratioToBest = Number((tokensPerSecond.median / best).toFixed(3));
    const msPerToken = { all: Number((1000 / tokensPerSecond.median).toFixed(2)), inRuntime: spread(computeMs).median };
    console.log(
      JSON.stringify({
        bench: "solo",
        engine,
        quantization,
        ...size,
        width: shape.width,
        tokensPerSecond,
        ratioToBest,
        ...(computeMs.length > 0 && { msPerToken }),
      }),
    );
  }
}

async function openOther(browser: Browser, engine: "transformers.js" | "wllama", url: string): Promise<Contender> {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => console.error(`${engine}: ${error.message}`));
  await page.goto(url);
  await page.waitForFunction(() => "solo" in globalThis);
  await onPage(page, (solo) => solo.load());
  return {
    engine,
    decode: (tokens) => onPage(page, (solo, count) => solo.decode(count), tokens),
    close: () => context.close(),
    samples: [],
    computeMs: [],
  };
}

/** Runs `work` in the page with the page's `solo`. It is sent as text, so it sees nothing but its arguments. */
function onPage<T>(page: Page, work: (solo: SoloPage, count: number) => Promise<T>, count = 0): Promise<T> {
  return page.evaluate(`(${work.toString()})(window.solo, ${count})`);
}

async function openOurs(browser: Browser, model: string): Promise<Contender> {
  const data = await mkdtemp(path.join(tmpdir(), "manyhands-bench-"));
  const relay = await startRelay({ port: 0, data, models: [model] });
  const tab = await Tab.open(browser, relay.url);
  await tab.lend({ backend: "wasm", share: 1 });
  // Asked in the same way as the others: by a program, nothing painted, without drafts.
  const tap = await AnswerTap.attach(tab, { live: false });
  const computeMs: number[] = [];
  const decode = async (tokens: number): Promise<number> => {
    const answer = await tap.ask(PROMPT, { maxTokens: tokens, drafts: false });
    await answer.end(PATIENCE_MS);
    const { tokenTimes, hops, problem } = answer;
    if (hops.length !== 1 || tokenTimes.length !== tokens)
      throw new Error(`the answer ended after ${tokenTimes.length} tokens: ${problem}`);
    computeMs.push(hops[0]?.computeMs ?? 0);
    return (1000 * (tokens - 1)) / ((tokenTimes.at(-1) ?? 0) - (tokenTimes[0] ?? 0));
  };
  const close = async (): Promise<void> => {
    await tab.close();
    await relay.stop();
    await rm(data, { recursive: true, force: true });
  };
  return { engine: "manyhands", decode, close, samples: [], computeMs };
}
