// Time to the first token of a long prompt over several tabs, against one alone, and of the same prompt asked again.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { readTokenizer, type Tokenizer } from "../../src/model/text/tokenizer.ts";
import { AnswerTap } from "../browser/answer-tap.ts";
import { Swarm } from "../browser/swarm.ts";
import { modelFolders, onBed, rounded, wholeNumber } from "./parts/bench-bed.ts";
import { spread } from "./parts/spread.ts";

const DEFAULTS = Object.freeze({
  tabs: "1,3",
  rounds: "5",
  prompt: "128",
  model: "wide",
  /** New tokens: enough to see that the answer goes on after the first. */
  tokens: 2,
  answerMs: 120_000,
});

const BUNDLED = path.resolve(import.meta.dirname, "../../public/models/tales-2m");
const WORDS = Object.freeze(
  "the a big small red old dog cat ball tree girl boy park sun home friend happy sad ran saw and with to her his".split(" "),
);

interface Bed {
  readonly swarm: Swarm;
  readonly tap: AnswerTap;
  readonly first: number[];
  readonly again: number[];
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tabs: { type: "string", default: DEFAULTS.tabs },
      rounds: { type: "string", default: DEFAULTS.rounds },
      prompt: { type: "string", default: DEFAULTS.prompt },
      model: { type: "string", default: DEFAULTS.model },
    },
  });
  const counts = [...new Set([1, ...values.tabs.split(",").map((text) => wholeNumber("tabs", text))])];
  const [rounds, length] = [wholeNumber("rounds", values.rounds), wholeNumber("prompt", values.prompt, 16)];
  const models = await modelFolders(values.model);
  const tokenizer = await tokenizerOf(models[0] ?? BUNDLED);
  await onBed([], async ({ browser, folder }) => {
    const beds = new Map<number, Bed>();
    for (const count of counts) {
      console.error(`opening ${count} tab${count === 1 ? "" : "s"}`);
      const swarm = await Swarm.open({ browser, data: folder(String(count)), models }, count);
      const asking = swarm.lenders[0]?.tab;
      if (!asking) throw new Error("no tab to ask");
      beds.set(count, { swarm, tap: await AnswerTap.attach(asking, { live: false }), first: [], again: [] });
    }
    for (let round = 0; round <= rounds; round++) {
      // Each round has a new prompt. The swarms take turns, and the first round warms up.
      const prompt = promptOf(tokenizer, length, round);
      for (const [count, { tap, first, again }] of beds) {
        const [fresh, repeated] = [await firstTokenMs(tap, prompt, length, count), await firstTokenMs(tap, prompt, length, count)];
        if (round === 0) continue;
        first.push(fresh);
        again.push(repeated);
        console.error(`round ${round}, ${count} tabs: ${fresh.toFixed(0)} ms, again ${repeated.toFixed(0)} ms`);
      }
    }
    const solo = spread(beds.get(1)?.first ?? []).median;
    const model = (await beds.get(1)?.swarm.lenders[0]?.tab.modelName()) ?? "unknown";
    for (const [tabs, { swarm, first, again }] of beds) {
      const [firstMs, againMs] = [spread(first), spread(again)];
      console.log(
        JSON.stringify({
          bench: "ttft",
          model,
          tabs,
          promptTokens: length,
          firstTokenMs: firstMs,
          ratioToSolo: rounded(firstMs.median / solo, 3),
          againMs,
          // The ratio of each pair, so that a slow minute affects both.
          againRatio: spread(again.map((ms, index) => ms / (first[index] ?? Number.NaN))),
        }),
      );
      await swarm.close();
    }
  });
}

async function firstTokenMs(tap: AnswerTap, prompt: string, length: number, tabs: number): Promise<number> {
  const answer = await tap.ask(prompt, { maxTokens: DEFAULTS.tokens });
  await answer.end(DEFAULTS.answerMs);
  const stats = answer.moments.find(({ kind }) => kind === "done")?.data?.["stats"] as
    | { readonly timeToFirstTokenMs: number; readonly promptTokens: number }
    | undefined; // the page's own event
  if (stats === undefined) throw new Error(`the answer failed: ${answer.problem}`);
  if (stats.promptTokens !== length) throw new Error(`the prompt has ${stats.promptTokens} tokens, not ${length}`);
  if (answer.hops.length !== tabs) throw new Error(`the answer came over ${answer.hops.length} of ${tabs} tabs`);
  return stats.timeToFirstTokenMs;
}

/** Returns a text of exactly `length` tokens. Texts of different `salt` begin with different words. */
function promptOf(tokenizer: Tokenizer, length: number, salt: number): string {
  let word = 1 + 7919 * salt;
  let text = `${salt}`;
  for (let tries = 0; tries < 20 * length; tries++) {
    const count = tokenizer.encode(text).length;
    if (count === length) return text;
    word = (Math.imul(word, 1_103_515_245) + 12_345) >>> 0;
    const next = `${text} ${WORDS[(word >>> 8) % WORDS.length]}`;
    if (tokenizer.encode(next).length <= length) text = next;
    else text += " a";
  }
  throw new Error(`no text of exactly ${length} tokens was found`);
}

async function tokenizerOf(folder: string): Promise<Tokenizer> {
  const [tokenizer, config] = await Promise.all(
    ["tokenizer.json", "tokenizer_config.json"].map((name) => readFile(path.join(folder, name))),
  );
  return readTokenizer(new Uint8Array(tokenizer ?? []), new Uint8Array(config ?? []));
}
