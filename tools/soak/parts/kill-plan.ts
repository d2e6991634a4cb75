// Plans one run of the kill soak. The same seed and the same number of the run give the same plan. Pure.
import { nextFraction, seedRandom } from "../../../src/model/text/random.ts";
import type { KillWay } from "../../browser/kill-tab.ts";

export interface KillPlan {
  /** Index of the prompt. */
  readonly prompt: number;
  /** Number of tokens of the answer after which the blow falls. */
  readonly atToken: number;
  /** For each tab that dies: how, and which of the hops that are left. */
  readonly blows: readonly { readonly way: KillWay; readonly pick: number }[];
}

export interface KillPlanOptions {
  readonly seed: number;
  readonly run: number;
  readonly ways: readonly KillWay[];
  /** Tabs killed at once. */
  readonly spans: number;
  /** Tokens of the undisturbed answer to each prompt. */
  readonly lengths: readonly number[];
}

/** Share of an answer within which the blow falls: the rest must be long enough that the blow lands before the end. */
const LAST_BLOW = 0.6;

export function planKill({ seed, run, ways, spans, lengths }: KillPlanOptions): KillPlan {
  let state = seedRandom(seed * 1_000_003 + run);
  const below = (count: number): number => {
    const drawn = nextFraction(state);
    state = drawn.state;
    return Math.floor(drawn.fraction * count);
  };
  const prompt = below(lengths.length);
  const atToken = 1 + below(Math.max(1, Math.floor((lengths[prompt] ?? 1) * LAST_BLOW)));
  const blows = Array.from({ length: spans }, () => ({ way: ways[below(ways.length)] ?? "close", pick: below(1 << 16) }));
  return { prompt, atToken, blows };
}

/** Picks as many different hops of `route` as there are blows. */
export function pickVictims<T>(route: readonly T[], plan: KillPlan): readonly { readonly victim: T; readonly way: KillWay }[] {
  const left = [...route];
  return plan.blows.flatMap(({ way, pick }) => left.splice(pick % Math.max(1, left.length), 1).map((victim) => ({ victim, way })));
}
