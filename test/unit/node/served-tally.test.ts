// Sums of served steps for each requester: nothing is lost between two reports to the page.
import { expect, it } from "vitest";
import { ServedTally } from "../../../src/node/spans/served-tally.ts";
import { asPeerId } from "../../../src/shared/ids.ts";

it("sums by requester, and starts anew after the sums are taken", () => {
  const [ann, bob] = [asPeerId("ann-of-the-test"), asPeerId("bob-of-the-test")];
  const tally = new ServedTally();
  expect(tally.add({ requester: ann, positions: 32, computeMs: 5, isAudit: false })).toBe(true);
  expect(tally.add({ requester: bob, positions: 1, computeMs: 2, isAudit: false })).toBe(false);
  expect(tally.add({ requester: ann, positions: 1, computeMs: 1, isAudit: false })).toBe(false);
  expect(tally.take()).toEqual([
    { requester: ann, positions: 33, computeMs: 6, isAudit: false },
    { requester: bob, positions: 1, computeMs: 2, isAudit: false },
  ]);
  expect(tally.take()).toEqual([]);
  expect(tally.add({ requester: bob, positions: 1, computeMs: 2, isAudit: false })).toBe(true);
});
