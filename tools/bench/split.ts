// Decode speed of one model over 1, 2, 3, … real tabs, side by side in one run: what each further tab costs.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Browser } from "playwright-core";
import { startRelay, type Relay } from "../../relay/relay.ts";
import { launchBrowser, Tab } from "../browser/tabs.ts";
import { ensureWideModel } from "./wide-model.ts";
import { spread, type Spread } from "./spread.ts";

const DEFAULTS = Object.freeze({ tabs: "1,2,3,4", rounds: "5", tokens: "48", model: "all" });
/** An opening that the bundled model goes on from for longer than a round takes; the synthetic one has no taste. */
const PROMPT = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park with her friends.";

interface Sample {
  readonly tokensPerSecond: number;
  /** Milliseconds of compute in all spans together, for one token. */
  readonly computeMs: number;
}

/** A swarm of its own: relay, tabs that lend, and the first of them asking. */
interface Swarm {
  readonly tabs: readonly Tab[];
  readonly relay: Relay;
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
  const counts = [...new Set([1, ...values.tabs.split(",").map(Number)])].toSorted((a, b) => a - b);
  const [rounds, tokens] = [Number(values.rounds), Number(values.tokens)];
  if (![...counts, rounds, tokens].every((value) => Number.isInteger(value) && value >= 1))
    throw new Error("--tabs wants numbers such as 1,2,3,4; --rounds and --tokens a whole number from 1");
  if (!["all", "bundled", "wide"].includes(values.model)) throw new Error("--model is bundled, wide or all");
  if (values.model !== "wide") await benchModel(undefined, counts, rounds, tokens);
  if (values.model !== "bundled") await benchModel(await ensureWideModel(), counts, rounds, tokens);
}

async function benchModel(folder: string | undefined, counts: readonly number[], rounds: number, tokens: number): Promise<void> {
  const scratch = await mkdtemp(path.join(tmpdir(), "manyhands-bench-"));
  const browser = await launchBrowser();
  const swarms = new Map<number, Swarm>();
  try {
    for (const count of counts) {
      console.error(`opening ${count} tab${count === 1 ? "" : "s"}`);
      swarms.set(count, await openSwarm(browser, count, folder, path.join(scratch, String(count))));
    }
    for (let round = 0; round <= rounds; round++) {
      // Interleaved, so that a busy minute of the machine falls on all alike; the first round warms up.
      for (const [count, swarm] of swarms) {
        const sample = await measure(swarm, tokens);
        if (round === 0) continue;
        swarm.samples.push(sample);
        console.error(
          `round ${round}, ${count} tabs: ${sample.tokensPerSecond.toFixed(1)} tokens/s, ${sample.computeMs.toFixed(1)} ms of compute a token`,
        );
      }
    }
    report(swarms, (await swarms.get(1)?.tabs[0]?.modelName()) ?? "unknown");
  } finally {
    await browser.close();
    await Promise.all([...swarms.values()].map(({ relay }) => relay.stop()));
    await rm(scratch, { recursive: true, force: true });
  }
}

async function openSwarm(browser: Browser, count: number, folder: string | undefined, data: string): Promise<Swarm> {
  const relay = await startRelay({ port: 0, data, models: folder === undefined ? [] : [folder] });
  const tabs: Tab[] = [];
  for (let opened = 0; opened < count; opened++) {
    const tab = await Tab.open(browser, relay.url);
    await tab.lend({ share: 1 });
    tabs.push(tab);
    await settled(relay, tabs.length);
  }
  return { tabs, relay, samples: [] };
}

/** Resolves once `count` peers serve exactly what they mean to hold. */
async function settled(relay: Relay, count: number): Promise<void> {
  const limit = Date.now() + 300_000;
  for (;;) {
    const { peers } = relay.directory.swarm;
    const done =
      peers.length === count &&
      peers.every(({ target, serving }) => serving.length === 1 && serving[0]?.start === target?.start && serving[0]?.end === target?.end);
    const layers = peers.reduce((sum, { target }) => sum + (target ? target.end - target.start : 0), 0);
    if (done && layers === Math.max(...peers.map(({ target }) => target?.end ?? 0))) return;
    if (Date.now() > limit)
      throw new Error(
        `the ${count} tabs did not settle on spans: ${JSON.stringify(peers.map(({ target, serving }) => ({ target, serving })))}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function measure({ tabs }: Swarm, tokens: number): Promise<Sample> {
  const [asking] = tabs;
  if (!asking) throw new Error("no tab to ask");
  const answer = await asking.ask(PROMPT, { maxTokens: tokens });
  if (answer.status !== "done" || answer.route.length !== tabs.length)
    throw new Error(`the answer ended as "${answer.status}" over ${answer.route.join(", ")}: ${answer.problem}`);
  if (answer.tokens.length < 16) throw new Error(`only ${answer.tokens.length} tokens: too few to time`);
  return { tokensPerSecond: answer.tokensPerSecond, computeMs: answer.computeMs };
}

function report(swarms: ReadonlyMap<number, Swarm>, model: string): void {
  const median = (count: number): number => spread((swarms.get(count)?.samples ?? []).map((sample) => sample.tokensPerSecond)).median;
  const solo = median(1);
  for (const [tabs, { samples }] of swarms) {
    const tokensPerSecond: Spread = spread(samples.map((sample) => sample.tokensPerSecond));
    const stepMs = 1000 / tokensPerSecond.median;
    const computeMs = spread(samples.map((sample) => sample.computeMs)).median;
    console.log(
      JSON.stringify({
        bench: "split",
        model,
        tabs,
        tokensPerSecond,
        ratioToSolo: round(tokensPerSecond.median / solo, 3),
        msPerExtraTab: tabs === 1 ? 0 : round((stepMs - 1000 / solo) / (tabs - 1), 2),
        msPerToken: { all: round(stepMs, 2), compute: round(computeMs, 2), betweenSpans: round(stepMs - computeMs, 2) },
      }),
    );
  }
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
