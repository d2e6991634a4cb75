// Real tabs, one of which lies: it is caught, its work is computed again, its escrow is taken, the results are right.
import { makeLiar } from "../support/hostile/liar.ts";
import { makeRequester, type RequesterGlobal } from "../support/requester.ts";
import { asPeerId } from "../../src/shared/ids.ts";
import { meshAddress, volunteersOf } from "../../tools/browser/relay-swarm.ts";
import { expect, test } from "../support/relay-fixture.ts";

/** Numbers of one part of a sum. */
const BLOCK = 65_536;

test("a volunteer that lies is caught, its work redone, its escrow taken, and the answer is right", async ({ relay, openTab }) => {
  test.setTimeout(180_000);
  for (let n = 0; n < 2; n++) await (await openTab()).lend();
  const liar = await makeLiar(await openTab(), await meshAddress(relay));
  await expect.poll(() => volunteersOf(relay).length).toBe(3);
  const requesterTab = await openTab();
  await makeRequester(requesterTab, relay);
  await requesterTab.page.evaluate((all) => (globalThis as RequesterGlobal).requester.assignTo(all), volunteersOf(relay));

  /** Sums numbers that the page makes. Resolves with the sum, the right sum, the settled tasks and the caught peers. */
  const sum = (blocks: number, seed: number) =>
    requesterTab.page.evaluate(
      async ([count, first]) => {
        const { requester } = globalThis as RequesterGlobal;
        const floats = Array.from({ length: count }, (_, at) => (at * 48_271 + first) % 100_003);
        const before = requester.settled.length;
        const value = await requester.compute("sum", { floats });
        await requester.posted();
        const right = floats.reduce((total, number) => total + number, 0);
        return { value: Number(value), right, settled: requester.settled.slice(before), caught: [...requester.caught] };
      },
      [blocks * BLOCK, seed] as const,
    );

  // All volunteers are new to this requester, so two of them compute each part. At first the liar earns honestly.
  const honest = await sum(6, 1);
  expect(honest.value).toBe(honest.right);
  expect(honest.caught).toEqual([]);
  const account = () => relay.ledger.account(asPeerId(liar.peer));
  const before = await account();
  expect(before.escrow).toBeGreaterThan(0);

  await liar.lie(true);
  const lied = await sum(6, 2);
  expect(lied.value).toBe(lied.right);
  expect(new Set(lied.caught)).toEqual(new Set([liar.peer]));
  const redone = lied.settled.filter(({ wrong }) => wrong.length > 0);
  expect(redone.length).toBeGreaterThan(0);
  for (const { verdict, agreed, wrong } of redone) {
    expect(verdict).toBe("quorum");
    expect(wrong.map(({ peer }) => peer)).toEqual([liar.peer]);
    expect(agreed.map(({ peer }) => peer)).not.toContain(liar.peer);
  }
  const after = await account();
  expect(after.escrow).toBe(0);
  const taken = after.history.filter(({ why, part }) => why === "wrong" && part === "escrow");
  expect(taken.reduce((total, { amount }) => total + amount, 0)).toBeLessThanOrEqual(-before.escrow);
  expect((await relay.ledger.audit()).sum).toBe(0);
});
