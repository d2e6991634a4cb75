// Runs answers over real tabs and kills tabs in the middle: each text must be exactly the undisturbed one.
import type { Browser } from "playwright-core";
import { AnswerTap, type TappedAnswer } from "../../browser/answer-tap.ts";
import { killTab, type KillWay } from "../../browser/kill-tab.ts";
import { type Lender, Swarm } from "../../browser/swarm.ts";
import { type KillPlan, pickVictims, planKill } from "./kill-plan.ts";
import { type KillRun, readTimes } from "./kill-report.ts";

const DEFAULTS = Object.freeze({
  /** New tokens of an answer: long enough that a blow lands in the middle. */
  tokens: 120,
  /** Tokens below which an answer is too short to be hit in the middle. */
  fewestTokens: 60,
  /** Milliseconds for an undisturbed answer, on a busy machine. */
  answerMs: 60_000,
  /** Milliseconds from the blow to the end of the answer. */
  goOnMs: 60_000,
  /** Milliseconds within which the page must say that it waits for a peer. */
  sayMs: 20_000,
  /** Milliseconds without any lender before a tab joins. */
  nobodyMs: 1_000,
});

/** Openings that the bundled model continues at length. */
const PROMPTS = Object.freeze([
  "Once upon a time",
  "A small robot named Pip lived in a lighthouse.",
  "The moon",
  "It was raining, and the cat",
  "One day, a boy named Max had 3 red balls and 2 blue ones.",
]);

export interface KillSoakOptions {
  readonly browser: Browser;
  /** Folder of this soak alone. */
  readonly data: string;
  /** Model folder; undefined for the bundled model. */
  readonly model: string | undefined;
  /** Tabs that lend, spares included. */
  readonly tabs: number;
  readonly seed: number;
  readonly ways: readonly KillWay[];
  /**
   * `tabs` kills as many tabs at once as `spans` says, and others take over. `relay` stops the relay and starts it
   * again. `nobody` kills all tabs, and one joins later.
   */
  readonly harm: "tabs" | "relay" | "nobody";
  readonly spans: number;
}

export class KillSoak {
  readonly #options: KillSoakOptions;
  readonly #swarm: Swarm;
  #requester: AnswerTap;
  readonly #undisturbed: (readonly [prompt: string, tokens: readonly number[]])[] = [];

  private constructor(options: KillSoakOptions, swarm: Swarm, requester: AnswerTap) {
    this.#options = options;
    this.#swarm = swarm;
    this.#requester = requester;
  }

  /** Opens the swarm and asks for every undisturbed answer. */
  static async open(options: KillSoakOptions): Promise<KillSoak> {
    const { browser, data, model } = options;
    // A small model answers very fast. Its tabs lend a tenth of their compute, so that a blow lands in the middle.
    const share = options.harm === "nobody" ? 1 : 0.1;
    const swarm = await Swarm.open({ browser, data, share, ...(model !== undefined && { models: [model] }) }, options.tabs);
    const soak = new KillSoak(options, swarm, await AnswerTap.attach(await swarm.visitor(), { live: true }));
    for (const prompt of PROMPTS) {
      const answer = await soak.#requester.ask(prompt, { maxTokens: DEFAULTS.tokens });
      await answer.end(DEFAULTS.answerMs);
      if (answer.problem !== "") throw new Error(`the undisturbed answer failed: ${answer.problem}`);
      if (answer.tokens.length >= DEFAULTS.fewestTokens) soak.#undisturbed.push([prompt, answer.tokens]);
    }
    if (soak.#undisturbed.length === 0) throw new Error(`no answer has ${DEFAULTS.fewestTokens} tokens: none can be hit in the middle`);
    return soak;
  }

  /** Asks once, with the blow that is planned. Afterwards the swarm is as large as before. */
  async run(run: number): Promise<KillRun> {
    const { seed, ways, spans, tabs, harm } = this.#options;
    const plan = planKill({ seed, run, ways, spans, lengths: this.#undisturbed.map(([, tokens]) => tokens.length) });
    const [prompt, expected] = this.#undisturbed[plan.prompt] ?? ["", []];
    const answer = await this.#requester.ask(prompt, { maxTokens: DEFAULTS.tokens });
    let blowMs = Number.NaN;
    let why: string | undefined;
    try {
      await answer.until(`token ${plan.atToken}`, DEFAULTS.answerMs, ({ tokens }) => tokens.length >= plan.atToken);
      blowMs = await this.#strike(answer, plan);
      if (answer.ended && answer.problem === "") why = `the answer was over before the blow at token ${plan.atToken} had landed`;
      if (harm === "nobody") await this.#waitsAndGoesOn(answer, blowMs);
      await answer.end(DEFAULTS.goOnMs);
      if (answer.problem !== "") why = answer.problem;
      if (harm === "relay" && answer.moments.some(({ kind, atMs }) => kind === "waiting" && atMs > blowMs)) why = "the answer waited";
      why ??= difference(answer, expected);
    } catch (error) {
      why ??= error instanceof Error ? error.message : String(error);
    }
    if (harm === "relay") await this.#swarm.restartRelay();
    await this.#swarm.fill(tabs);
    if (why !== undefined) await this.#replaceRequester();
    const struck = harm === "relay" ? [] : plan.blows.map(({ way }) => way);
    return { run, ways: struck, why: why && `${describe(plan, harm)}: ${why}`, ...readTimes(answer.moments, blowMs) };
  }

  async close(): Promise<void> {
    await this.#swarm.close();
  }

  /** Resolves with the time of the blow; of the first if there are several. */
  async #strike(answer: TappedAnswer, plan: KillPlan): Promise<number> {
    const beganMs = performance.timeOrigin + performance.now();
    if (this.#options.harm === "relay") {
      await this.#swarm.stopRelay();
      return beganMs;
    }
    const route = answer.hops.flatMap(({ peer }) => this.#swarm.lenders.find((lender) => lender.peer === peer) ?? []);
    const victims: readonly { readonly victim: Lender; readonly way: KillWay }[] =
      this.#options.harm === "nobody"
        ? this.#swarm.lenders.map((victim, index) => ({ victim, way: plan.blows[index % plan.blows.length]?.way ?? "close" }))
        : pickVictims(route, plan);
    if (victims.length < plan.blows.length) throw new Error(`the route has ${route.length} tabs, too few to kill ${plan.blows.length}`);
    const blows = await Promise.all(victims.map(({ victim, way }) => killTab(victim.tab, way, victim.pid)));
    await this.#swarm.remove(victims.map(({ victim }) => victim));
    return Math.min(...blows);
  }

  /** Checks that the page says that it waits, that the answer does not end, and that it goes on when a tab joins. */
  async #waitsAndGoesOn(answer: TappedAnswer, blowMs: number): Promise<void> {
    await answer.until("a message that the answer waits", DEFAULTS.sayMs, ({ moments }) =>
      moments.some(({ kind, atMs }) => kind === "waiting" && atMs > blowMs),
    );
    await new Promise((resolve) => setTimeout(resolve, DEFAULTS.nobodyMs));
    if (answer.ended) throw new Error("the answer ended although no lender was left");
    await this.#swarm.fill(1);
  }

  /** Takes a new tab as the requester: after a miss, nothing of the old answer may affect the next run. */
  async #replaceRequester(): Promise<void> {
    await this.#requester.stop();
    this.#requester = await AnswerTap.attach(await this.#swarm.visitor(), { live: true });
  }
}

function difference({ tokens }: TappedAnswer, expected: readonly number[]): string | undefined {
  const at = expected.findIndex((token, index) => token !== tokens[index]);
  if (at >= 0) return `another text from token ${at} on (${tokens.length} tokens, undisturbed ${expected.length})`;
  return tokens.length > expected.length ? `${tokens.length - expected.length} tokens too many` : undefined;
}

const describe = ({ blows, atToken }: KillPlan, harm: KillSoakOptions["harm"]): string =>
  `${harm === "relay" ? "relay stopped" : blows.map(({ way }) => way).join(" and ")} at token ${atToken}`;
