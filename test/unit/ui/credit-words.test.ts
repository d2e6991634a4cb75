// Credit in words: amounts of every size, why each amount moved, and what an escrow waits for.
import { describe, expect, test } from "vitest";
import type { CreditState, HistoryRow } from "../../../src/node/face.ts";
import { factsOf } from "../../../src/tasks/kinds/find-kind.ts";
import {
  escrowWords,
  formatCredits,
  formatMove,
  gatherMoves,
  moveWords,
  pendingWords,
  jobWords,
} from "../../../src/ui/credit/credit-words.ts";

const parts = (kind: string) => factsOf(kind)?.part;

test.each([
  [0, "0"],
  [40, "0.00004"],
  [4000, "0.004"],
  [123_456, "0.123"],
  [1_000_000, "1"],
  [8_254_000, "8.25"],
  [120_400_000, "120"],
  [2_000_000_000, "2,000"],
])("%i microcredits are %s", (micro, text) => {
  expect(formatCredits(micro)).toBe(text);
});

test("moves have a sign", () => {
  expect([formatMove(4000), formatMove(-4000)]).toEqual(["+0.004", "−0.004"]);
});

const row = (why: string, part: HistoryRow["part"], amount: number): HistoryRow => ({
  event: 1,
  atMs: 0,
  why,
  part,
  amount,
  about: "map bafyreib4x7k2qa",
});
test.each([
  [row("receipt", "available", 5), /^Earned: 1 batch of inputs of a program$/],
  [row("receipt", "available", -5), /^Paid: 1 batch of inputs/],
  [row("receipt", "escrow", 5), /in escrow/],
  [row("trusted", "available", 5), /released/],
  [row("wrong", "escrow", -5), /wrong/],
  [row("reserve", "reserved", 5), /Set aside/],
  [row("expire", "available", 5), /its time ran out/],
  [row("storage", "available", 5), /rare layers/],
  [row("something new", "available", 5), /^something new: 1 batch of inputs/],
])("%j has its words", (move, words) => {
  expect(moveWords(move, parts)).toMatch(words);
});

test.each([
  ["render bafyreib4x7k2qa", "1 square of a picture"],
  ["12 tokens through layers 0 to 3", "12 tokens through layers 0 to 3"],
  ["tile abab12", "tile abab12"],
  ["constructor bafyreib4x7k2qa", "constructor bafyreib4x7k2qa"],
  ["", ""],
])("%j becomes %j", (about, words) => {
  expect(jobWords(about, parts)).toBe(words);
});

test("moves of one kind of task at about the same time share a line, and others have a line each", () => {
  const move = (about: string, atMs: number, more: Partial<HistoryRow> = {}): HistoryRow => ({
    ...row("receipt", "available", 5),
    about,
    atMs,
    ...more,
  });
  const hour = 3_600_000;
  const moves = [
    move("render bafya", 3 * hour),
    move("render bafya", 3 * hour, { part: "escrow" }),
    move("render bafyb", 3 * hour - 1000),
    move("render bafyb", 3 * hour - 1000, { part: "escrow" }),
    move("render bafyc", 3 * hour - 2000, { amount: -2 }),
    move("12 tokens through layers 0 to 3", 3 * hour - 3000),
    move("12 tokens through layers 0 to 3", 3 * hour - 4000),
    move("render bafyd", hour),
  ];
  expect(gatherMoves(moves, parts).map(({ row: newest, count, amount }) => [moveWords(newest, parts, count), amount])).toEqual([
    ["Earned: 2 squares of pictures", 10],
    ["Earned, in escrow: 2 squares of pictures", 10],
    ["Paid: 1 square of a picture", -2],
    ["Earned: 12 tokens through layers 0 to 3", 5],
    ["Earned: 12 tokens through layers 0 to 3", 5],
    ["Earned: 1 square of a picture", 5],
  ]);
});

describe("credit that waits", () => {
  const account = {
    available: 0,
    escrow: 5,
    reserved: 0,
    starterLeft: 0,
    isTrusted: false,
    checksToTrust: 3,
    requestersToTrust: 1,
    nowMs: 0,
    history: [],
  };
  const state = (change: Partial<CreditState>): CreditState => ({ account, waiting: 0, isKept: true, ...change });
  test("in escrow, until the peer is trusted", () => {
    expect(escrowWords(state({}))).toMatch(/3 more results .* and 1 more peer /);
    expect(escrowWords(state({ account: { ...account, isTrusted: true } }))).toBe("");
  });
  test("in receipts, with a word on whether they outlive the page", () => {
    expect(pendingWords(state({}))).toBe("");
    expect(pendingWords(state({ waiting: 1 }))).toMatch(/^1 receipt waits .* kept in this browser/);
    expect(pendingWords(state({ waiting: 2, isKept: false }))).toMatch(/^2 receipts wait .* lost/);
  });
});
