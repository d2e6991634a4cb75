// Numbers as people read them: bytes, rates, durations, counts and spans of layers. Pure.
import type { Span } from "../../shared/ids.ts";

const UNITS = ["bytes", "kB", "MB", "GB", "TB"] as const;

/** `7.9 MB`: decimal units, as downloads are told everywhere else. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes) || bytes <= 0) return "0 bytes";
  let value = bytes;
  let unit = 0;
  // 999.5 would be told as "1000": round up into the next unit instead.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  const text = value.toFixed(digits);
  if (unit === 0) return text === "1" ? "1 byte" : `${text} bytes`;
  return `${text.replace(/\.0$/, "")} ${UNITS[unit]}`;
}

/** `1.2 MB/s`; empty while the rate is unknown (0). */
export function formatRate(bytesPerSecond: number): string {
  return bytesPerSecond > 0 && Number.isFinite(bytesPerSecond) ? `${formatBytes(bytesPerSecond)}/s` : "";
}

/** `8 s`, `3 min`, `1 h 20 min`, from seconds; never less than one second. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(1, Math.ceil(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}

/** What is left of a download at its present rate; empty while unknown or when nothing is left. */
export function formatTimeLeft(doneBytes: number, totalBytes: number, bytesPerSecond: number): string {
  const left = totalBytes - doneBytes;
  if (left <= 0 || !(bytesPerSecond > 0)) return "";
  return `about ${formatSeconds(left / bytesPerSecond)} left`;
}

/** `0.42 ms`, `3.1 ms`, `48 ms`, `1.4 s`. */
export function formatMs(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return "–";
  if (ms >= 999.5) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 9.95) return `${Math.round(ms)} ms`;
  return `${ms.toFixed(ms >= 0.995 ? 1 : 2)} ms`;
}

/** `41.3`, `8.02`: tokens a second, three figures at most. */
export function formatSpeed(perSecond: number): string {
  if (!(perSecond > 0) || !Number.isFinite(perSecond)) return "–";
  return perSecond.toFixed(perSecond >= 99.95 ? 0 : perSecond >= 9.995 ? 1 : 2);
}

/** `12,480` in the page's language (English). */
export const formatCount = (count: number): string => Math.round(count).toLocaleString("en");

/** `1 token`, `2 tokens`. */
export const plural = (count: number, one: string, many = `${one}s`): string => `${formatCount(count)} ${count === 1 ? one : many}`;

/** `layer 3` or `layers 0–2`: the last layer is named, although spans are half-open. */
export function formatLayers(span: Span): string {
  return span.end - span.start <= 1 ? `layer ${span.start}` : `layers ${span.start}–${span.end - 1}`;
}

/** `0-3`: a span as machines read it, half-open, for data attributes. */
export const spanKey = (span: Span): string => `${span.start}-${span.end}`;

/** `a`, `a and b`, `a, b and c`. */
export function joinWords(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;
}
