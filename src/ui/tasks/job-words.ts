// A job in words: its progress, how many tabs compute it, what was checked, and what was caught. Pure.
import type { JobView } from "../../node/face.ts";
import { formatMs, formatSeconds, joinWords, plural } from "../parts/format.ts";

export const isOver = ({ state }: Pick<JobView, "state">): boolean => state === "done" || state === "failed" || state === "stopped";

/** Returns one sentence on the state of the job. It changes rarely enough for a screen reader to read it out. */
export function stateWords(job: JobView): string {
  switch (job.state) {
    case "waiting":
      return "Waiting: no tab computes tasks now, or all that do are busy.";
    case "running":
      return "Under way.";
    case "done":
      return `Done${timeWords(job)}.`;
    case "stopped":
      return `Stopped: ${plural(job.done, "part was", "parts were")} done, and ${job.done === 1 ? "is" : "are"} kept.`;
    case "failed":
      return job.problem?.message ?? "It failed.";
  }
}

const timeWords = ({ startedMs, endedMs }: JobView): string => {
  if (endedMs === undefined) return "";
  const ms = endedMs - startedMs;
  return ` in ${ms < 9950 ? formatMs(ms) : formatSeconds(ms / 1000)}`;
};

/** Returns progress and checks: `12 of 60 parts done by 2 tabs, 3 computing; 8 checked (…) and 2 known from before.` */
export function progressWords(job: JobView): string {
  const { parts, done, computing, peers, checked, cached } = job;
  const by = peers > 0 ? ` by ${plural(peers, "tab")}` : "";
  const now = computing > 0 ? `, ${computing.toLocaleString("en")} computing` : "";
  const more = [
    ...(checked > 0 ? [`${checked.toLocaleString("en")} checked (two or more tabs gave the same result)`] : []),
    ...(cached > 0 ? [`${cached.toLocaleString("en")} known from before`] : []),
  ];
  return `${done.toLocaleString("en")} of ${plural(parts, "part")} done${by}${now}${more.length === 0 ? "" : `; ${joinWords(more)}`}.`;
}

/** Returns how many wrong results were caught, in one sentence; empty if none was. */
export const wrongWords = ({ wrong }: JobView): string =>
  wrong === 0
    ? ""
    : `${plural(wrong, "wrong result was", "wrong results were")} caught and computed again; whoever gave ${wrong === 1 ? "it" : "them"} is no longer trusted.`;

/** Returns `today 14:05` or `21 Nov 14:05`. */
export function whenWords(ms: number, nowMs: number): string {
  const [then, now] = [new Date(ms), new Date(nowMs)];
  const time = then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (then.toDateString() === now.toDateString()) return `today ${time}`;
  return `${then.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${time}`;
}
