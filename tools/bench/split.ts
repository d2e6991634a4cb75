// Decode speed of one model over 1, 2, 3, … real tabs, side by side in one run: what each additional tab costs.
import { parseArgs } from "node:util";
import { AnswerTap } from "../browser/answer-tap.ts";
import { Swarm } from "../browser/swarm.ts";
import type { Tab } from "../browser/tabs.ts";
import { modelFolders, onBed, rounded, wholeNumber } from "./parts/bench-bed.ts";
import { gaps, percentile, spread, type Spread } from "./parts/spread.ts";

const DEFAULTS = Object.freeze({ tabs: "1,2,3,8", rounds: "5", tokens: "128", model: "all" });
/** The bundled model continues this opening for longer than a round takes; for the synthetic one, any opening does. */
const PROMPT = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park with her friends.";

interface Sample {
  readonly tokensPerSecond: number;
  /** Milliseconds of compute for one token, of all spans together. */
  readonly computeMs: number;
  /** Milliseconds between each token and the next. */
  readonly tokenMs: readonly number[];
}

/** A swarm whose first tab asks. */
interface Bed {
  readonly swarm: Swarm;
  readonly asking: Tab;
  readonly tap: AnswerTap;
  readonly samples: Sample[];
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      tabs: { type: "string", default: DEFAULTS.tabs },
      rounds: { type: "string", default: DEFAULTS.rounds },
      tokens: { type: "string", default: DEFAULTS.tokens },
      model: { type: "string", default: DEFAULTS.model },
    },
  });
  const counts = [...new Set([1, ...values.tabs.split(",").map((text) => wholeNumber("tabs", text))])].toSorted((a, b) => a - b);
  const [rounds, tokens] = [wholeNumber("rounds", values.rounds), wholeNumber("tokens", values.tokens, 16)];
  for (const model of values.model === "all" ? ["bundled", "wide"] : [values.model])
    await benchModel(await modelFolders(model), counts, rounds, tokens);
}

async function benchModel(models: readonly string[], counts: readonly number[], rounds: number, tokens: number): Promise<void> {
  await onBed([], async ({ browser, folder }) => {
    const beds = new Map<number, Bed>();
    for (const count of counts) {
      console.error(`opening ${count} tab${count === 1 ? "" : "s"}`);
      const swarm = await Swarm.open({ browser, data: folder(String(count)), models }, count);
      const asking = swarm.lenders[0]?.tab;
      if (!asking) throw new Error("no tab to ask");
      beds.set(count, { swarm, asking, tap: await AnswerTap.attach(asking, { live: false }), samples: [] });
    }
    for (let round = 0; round <= rounds; round++) {
      // Interleaved, so that a busy minute of the machine affects all alike. The first round warms up.
      for (const [count, bed] of beds) {
        const sample = await measure(bed, tokens);
        if (round === 0) continue;
        bed.samples.push(sample);
        console.error(
          `round ${round}, ${count} tabs: ${sample.tokensPerSecond.toFixed(1)} tokens/s, ${sample.computeMs.toFixed(1)} ms of compute a token`,
        );
      }
    }
    report(beds, (await beds.get(1)?.asking.modelName()) ?? "unknown");
    for (const { swarm } of beds.values()) await swarm.close();
  });
}

async function measure({ swarm, asking, tap }: Bed, tokens: number): Promise<Sample> {
  const tapped = tap.next();
  const answer = await asking.ask(PROMPT, { maxTokens: tokens, drafts: false });
  if (answer.status !== "done" || answer.route.length !== swarm.lenders.length)
    throw new Error(`the answer ended as "${answer.status}" over ${answer.route.join(", ")}: ${answer.problem}`);
  if (answer.tokens.length < 16) throw new Error(`only ${answer.tokens.length} tokens: too few to time`);
  await tapped.end(5_000);
  return { tokensPerSecond: answer.tokensPerSecond, computeMs: answer.computeMs, tokenMs: gaps(tapped.tokenTimes) };
}

function report(beds: ReadonlyMap<number, Bed>, model: string): void {
  const samplesOf = (count: number): readonly Sample[] => beds.get(count)?.samples ?? [];
  const solo = spread(samplesOf(1).map((sample) => sample.tokensPerSecond)).median;
  const tokenMs = (count: number, share: number): number =>
    percentile(
      samplesOf(count).flatMap((sample) => sample.tokenMs),
      share,
    );
  for (const [tabs, { samples }] of beds) {
    const hopMs = (share: number): number => (tabs === 1 ? 0 : rounded((tokenMs(tabs, share) - tokenMs(1, share)) / (tabs - 1), 2));
    const tokensPerSecond: Spread = spread(samples.map((sample) => sample.tokensPerSecond));
    const stepMs = 1000 / tokensPerSecond.median;
    const computeMs = spread(samples.map((sample) => sample.computeMs)).median;
    console.log(
      JSON.stringify({
        bench: "split",
        model,
        tabs,
        tokensPerSecond,
        ratioToSolo: rounded(tokensPerSecond.median / solo, 3),
        msPerExtraTab: tabs === 1 ? 0 : rounded((stepMs - 1000 / solo) / (tabs - 1), 2),
        // All times between two tokens, of all rounds, and what each tab beyond the first adds to them.
        tokenMs: { p50: rounded(tokenMs(tabs, 0.5), 2), p95: rounded(tokenMs(tabs, 0.95), 2) },
        extraHopMs: { p50: hopMs(0.5), p95: hopMs(0.95) },
        msPerToken: { all: rounded(stepMs, 2), compute: rounded(computeMs, 2), betweenSpans: rounded(stepMs - computeMs, 2) },
      }),
    );
  }
}
