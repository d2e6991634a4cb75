// What the runs of a kill soak came to: how many texts were the same, how soon a loss was noticed and the answer went on. Pure.
import { firesPagehide, type KillWay } from "../browser/kill-tab.ts";
import type { Moment } from "../browser/answer-tap.ts";

export interface KillRun {
  readonly run: number;
  readonly ways: readonly KillWay[];
  /** Why the run is a miss; undefined where the text was exactly the undisturbed one. */
  readonly why: string | undefined;
  /** Milliseconds from the blow until the page knew; undefined where it never said. */
  readonly detectMs: number | undefined;
  /** Milliseconds from knowing until the answer went on, without the replay; undefined where it did not go on. */
  readonly resumeMs: number | undefined;
}

interface Times {
  readonly median: number;
  readonly p95: number;
}

export interface KillReport {
  readonly soak: "kill";
  readonly case: string;
  readonly seed: number;
  readonly runs: number;
  readonly same: number;
  readonly detectMs: { readonly pagehide: Times | undefined; readonly other: Times | undefined };
  readonly resumeMs: Times | undefined;
  readonly misses: readonly { readonly seed: number; readonly run: number; readonly why: string }[];
}

export function reportKills(name: string, seed: number, runs: readonly KillRun[]): KillReport {
  const detected = (pagehide: boolean): Times | undefined =>
    times(runs.flatMap(({ ways, detectMs }) => (ways.every(firesPagehide) === pagehide && detectMs !== undefined ? [detectMs] : [])));
  return {
    soak: "kill",
    case: name,
    seed,
    runs: runs.length,
    same: runs.filter(({ why }) => why === undefined).length,
    detectMs: { pagehide: detected(true), other: detected(false) },
    resumeMs: times(runs.flatMap(({ resumeMs }) => resumeMs ?? [])),
    misses: runs.flatMap(({ run, why }) => (why === undefined ? [] : [{ seed, run, why }])),
  };
}

/**
 * Reads both times from what the page saw after the blow at `blowMs`. The node's `rerouted` event, where it has come, says
 * how long noticing, going on and the replay took (`detectMs`, `resumeMs`, `replayMs`); without one noticing is the first
 * word of the page after the blow, and going on the longest wait between two tokens after it.
 */
export function readTimes(moments: readonly Moment[], blowMs: number): Pick<KillRun, "detectMs" | "resumeMs"> {
  const after = moments.filter(({ atMs }) => atMs >= blowMs);
  const rerouted = after.filter(({ kind }) => kind === "rerouted");
  if (rerouted.length > 0) {
    const longest = (name: string): number | undefined => {
      const given = rerouted.flatMap(({ data }) => (typeof data?.[name] === "number" ? [data[name]] : []));
      return given.length > 0 ? Math.max(...given) : undefined;
    };
    const resumeMs = longest("resumeMs");
    return { detectMs: longest("detectMs"), resumeMs: resumeMs === undefined ? undefined : resumeMs - (longest("replayMs") ?? 0) };
  }
  const word = after.find(({ kind }) => kind === "waiting" || kind === "failed");
  const tokens = [blowMs, ...after.filter(({ kind }) => kind === "token").map(({ atMs }) => atMs)];
  const gaps = tokens.slice(1).map((at, index) => at - (tokens[index] ?? at));
  return {
    detectMs: word === undefined ? undefined : word.atMs - blowMs,
    resumeMs: gaps.length > 0 && after.at(-1)?.kind === "ended" ? Math.max(...gaps) : undefined,
  };
}

/** Undefined of nothing; the 95th percentile is the smallest value that at least 95 % do not exceed. Milliseconds, one decimal. */
function times(values: readonly number[]): Times | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => Number((sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN).toFixed(1));
  return { median: at(0.5), p95: at(0.95) };
}
