// A work in words: how far it is, who computes, what was checked and who was caught. Pure.
import type { JobView } from "../../node/face.ts";
import { formatMs, formatSeconds, joinWords, plural } from "../parts/format.ts";

export const isOver = ({ state }: Pick<JobView, "state">): boolean => state === "done" || state === "failed" || state === "stopped";

/** One sentence on where it stands. Changes rarely enough to be read out. */
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

/** Parts, peers and checks: `12 of 60 parts done by 2 tabs, 3 computing; 8 checked: …`. */
export function progressWords(job: JobView): string {
  const { parts, done, computing, peers, checked, cached } = job;
  const by = peers > 0 ? ` by ${plural(peers, "tab")}` : "";
  const now = computing > 0 ? `, ${computing.toLocaleString("en")} computing` : "";
  const more = [
    ...(checked > 0 ? [`${checked.toLocaleString("en")} checked: two tabs or more gave the same result`] : []),
    ...(cached > 0 ? [`${cached.toLocaleString("en")} known from before`] : []),
  ];
  return `${done.toLocaleString("en")} of ${plural(parts, "part")} done${by}${now}${more.length === 0 ? "" : `; ${joinWords(more)}`}.`;
}

/** Empty where nobody was caught. */
export const wrongWords = ({ wrong }: JobView): string =>
  wrong === 0
    ? ""
    : `${plural(wrong, "wrong result was", "wrong results were")} caught and computed again; whoever gave ${wrong === 1 ? "it" : "them"} is no longer trusted.`;

/** `today 14:05`, `21 Nov 14:05`. */
export function whenWords(ms: number, nowMs: number): string {
  const [then, now] = [new Date(ms), new Date(nowMs)];
  const time = then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (then.toDateString() === now.toDateString()) return `today ${time}`;
  return `${then.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${time}`;
}
