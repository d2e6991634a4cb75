// The judgement over results, how often peers are checked, and how soon that catches a liar.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  afterAgreed,
  afterFault,
  afterWrong,
  checkChance,
  REPUTATION,
  faded,
  type Standing,
  STRANGER,
} from "../../../src/shared/reputation.ts";
import { judge, type Vote } from "../../../src/tasks/dispatch/judge-results.ts";
import { Random } from "../../../tools/sim/random.ts";

const votes = (digests: string): Vote[] => digests.split("").map((digest) => ({ digest }));
const replication = { quorum: 2, most: 5 };

describe("judge", () => {
  it.each([
    ["", true, { kind: "ask", more: 2 }],
    ["a", true, { kind: "ask", more: 1 }],
    ["a", false, { kind: "accepted", digest: "a", verdict: "unchecked" }],
    ["aa", true, { kind: "accepted", digest: "a", verdict: "quorum" }],
    ["ab", true, { kind: "ask", more: 1 }],
    ["aba", true, { kind: "accepted", digest: "a", verdict: "quorum" }],
    ["aabb", true, { kind: "ask", more: 1 }],
    ["aabbb", true, { kind: "accepted", digest: "b", verdict: "quorum" }],
    ["abcde", true, { kind: "split" }],
    ["ab", false, { kind: "ask", more: 1 }],
  ] as const)("of %j", (digests, isChecked, expected) => {
    expect(judge(votes(digests), isChecked, replication)).toEqual(expected);
  });

  it("accepts no result without a quorum, and none that another result equals in number", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 7 }), fc.integer({ min: 1, max: 4 }), (digests, quorum) => {
        const judgement = judge(votes(digests.join("")), true, { quorum, most: 7 });
        if (judgement.kind !== "accepted") return;
        const count = (digest: string): number => digests.filter((each) => each === digest).length;
        expect(count(judgement.digest)).toBeGreaterThanOrEqual(quorum);
        for (const other of new Set(digests)) if (other !== judgement.digest) expect(count(other)).toBeLessThan(count(judgement.digest));
      }),
    );
  });

  it("asks for as many replicas as settle the task if all give the leading result", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "b"), { maxLength: 6 }), (digests) => {
        const judgement = judge(votes(digests.join("")), true, { quorum: 2, most: 99 });
        if (judgement.kind !== "ask") return;
        const leading = digests.filter((each) => each === "a").length >= digests.filter((each) => each === "b").length ? "a" : "b";
        const after = judge(votes(digests.join("") + leading.repeat(judgement.more)), true, { quorum: 2, most: 99 });
        expect(after.kind).toBe("accepted");
      }),
    );
  });
});

const trusted = (count: number): Standing =>
  Array.from({ length: count }).reduce<Standing>((standing) => afterAgreed(standing, 0), STRANGER);

describe("standing", () => {
  it("has every result of newcomers checked, then 1 in n, and never fewer than the floor", () => {
    for (let n = 0; n < REPUTATION.always; n++) expect(checkChance(trusted(n), 0)).toBe(1);
    expect(checkChance(trusted(25), 0)).toBeCloseTo(1 / 25);
    expect(checkChance(trusted(10_000), 0)).toBe(REPUTATION.floor);
  });

  it("is a stranger's again after one wrong result", () => {
    expect(checkChance(afterWrong(trusted(1000), 0), 0)).toBe(1);
  });

  it("halves with a fault that no other peer had, and fades while there is nothing new", () => {
    expect(afterFault(trusted(100), 0).streak).toBe(50);
    expect(faded(trusted(100), REPUTATION.halfLifeMs).streak).toBeCloseTo(50);
    expect(checkChance(trusted(30), REPUTATION.halfLifeMs)).toBe(1);
  });

  it("catches a newcomer that cheats on a fifth of its tasks within 15 of them, 95 times in 100", () => {
    const random = new Random(1);
    const caughtAt = Array.from({ length: 20_000 }, () => {
      let standing = STRANGER;
      for (let task = 1; ; task++) {
        const isChecked = random.chance(checkChance(standing, 0));
        if (random.chance(0.2)) {
          if (isChecked) return task;
        } else if (isChecked) standing = afterAgreed(standing, 0);
      }
    }).sort((a, b) => a - b);
    expect(caughtAt[Math.floor(0.95 * caughtAt.length)]).toBeLessThanOrEqual(15);
  });
});
