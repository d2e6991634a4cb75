// The account in the page: nothing before joining, then what the relay's ledger says, and why it moved.
import { asPeerId } from "../../src/shared/ids.ts";
import { expect, test } from "../support/relay-fixture.ts";

test("a tab that joined sees its account; what it earned shows with its escrow and its reason", async ({ relay, openTab }) => {
  const tab = await openTab();
  await expect(tab.page.getByTestId("credit-empty")).toContainText("Nothing yet");
  await tab.lend();
  await expect(tab.page.getByTestId("credit-starter")).toHaveText("2,000");

  const peer = relay.directory.swarm.peers[0]?.peer ?? asPeerId("");
  expect(await relay.ledger.earnStorage(peer, "ab".repeat(32), 1)).toBeGreaterThan(0);
  const shown = async (part: "available" | "escrow") => Number(await tab.page.getByTestId(`credit-${part}`).getAttribute("data-micro"));
  // The relay may ask the tab for a proof of its own meanwhile, which earns as well: the page follows the ledger.
  await expect(async () => {
    const { available, escrow } = await relay.ledger.account(peer);
    expect(available).toBeGreaterThan(0);
    expect([await shown("available"), await shown("escrow")]).toEqual([available, escrow]);
  }).toPass({ timeout: 50_000 });
  await expect(tab.page.getByTestId("credit-why")).toContainText("waits until its work is trusted");
  await tab.page.getByTestId("credit-history").click();
  await expect(tab.page.getByRole("cell", { name: /^For holding rare layers: tile abab/ })).toBeVisible();
});
