// Two tabs of one profile: each has a key of its own, both serve, and a reloaded tab comes back as the same peer.
import { expect, test } from "../support/relay-fixture.ts";
import { greedyUnsplit } from "../support/unsplit.ts";

test("two tabs of one profile serve side by side under different names; a reload keeps the name", async ({ openTab, relay }) => {
  const [expected] = await greedyUnsplit(["Lily found a key under the old tree."], 24);
  const peers = (): string[] => relay.directory.swarm.peers.map(({ peer }) => peer);
  const first = await openTab();
  await first.lend();
  const [firstPeer] = peers();
  const second = await first.openBeside();
  expect(await second.lend()).toBe("4-8");
  await first.holds("0-4");
  const both = peers();
  expect(new Set(both).size).toBe(2);
  expect(both).toContain(firstPeer);
  expect(await second.ask("Lily found a key under the old tree.", { maxTokens: 24 })).toMatchObject({
    status: "done",
    tokens: expected,
    route: ["0-4", "4-8"],
  });

  await second.page.reload();
  await first.holds("0-8");
  await second.lend();
  await first.holds("0-4");
  expect(peers().toSorted()).toEqual(both.toSorted());
});
