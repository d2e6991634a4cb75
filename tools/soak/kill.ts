// Kills tabs in the middle of answers, at a random token in a random way: each text must be the undisturbed one.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { ensureWideModel } from "../bench/models/wide-model.ts";
import { KILL_WAYS } from "../browser/kill-tab.ts";
import { launchBrowser } from "../browser/tabs.ts";
import { type KillRun, reportKills } from "./parts/kill-report.ts";
import { KillSoak, type KillSoakOptions } from "./parts/kill-soak.ts";

const DEFAULTS = Object.freeze({
  runs: 100,
  seed: 1,
  /** Two routes of two tabs, or a route of three and a spare, whichever the placement chooses. */
  tabs: 4,
  /** Each holds layers that no other tab has. */
  nobodyTabs: 2,
});

/** Too large for the tab that asks to load it all, so that the answer must wait. */
const NOBODY_SHAPE = Object.freeze({ layers: 4, width: 768, heads: 12, feedForward: 2048, vocabulary: 2000 });
/** As small as the bundled model, with as many layers as `--layers` says. */
const SMALL_SHAPE = Object.freeze({ width: 128, heads: 4, headSize: 32, feedForward: 384, vocabulary: 2048 });

const HELP = `npm run soak -- kill [--runs ${DEFAULTS.runs}] [--seed ${DEFAULTS.seed}] [--tabs ${DEFAULTS.tabs}] [--ways ${KILL_WAYS.join(",")}]
  --spans 2   kill two tabs of the route at once
  --relay     stop the relay instead, and start it again after the answer
  --nobody    kill all tabs at once: the answer must say that it waits, and go on when a tab joins
  --layers N  use a synthetic model of N layers instead of the bundled one: with more tabs than layers, some tabs are spares
  --run N     do only run N of the seed, to look at a miss again`;

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: "string", default: String(DEFAULTS.runs) },
      seed: { type: "string", default: String(DEFAULTS.seed) },
      tabs: { type: "string" },
      ways: { type: "string", default: KILL_WAYS.join(",") },
      spans: { type: "string", default: "1" },
      layers: { type: "string" },
      run: { type: "string" },
      relay: { type: "boolean", default: false },
      nobody: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(HELP);
  const number = (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 0) throw new Error(`${text} is no whole number\n${HELP}`);
    return value;
  };
  const ways = values.ways.split(",").flatMap((name) => KILL_WAYS.find((way) => way === name) ?? []);
  if (ways.length === 0) throw new Error(`--ways must be a list of ${KILL_WAYS.join(", ")}`);
  const harm = values.relay ? "relay" : values.nobody ? "nobody" : "tabs";
  const tabs = number(values.tabs ?? String(harm === "nobody" ? DEFAULTS.nobodyTabs : DEFAULTS.tabs));
  const spans = harm === "nobody" ? tabs : number(values.spans);
  const runs = values.run === undefined ? Array.from({ length: number(values.runs) }, (_, index) => index) : [number(values.run)];
  const layers = values.layers === undefined ? undefined : number(values.layers);
  const shape = layers !== undefined ? { ...SMALL_SHAPE, layers } : harm === "nobody" ? NOBODY_SHAPE : undefined;
  const model = shape && (await ensureWideModel(shape));
  const report = await soakKills({ seed: number(values.seed), tabs, ways, spans, harm, model }, runs);
  console.log(JSON.stringify(report));
  if (report.same < report.runs) process.exitCode = 1;
}

/** Does the runs of a soak in a browser of its own. */
async function soakKills(
  options: Omit<KillSoakOptions, "browser" | "data">,
  runs: readonly number[],
): Promise<ReturnType<typeof reportKills>> {
  const data = await mkdtemp(path.join(tmpdir(), "manyhands-soak-"));
  const browser = await launchBrowser();
  const done: KillRun[] = [];
  try {
    const soak = await KillSoak.open({ ...options, browser, data });
    for (const index of runs) {
      const began = performance.now();
      const result = await soak.run(index);
      done.push(result);
      console.error(describe(result, performance.now() - began));
    }
    await soak.close();
  } finally {
    await browser.close();
    await rm(data, { recursive: true, force: true });
  }
  return reportKills(caseName(options), options.seed, done);
}

const caseName = ({ harm, spans }: Pick<KillSoakOptions, "harm" | "spans">): string =>
  harm !== "tabs" ? harm : spans === 1 ? "one tab" : `${spans} tabs at once`;

function describe({ run: index, ways, why, detectMs, resumeMs }: KillRun, tookMs: number): string {
  const ms = (value: number | undefined): string => (value === undefined ? "never" : `${value.toFixed(0)} ms`);
  const times = `noticed ${ms(detectMs)}, went on ${ms(resumeMs)}`;
  return `run ${index} (${ways.join(" and ") || "relay"}): ${why ?? "same text"}; ${times}; ${(tookMs / 1000).toFixed(1)} s in all`;
}
