// Several answers at once over the same tabs: their speed together against one alone, and whether each gets its share.
import { parseArgs } from "node:util";
import type { Browser } from "playwright-core";
import { AnswerTap, type TappedAnswer } from "../browser/answer-tap.ts";
import { Swarm } from "../browser/swarm.ts";
import { modelFolders, onBed, rounded, wholeNumber } from "./parts/bench-bed.ts";
import { percentile, spread } from "./parts/spread.ts";

const DEFAULTS = Object.freeze({
  tabs: "2",
  sessions: "1,2,8",
  rounds: "5",
  tokens: "64",
  model: "wide",
  /** Milliseconds for all answers of a round. */
  roundMs: 300_000,
  /** Tokens that each answer must have while all of them run, so that its speed can be measured. */
  fewestTokens: 8,
});

/** One for each session, so that no answer profits from another one's cache. */
const PROMPTS = Object.freeze(
  ["Lily", "Max", "Tom", "Anna", "Ben", "Mia", "Sue", "Pip"].map(
    (name) => `${name} went to the park with a big red ball. The sun was warm, and ${name} wanted to play.`,
  ),
);

interface Sample {
  /** Tokens per second of all answers together, while all of them run. */
  readonly tokensPerSecond: number;
  /** How many times slower than the median the slowest answer is. */
  readonly slowest: number;
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tabs: { type: "string", default: DEFAULTS.tabs },
      sessions: { type: "string", default: DEFAULTS.sessions },
      rounds: { type: "string", default: DEFAULTS.rounds },
      tokens: { type: "string", default: DEFAULTS.tokens },
      model: { type: "string", default: DEFAULTS.model },
    },
  });
  const tabs = wholeNumber("tabs", values.tabs);
  const counts = [...new Set([1, ...values.sessions.split(",").map((text) => wholeNumber("sessions", text))])];
  const [rounds, tokens] = [wholeNumber("rounds", values.rounds), wholeNumber("tokens", values.tokens, 2 * DEFAULTS.fewestTokens)];
  if (Math.max(...counts) > PROMPTS.length) throw new Error(`--sessions: at most ${PROMPTS.length} at once`);
  const models = await modelFolders(values.model);
  await onBed([], async ({ browser, folder }) => {
    const swarm = await Swarm.open({ browser, data: folder("relay"), models }, tabs);
    // The tabs that lend also ask, so that no further process uses the cores that they compute on.
    const taps = await Promise.all(swarm.lenders.map(({ tab }) => AnswerTap.attach(tab, { live: false })));
    const apart = await openApart(browser, folder, models, tabs);
    const samples = new Map<number, Sample[]>(counts.map((count) => [count, []]));
    const [alone, beside]: [Sample[], Sample[]] = [[], []];
    for (let round = 0; round <= rounds; round++) {
      // Interleaved, so that a busy minute of the machine affects all alike. The first round warms up.
      for (const [count, measured] of samples) {
        const sample = await measure(taps, count, tokens, tabs);
        if (round === 0) continue;
        measured.push(sample);
        console.error(
          `round ${round}, ${count} at once: ${sample.tokensPerSecond.toFixed(1)} tokens/s, the slowest ${sample.slowest.toFixed(2)} times slower than the median`,
        );
      }
      // What the machine gives to as many tabs that share nothing, against one of them.
      for (const [count, measured] of [
        [1, alone],
        [tabs, beside],
      ] as const) {
        const sample = await measure(apart.taps, count, tokens, 1);
        if (round === 0) continue;
        measured.push(sample);
        console.error(`round ${round}, ${count} tabs apart: ${sample.tokensPerSecond.toFixed(1)} tokens/s`);
      }
    }
    const rate = (count: number) => spread((samples.get(count) ?? []).map(({ tokensPerSecond }) => tokensPerSecond));
    const model = (await swarm.lenders[0]?.tab.modelName()) ?? "unknown";
    for (const [sessions, measured] of samples) {
      console.log(
        JSON.stringify({
          bench: "streams",
          model,
          tabs,
          sessions,
          tokensPerSecond: rate(sessions),
          ratioToOne: rounded(rate(sessions).median / rate(1).median, 3),
          slowestToMedian: spread(measured.map(({ slowest }) => slowest)),
        }),
      );
    }
    const [one, all] = [alone, beside].map((measured) => spread(measured.map(({ tokensPerSecond }) => tokensPerSecond)));
    const ratioToOne = rounded((all?.median ?? Number.NaN) / (one?.median ?? Number.NaN), 3);
    console.log(JSON.stringify({ bench: "streams", model, case: "tabs that share nothing", tabs, tokensPerSecond: all, ratioToOne }));
    await swarm.close();
    await apart.close();
  });
}

interface Apart {
  readonly taps: readonly AnswerTap[];
  readonly close: () => Promise<void>;
}

/** Opens as many tabs, each with the whole model and a relay of its own. */
async function openApart(browser: Browser, folder: (name: string) => string, models: readonly string[], tabs: number): Promise<Apart> {
  const swarms: Swarm[] = [];
  for (let n = 0; n < tabs; n++) swarms.push(await Swarm.open({ browser, data: folder(`apart-${n}`), models }, 1));
  const taps = await Promise.all(swarms.flatMap(({ lenders }) => lenders.map(({ tab }) => AnswerTap.attach(tab, { live: false }))));
  return { taps, close: async () => void (await Promise.all(swarms.map((swarm) => swarm.close()))) };
}

async function measure(taps: readonly AnswerTap[], sessions: number, tokens: number, tabs: number): Promise<Sample> {
  const answers = await Promise.all(
    PROMPTS.slice(0, sessions).map((prompt, index) =>
      (taps[index % taps.length] as AnswerTap).ask(prompt, { maxTokens: tokens, drafts: false }),
    ), // there is a tap for each tab
  );
  await Promise.all(answers.map((answer) => answer.end(DEFAULTS.roundMs)));
  for (const answer of answers) {
    if (answer.problem !== "") throw new Error(`an answer failed: ${answer.problem}`);
    if (answer.hops.length !== tabs) throw new Error(`an answer came over ${answer.hops.length} of ${tabs} tabs`);
  }
  return compare(answers);
}

/** Counts the tokens of each answer while all of them ran: from the latest first token to the earliest last token. */
function compare(answers: readonly TappedAnswer[]): Sample {
  const times = answers.map(({ tokenTimes }) => tokenTimes);
  const from = Math.max(...times.map((each) => each[0] ?? Number.NaN));
  const to = Math.min(...times.map((each) => each.at(-1) ?? Number.NaN));
  const made = times.map((each) => each.filter((at) => at > from && at <= to).length);
  if (!(to > from) || Math.min(...made) < DEFAULTS.fewestTokens)
    throw new Error(`the answers hardly ran at the same time: ${made.join(", ")} tokens each while all did`);
  const all = made.reduce((sum, count) => sum + count, 0);
  return { tokensPerSecond: (1000 * all) / (to - from), slowest: percentile(made, 0.5) / Math.min(...made) };
}
