// What distance costs: a 16 KB hop against the round trip, decoding against its bound, and the gain of drafts.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { AnswerTap, type TappedAnswer } from "../browser/answer-tap.ts";
import type { PathOptions } from "../browser/path-shaper.ts";
import { Swarm } from "../browser/swarm.ts";
import { PROXY_FLAGS, UdpProxy } from "../browser/udp-proxy.ts";
import { modelFolders, onBed, rounded, wholeNumber } from "./parts/bench-bed.ts";
import { HopPair } from "./parts/hop-pair.ts";
import { gaps, percentile, spread } from "./parts/spread.ts";

const DEFAULTS = Object.freeze({
  /** Round trip in milliseconds: across a continent. */
  rtt: "100",
  jitter: "0",
  /** Percent of packets. */
  loss: "0",
  tabs: "2",
  rounds: "5",
  tokens: "32",
  /** Tokens of an answer with and without drafts: it needs some before it repeats anything. */
  draftTokens: "64",
  model: "copying",
  /** How hidden states cross: float32, or float16 for half the bytes. */
  wire: "float32",
  /** Bytes of the timed hop: a hidden state of 4,096 floats. */
  hopBytes: 16_384,
  /** Bytes of a decode step's frame: the 768 floats of the synthetic model. */
  stepBytes: 3_072,
  /** Pings in a round, and the milliseconds between two of them: as many as between two steps. */
  pings: 10,
  pauseMs: 20,
  answerMs: 300_000,
});

const PROMPT = "Once upon a time, there was a little girl named Lily. She loved to play outside in the park with her friends.";
/** Prompts whose answers repeat them, and other prompts. */
const PROMPTS_FILE = path.join(import.meta.dirname, "parts", "repeating-prompts.json");

const OTHER = "other";

interface PromptList {
  readonly repeating: readonly { readonly kind: string; readonly prompt: string }[];
  readonly other: readonly string[];
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rtt: { type: "string", default: DEFAULTS.rtt },
      jitter: { type: "string", default: DEFAULTS.jitter },
      loss: { type: "string", default: DEFAULTS.loss },
      tabs: { type: "string", default: DEFAULTS.tabs },
      rounds: { type: "string", default: DEFAULTS.rounds },
      tokens: { type: "string", default: DEFAULTS.tokens },
      "draft-tokens": { type: "string", default: DEFAULTS.draftTokens },
      model: { type: "string", default: DEFAULTS.model },
      wire: { type: "string", default: DEFAULTS.wire },
    },
  });
  const rttMs = wholeNumber("rtt", values.rtt);
  const [tabs, rounds, tokens] = [
    wholeNumber("tabs", values.tabs, 2),
    wholeNumber("rounds", values.rounds),
    wholeNumber("tokens", values.tokens, 8),
  ];
  const models = await modelFolders(values.model);
  const far: PathOptions = { delayMs: rttMs / 2, jitterMs: wholeNumber("jitter", values.jitter, 0), loss: Number(values.loss) / 100 };
  let current: PathOptions = { delayMs: 0 };
  const proxy = new UdpProxy({ path: () => current, random: Math.random });
  await onBed(PROXY_FLAGS, async ({ browser, folder }) => {
    let named = 0;
    const swarm = await Swarm.open(
      { browser, data: folder("relay"), models, prepare: (context) => proxy.attach(context, `tab-${++named}`) },
      tabs,
    );
    const asking = swarm.lenders[0]?.tab;
    if (!asking) throw new Error("no tab to ask");
    const tap = await AnswerTap.attach(asking, { live: false });
    const pair = await HopPair.open(browser, swarm.relay, (context, name) => proxy.attach(context, name));
    const bench = new DistanceBench({ tap, pair, tabs, tokens, rttMs, wire: values.wire, model: await asking.modelName() });
    const draftTokens = wholeNumber("draft-tokens", values["draft-tokens"], 8);
    await bench.warm(); // connections are made while the path is short
    current = far;
    for (let round = 0; round <= rounds; round++) await bench.round(round);
    bench.report();
    const prompts = JSON.parse(await readFile(PROMPTS_FILE, "utf8")) as PromptList; // a file of our own
    await bench.drafts(prompts, draftTokens);
    await pair.close();
    await swarm.close();
  });
  await proxy.stop();
}

interface DistanceOptions {
  readonly tap: AnswerTap;
  readonly pair: HopPair;
  readonly tabs: number;
  readonly tokens: number;
  readonly rttMs: number;
  readonly wire: string;
  readonly model: string;
}

class DistanceBench {
  readonly #options: DistanceOptions;
  /** Round trip of a packet over the path in milliseconds, by a bare channel. */
  readonly #pingMs: number[] = [];
  readonly #hopMs: number[] = [];
  readonly #hopRoundTripMs: number[] = [];
  readonly #rawHopMs: number[] = [];
  readonly #stepHopMs: number[] = [];
  readonly #tokenMs: number[] = [];
  readonly #computeMs: number[] = [];

  constructor(options: DistanceOptions) {
    this.#options = options;
  }

  async warm(): Promise<void> {
    await this.#options.pair.link("rtc", DEFAULTS.hopBytes, DEFAULTS.pings);
    await this.#ask(PROMPT, { drafts: false });
  }

  /** Measures hops and an answer, interleaved. The first round warms the connections up and does not count. */
  async round(round: number): Promise<void> {
    const { pair } = this.#options;
    const { hopBytes, stepBytes, pings, pauseMs } = DEFAULTS;
    const tiny = await pair.raw(64, pings);
    const hops = await pair.link("rtc", hopBytes, pings, pauseMs);
    const raw = await pair.raw(hopBytes, pings);
    const steps = await pair.link("rtc", stepBytes, pings, pauseMs);
    const answer = await this.#ask(PROMPT, { drafts: false });
    if (round === 0) return;
    this.#pingMs.push(...tiny.map(({ roundTripMs }) => roundTripMs));
    this.#hopMs.push(...hops.map(({ thereMs }) => thereMs));
    this.#hopRoundTripMs.push(...hops.map(({ roundTripMs }) => roundTripMs));
    this.#rawHopMs.push(...raw.map(({ thereMs }) => thereMs));
    this.#stepHopMs.push(...steps.map(({ thereMs }) => thereMs));
    this.#tokenMs.push(...gaps(answer.tokenTimes));
    this.#computeMs.push(computeOf(answer));
    console.error(
      `round ${round}: a ${hopBytes}-byte hop ${spread(hops.map(({ thereMs }) => thereMs)).median} ms, a token ${spread(gaps(answer.tokenTimes)).median} ms`,
    );
  }

  report(): void {
    const { rttMs, tabs, model } = this.#options;
    const hopMs = spread(this.#hopMs);
    this.#print({
      case: "hop",
      bytes: DEFAULTS.hopBytes,
      pingMs: spread(this.#pingMs),
      oneWayMs: { ...hopMs, p95: rounded(percentile(this.#hopMs, 0.95), 1) },
      roundTripMs: spread(this.#hopRoundTripMs),
      rawOneWayMs: spread(this.#rawHopMs),
      oneWayToRtt: rounded(hopMs.median / rttMs, 3),
    });
    const [tokenMs, computeMs, stepHopMs] = [spread(this.#tokenMs), spread(this.#computeMs), spread(this.#stepHopMs)];
    // A lap starts at the tab that asks, which holds the first span, and goes through the other tabs and back: one hop
    // a tab.
    const boundMs = computeMs.median + tabs * stepHopMs.median;
    this.#print({
      case: "decode",
      model,
      wire: this.#options.wire,
      tabs,
      tokensPerSecond: rounded(1000 / tokenMs.median, 2),
      tokenMs,
      computeMs,
      hopMs: stepHopMs,
      ofBound: rounded(boundMs / tokenMs.median, 3),
    });
  }

  /**
   * Asks the same prompts with and without drafts. The text must be the same; the speeds are compared by kind of
   * prompt.
   */
  async drafts({ repeating, other }: PromptList, maxTokens: number): Promise<void> {
    const ratios = new Map<string, number[]>();
    let same = 0;
    for (const { kind, prompt } of [...repeating, ...other.map((prompt) => ({ prompt, kind: OTHER }))]) {
      const [plain, drafted] = [
        await this.#ask(prompt, { drafts: false, maxTokens }),
        await this.#ask(prompt, { drafts: true, maxTokens }),
      ];
      if (JSON.stringify(plain.tokens) === JSON.stringify(drafted.tokens)) same++;
      const ratio = paceOf(drafted) / paceOf(plain);
      ratios.set(kind, [...(ratios.get(kind) ?? []), ratio]);
      console.error(`${kind}: ${ratio.toFixed(2)} times as fast with drafts`);
    }
    const repeated = [...ratios].flatMap(([kind, each]) => (kind === OTHER ? [] : each));
    this.#print({
      case: "drafts",
      model: this.#options.model,
      prompts: repeating.length + other.length,
      same,
      repeating: spread(repeated),
      other: spread(ratios.get(OTHER) ?? []),
      kinds: Object.fromEntries([...ratios].map(([kind, each]) => [kind, spread(each)])),
    });
  }

  async #ask(prompt: string, extra: Readonly<Record<string, unknown>>): Promise<TappedAnswer> {
    const { tap, tokens, tabs, wire } = this.#options;
    const answer = await tap.ask(prompt, { maxTokens: tokens, wire, ...extra });
    await answer.end(DEFAULTS.answerMs);
    if (answer.problem !== "") throw new Error(`the answer failed: ${answer.problem}`);
    if (answer.hops.length !== tabs) throw new Error(`the answer came over ${answer.hops.length} of ${tabs} tabs`);
    return answer;
  }

  #print(line: Readonly<Record<string, unknown>>): void {
    console.log(JSON.stringify({ bench: "distance", rttMs: this.#options.rttMs, ...line }));
  }
}

/** Returns the milliseconds of compute for one token, of all spans together. */
const computeOf = ({ hops }: TappedAnswer): number => hops.reduce((sum, { computeMs }) => sum + computeMs, 0);

/** Returns the tokens per second after the first token. */
function paceOf({ tokenTimes }: TappedAnswer): number {
  return (1000 * (tokenTimes.length - 1)) / ((tokenTimes.at(-1) ?? Number.NaN) - (tokenTimes[0] ?? Number.NaN));
}
