// Numbers as people read them.
import { describe, expect, it } from "vitest";
import {
  formatBytes,
  formatLayers,
  formatMs,
  formatRate,
  formatSeconds,
  formatSpeed,
  formatTimeLeft,
  joinWords,
  plural,
  spanKey,
} from "../../../src/ui/parts/format.ts";

describe("formatBytes", () => {
  it.each([
    [0, "0 bytes"],
    [-5, "0 bytes"],
    [Number.NaN, "0 bytes"],
    [1, "1 byte"],
    [999, "999 bytes"],
    [1000, "1 kB"],
    [999_600, "1 MB"],
    [7_900_000, "7.9 MB"],
    [123_456_789, "123 MB"],
    [4e15, "4000 TB"],
  ])("%d is %s", (bytes, text) => expect(formatBytes(bytes)).toBe(text));
});

describe("rates and durations", () => {
  it("says nothing of an unknown rate", () => {
    expect(formatRate(0)).toBe("");
    expect(formatTimeLeft(10, 100, 0)).toBe("");
    expect(formatTimeLeft(100, 100, 5)).toBe("");
  });
  it("says how much time is left", () => expect(formatTimeLeft(1e6, 7e6, 1e6)).toBe("about 6 s left"));
  it.each([
    [0.2, "1 s"],
    [89, "89 s"],
    [90, "2 min"],
    [3600, "1 h"],
    [4800, "1 h 20 min"],
  ])("%d seconds are %s", (seconds, text) => expect(formatSeconds(seconds)).toBe(text));
  it.each([
    [0.424, "0.42 ms"],
    [3.14, "3.1 ms"],
    [9.96, "10 ms"],
    [48.4, "48 ms"],
    [1400, "1.4 s"],
    [-1, "–"],
  ])("%d ms are %s", (ms, text) => expect(formatMs(ms)).toBe(text));
  it.each([
    [0, "–"],
    [8.017, "8.02"],
    [41.26, "41.3"],
    [111.2, "111"],
  ])("%d a second is %s", (speed, text) => expect(formatSpeed(speed)).toBe(text));
});

describe("spans and words", () => {
  it("names the last layer, although spans are half-open", () => {
    expect(formatLayers({ start: 0, end: 3 })).toBe("layers 0–2");
    expect(formatLayers({ start: 7, end: 8 })).toBe("layer 7");
    expect(spanKey({ start: 0, end: 3 })).toBe("0-3");
  });
  it("counts", () => {
    expect(plural(1, "tab")).toBe("1 tab");
    expect(plural(1200, "tab")).toBe("1,200 tabs");
    expect(plural(2, "tab holds", "tabs hold")).toBe("2 tabs hold");
    expect(joinWords([])).toBe("");
    expect(joinWords(["a", "b", "c"])).toBe("a, b and c");
  });
});
