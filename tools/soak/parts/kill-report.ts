// Sums up the runs of a kill soak: how many texts were the same, and how soon a loss was noticed and the answer went
// on. Pure.
import { gaps, percentile } from "../../bench/parts/spread.ts";
import { firesPagehide, type KillWay } from "../../browser/kill-tab.ts";
import type { Moment } from "../../browser/answer-tap.ts";

export interface KillRun {
  readonly run: number;
  readonly ways: readonly KillWay[];
  /** Why the run is a miss; undefined if the text was exactly the undisturbed one. */
  readonly why: string | undefined;
  /** Milliseconds from the blow until the page noticed; undefined if it never said so. */
  readonly detectMs: number | undefined;
  /** Milliseconds from then until the answer went on, with the replay; undefined if it did not go on. */
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
 * Reads both times from the moments after the blow at `blowMs`. The node's `rerouted` event comes with the first logits
 * over the mended route, and its `resumeMs` says how long ago the loss was noticed. Without such an event, the loss was
 * noticed at the page's first message after the blow, and the time to go on is the longest wait between two tokens
 * after the blow.
 */
export function readTimes(moments: readonly Moment[], blowMs: number): Pick<KillRun, "detectMs" | "resumeMs"> {
  const after = moments.filter(({ atMs }) => atMs >= blowMs);
  const mended = after.flatMap(({ kind, atMs, data }) =>
    kind === "rerouted" && typeof data?.["resumeMs"] === "number" ? [{ atMs, resumeMs: data["resumeMs"] }] : [],
  );
  if (mended.length > 0) {
    const noticedMs = Math.min(...mended.map(({ atMs, resumeMs }) => atMs - resumeMs));
    return { detectMs: Math.max(0, noticedMs - blowMs), resumeMs: Math.max(...mended.map(({ resumeMs }) => resumeMs)) };
  }
  const word = after.find(({ kind }) => kind === "waiting" || kind === "failed");
  const tokens = [blowMs, ...after.filter(({ kind }) => kind === "token").map(({ atMs }) => atMs)];
  return {
    detectMs: word === undefined ? undefined : word.atMs - blowMs,
    resumeMs: tokens.length > 1 && after.at(-1)?.kind === "ended" ? Math.max(...gaps(tokens)) : undefined,
  };
}

/** Returns milliseconds with one decimal; undefined if there are no values. */
function times(values: readonly number[]): Times | undefined {
  if (values.length === 0) return undefined;
  const at = (share: number): number => Number(percentile(values, share).toFixed(1));
  return { median: at(0.5), p95: at(0.95) };
}
