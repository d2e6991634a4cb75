// A tab that computes with weights other than the model's: two other tabs find it out after the answer. The requester
// is notified and avoids the cheat from then on; the cheat is not paid, and the honest tab is.
import path from "node:path";
import { ensureWideModel } from "../../tools/bench/models/wide-model.ts";
import { peerOf } from "../../tools/browser/answer-tap.ts";
import type { Tab } from "../../tools/browser/tabs.ts";
import { asPeerId } from "../../src/shared/ids.ts";
import { makeCheat } from "../support/hostile/cheating-tab.ts";
import { expect, test } from "../support/relay-fixture.ts";

const routeOf = (tab: Tab): Promise<readonly string[]> =>
  tab.page
    .getByTestId("ask-route")
    .locator("[data-peer]")
    .evaluateAll((hops) => hops.map((hop) => hop.getAttribute("data-peer") ?? ""));

test("a tab that computes something else is found out, avoided, and not paid", async ({ folder, startRelay, openTab }) => {
  const shape = { layers: 2, width: 128, heads: 2, kvHeads: 1, headSize: 64, feedForward: 256, vocabulary: 2000 };
  const model = await ensureWideModel({ ...shape, folder: path.join(folder, "models/two-layers") });
  const relay = await startRelay({ models: [path.dirname(model)] });
  const cheat = await openTab(relay.url, makeCheat);
  await cheat.lend();
  const liar = await peerOf(cheat);
  const holding = (span: string): readonly string[] =>
    relay.directory.swarm.peers
      .filter(({ serving }) => serving.some(({ start, end }) => `${start}-${end}` === span))
      .map(({ peer }) => peer);
  // Add tabs until two others hold the layers of the cheat.
  for (let tabs = 0; tabs < 8 && holding("0-1").length < 3; tabs++) await (await openTab(relay.url)).lend();
  expect(holding("0-1").length).toBeGreaterThan(2);
  expect(holding("0-1")).toContain(liar);

  const visitor = await openTab(relay.url);
  expect(await visitor.ask("Once upon a time", { maxTokens: 30 })).toMatchObject({ status: "done", route: ["0-1", "1-2"] });
  const first = await routeOf(visitor);
  expect(first).toContain(liar);
  const notice = visitor.page.getByTestId("notice").filter({ hasText: "had given something else" });
  await expect(notice).toContainText(`(${liar.slice(-6)})`, { timeout: 60_000 });
  // The next answer avoids the cheat.
  expect(await visitor.ask("Once upon a time", { maxTokens: 4 })).toMatchObject({ status: "done", route: ["0-1", "1-2"] });
  expect(await routeOf(visitor)).not.toContain(liar);

  const creditOf = async (peer: string): Promise<number> => {
    const { available, escrow } = await relay.ledger.account(asPeerId(peer));
    return available + escrow;
  };
  const neighbour = first.find((peer) => peer !== liar);
  await expect.poll(() => creditOf(neighbour ?? ""), { timeout: 60_000 }).toBeGreaterThan(0);
  expect((await relay.ledger.account(asPeerId(liar))).history.filter(({ why }) => why === "receipt")).toEqual([]);
});
