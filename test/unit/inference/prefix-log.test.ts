// The running hash: what it depends on, and which prefixes a log of it accepts.
import { describe, expect, it } from "vitest";
import { chainTokens, PrefixLog } from "../../../src/inference/log/prefix-log.ts";
import { HASH_BYTES } from "../../../src/protocol/session-frames.ts";

const ROOT = Uint8Array.from({ length: HASH_BYTES }, (_, i) => i);

describe("chainTokens", () => {
  it("is the same however the tokens are split", () => {
    const whole = chainTokens(ROOT, [5, 6, 7]);
    const head = chainTokens(ROOT, [5]);
    expect([...head, ...chainTokens(head, [6, 7])]).toEqual([...whole]);
  });
  it("depends on root, tokens and order", () => {
    const last = (chain: Uint8Array): string => chain.slice(-HASH_BYTES).join();
    const hashes = [
      chainTokens(ROOT, [1, 2]),
      chainTokens(ROOT, [2, 1]),
      chainTokens(ROOT, [1, 3]),
      chainTokens(new Uint8Array(HASH_BYTES), [1, 2]),
    ].map(last);
    expect(new Set(hashes).size).toBe(4);
  });
});

describe("PrefixLog", () => {
  it("knows every accepted prefix, over many positions, and forgets truncated ones", () => {
    const log = new PrefixLog(ROOT);
    const tokens = Array.from({ length: 300 }, (_, i) => i);
    const chain = chainTokens(ROOT, tokens);
    const at = (position: number): Uint8Array =>
      position === 0 ? ROOT : chain.subarray((position - 1) * HASH_BYTES, position * HASH_BYTES);
    for (const token of tokens) log.append(chain.subarray(token * HASH_BYTES, (token + 1) * HASH_BYTES));
    for (const position of [0, 1, 63, 64, 65, 299, 300]) expect(log.matches(position, at(position))).toBe(true);
    expect(log.matches(5, at(6))).toBe(false);
    expect(log.matches(301, at(300))).toBe(false);
    log.truncate(10);
    expect(log.positions).toBe(10);
    expect([...log.head]).toEqual([...at(10)]);
    expect(log.matches(11, at(11))).toBe(false);
  });
});
