// Numbers as people read them: bytes, rates, durations, counts and spans of layers. Pure.
import type { Span } from "../../shared/ids.ts";

const UNITS = ["bytes", "kB", "MB", "GB", "TB"] as const;

/** Returns `7.9 MB`: decimal units, as everywhere else for downloads. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes) || bytes <= 0) return "0 bytes";
  let value = bytes;
  let unit = 0;
  // 999.5 would be shown as "1000": it goes into the next unit instead.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  const text = value.toFixed(digits);
  if (unit === 0) return text === "1" ? "1 byte" : `${text} bytes`;
  return `${text.replace(/\.0$/, "")} ${UNITS[unit]}`;
}

/** Returns `1.2 MB/s`; empty while the rate is unknown (0). */
export function formatRate(bytesPerSecond: number): string {
  return bytesPerSecond > 0 && Number.isFinite(bytesPerSecond) ? `${formatBytes(bytesPerSecond)}/s` : "";
}

/** Returns `8 s`, `3 min` or `1 h 20 min`; never less than one second. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(1, Math.ceil(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return rest === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}

/** Returns the time that is left of a download at its present rate; empty if it is unknown or nothing is left. */
export function formatTimeLeft(doneBytes: number, totalBytes: number, bytesPerSecond: number): string {
  const left = totalBytes - doneBytes;
  if (left <= 0 || !(bytesPerSecond > 0)) return "";
  return `about ${formatSeconds(left / bytesPerSecond)} left`;
}

/** Returns `0.42 ms`, `3.1 ms`, `48 ms` or `1.4 s`. */
export function formatMs(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return "–";
  if (ms >= 999.5) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 9.95) return `${Math.round(ms)} ms`;
  return `${ms.toFixed(ms >= 0.995 ? 1 : 2)} ms`;
}

/** Returns tokens per second with three figures at most: `41.3`, `8.02`. */
export function formatSpeed(perSecond: number): string {
  if (!(perSecond > 0) || !Number.isFinite(perSecond)) return "–";
  return perSecond.toFixed(perSecond >= 99.95 ? 0 : perSecond >= 9.995 ? 1 : 2);
}

/** Returns `12,480`, as the page's language (English) writes it. */
export const formatCount = (count: number): string => Math.round(count).toLocaleString("en");

/** Returns `1 token` or `2 tokens`. */
export const plural = (count: number, one: string, many = `${one}s`): string => `${formatCount(count)} ${count === 1 ? one : many}`;

/** Returns `layer 3` or `layers 0–2`. It names the last layer, although spans are half-open. */
export function formatLayers(span: Span): string {
  return span.end - span.start <= 1 ? `layer ${span.start}` : `layers ${span.start}–${span.end - 1}`;
}

/** Returns `0-3`: a span as machines read it, half-open, for data attributes. */
export const spanKey = (span: Span): string => `${span.start}-${span.end}`;

/** Returns `a`, `a and b` or `a, b and c`. */
export function joinWords(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;
}
