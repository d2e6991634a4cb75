// The account on the page: empty before the tab joins, then as the relay's ledger has it, with a reason for each move.
import { asPeerId } from "../../src/shared/ids.ts";
import { expect, test } from "../support/relay-fixture.ts";

test("a tab that joined sees its account; its earnings show with their escrow and their reason", async ({ relay, openTab }) => {
  const tab = await openTab();
  await expect(tab.page.getByTestId("credit-empty")).toContainText("Nothing yet");
  await tab.lend();
  await expect(tab.page.getByTestId("credit-starter")).toHaveText("2,000");

  const peer = relay.directory.swarm.peers[0]?.peer ?? asPeerId("");
  expect(await relay.ledger.earnStorage(peer, "ab".repeat(32), 1)).toBeGreaterThan(0);
  const shown = async (part: "available" | "escrow") => Number(await tab.page.getByTestId(`credit-${part}`).getAttribute("data-micro"));
  // The relay may also ask the tab for a storage proof meanwhile, which earns as well: the page must follow the ledger.
  await expect(async () => {
    const { available, escrow } = await relay.ledger.account(peer);
    expect(available).toBeGreaterThan(0);
    expect([await shown("available"), await shown("escrow")]).toEqual([available, escrow]);
  }).toPass({ timeout: 50_000 });
  await expect(tab.page.getByTestId("credit-why")).toContainText("waits until its work is trusted");
  await tab.page.getByTestId("credit-history").click();
  await expect(tab.page.getByRole("cell", { name: /^For holding rare layers: tile abab/ })).toBeVisible();
});

test("tabs that answered a prompt are paid for it, and their panels say what for", async ({ openTab }) => {
  const [first, second] = [await openTab(), await openTab()];
  await first.lend();
  await second.lend();
  await first.holds("0-4");
  const visitor = await openTab();
  const answer = await visitor.ask("Once upon a time", { maxTokens: 24 });
  expect(answer).toMatchObject({ status: "done", route: ["0-4", "4-8"] });
  for (const [tab, layers] of [
    [first, "layers 0 to 3"],
    [second, "layers 4 to 7"],
  ] as const) {
    await expect(async () => {
      for (const part of ["available", "escrow"])
        expect(Number(await tab.page.getByTestId(`credit-${part}`).getAttribute("data-micro"))).toBeGreaterThan(0);
    }).toPass({ timeout: 60_000 });
    await tab.page.getByTestId("credit-history").click();
    await expect(tab.page.getByRole("cell", { name: new RegExp(`^Earned: \\d+ tokens through ${layers}`) })).toBeVisible();
  }
});
