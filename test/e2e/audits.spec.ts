// A tab that computes with other weights than the model's: found out by two others after the answer, told to whoever asked, gone
// round from then on, and not paid; who was honest is.
import path from "node:path";
import { ensureWideModel } from "../../tools/bench/wide-model.ts";
import { peerOf } from "../../tools/browser/answer-tap.ts";
import { asPeerId } from "../../src/shared/ids.ts";
import { makeCheat } from "../support/cheating-tab.ts";
import { expect, test } from "../support/relay-fixture.ts";

test("a tab that computes something else is found out, gone round, and not paid", async ({ folder, startRelay, openTab }) => {
  const shape = { layers: 2, width: 128, heads: 2, kvHeads: 1, headSize: 64, feedForward: 256, vocabulary: 2000 };
  const model = await ensureWideModel({ ...shape, folder: path.join(folder, "models/two-layers") });
  const relay = await startRelay({ models: [path.dirname(model)] });
  const cheat = await openTab(relay.url, makeCheat);
  await cheat.lend({ share: 0.1 });
  const honest = await openTab(relay.url);
  await honest.lend({ share: 0.1 });
  await cheat.holds("0-1");
  const liar = await peerOf(cheat);
  const neighbour = await peerOf(honest);

  const visitor = await openTab(relay.url);
  await visitor.startAsking("Once upon a time", { maxTokens: 120, drafts: false });
  await expect(visitor.page.getByTestId("ask-answer")).toHaveAttribute("data-tokens", /^\d+(,\d+){3,}/);
  // While it is answered others come, who hold the same layers.
  const spares = [];
  const holding = (span: string): number =>
    relay.directory.swarm.peers.filter(({ serving }) => serving.some(({ start, end }) => `${start}-${end}` === span)).length;
  while (holding("0-1") < 3) {
    const spare = await openTab(relay.url);
    await spare.lend();
    spares.push(spare);
  }
  await expect(visitor.page.getByTestId("ask-answer")).toHaveAttribute("data-status", "done", { timeout: 120_000 });
  expect(await visitor.answer()).toMatchObject({ route: ["0-1", "1-2"], problem: "" });

  const notice = visitor.page.getByTestId("notice").filter({ hasText: "had given something else" });
  await expect(notice).toContainText(`(${liar.slice(-6)})`, { timeout: 60_000 });
  // The next answer goes round it.
  expect(await visitor.ask("Once upon a time", { maxTokens: 4 })).toMatchObject({ status: "done", route: ["0-1", "1-2"] });
  const shown = await visitor.page.getByTestId("ask-route").locator("[data-peer]").evaluateAll((hops) => hops.map((hop) => hop.getAttribute("data-peer")));
  expect(shown).not.toContain(liar);

  const owned = async (peer: string): Promise<number> => {
    const { available, escrow } = await relay.ledger.account(asPeerId(peer));
    return available + escrow;
  };
  await expect.poll(() => owned(neighbour), { timeout: 60_000 }).toBeGreaterThan(0);
  expect((await relay.ledger.account(asPeerId(liar))).history.filter(({ why }) => why === "receipt")).toEqual([]);
});
