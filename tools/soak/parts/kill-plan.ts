// What one run of the kill soak does, drawn from the soak's seed and the run's number: the same two, the same run. Pure.
import { nextFraction, seedRandom } from "../../../src/model/text/random.ts";
import type { KillWay } from "../../browser/kill-tab.ts";

export interface KillPlan {
  /** Which of the prompts. */
  readonly prompt: number;
  /** Tokens of the answer after which the blow falls. */
  readonly atToken: number;
  /** For each tab that dies: how, and which hop of the route, from those that are left. */
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

/** Share of an answer within which the blow falls: what is left must be long enough to be in the middle of it still. */
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

/** Takes as many of `route` as there are blows, each once. */
export function pickVictims<T>(route: readonly T[], plan: KillPlan): readonly { readonly victim: T; readonly way: KillWay }[] {
  const left = [...route];
  return plan.blows.flatMap(({ way, pick }) => left.splice(pick % Math.max(1, left.length), 1).map((victim) => ({ victim, way })));
}
