// The account in the page: nothing before joining, then what the relay's ledger says, and why it moved.
import { asPeerId } from "../../src/shared/ids.ts";
import { expect, test } from "../support/relay-fixture.ts";

test("a tab that joined sees its account; what it earned shows with its escrow and its reason", async ({ relay, openTab }) => {
  const tab = await openTab();
  await expect(tab.page.getByTestId("credit-empty")).toContainText("Nothing yet");
  await tab.lend();
  await expect(tab.page.getByTestId("credit-available")).toHaveText("0");
  await expect(tab.page.getByTestId("credit-starter")).toHaveText("2,000");
  await expect(tab.page.getByTestId("credit-no-history")).toBeVisible();

  const peer = relay.directory.swarm.peers[0]?.peer ?? asPeerId("");
  const earned = await relay.ledger.earnStorage(peer, "ab".repeat(32), 1);
  expect(earned).toBeGreaterThan(0);
  await expect(tab.page.getByTestId("credit-available")).toHaveAttribute("data-micro", String(earned / 2), { timeout: 45_000 });
  await expect(tab.page.getByTestId("credit-escrow")).toHaveAttribute("data-micro", String(earned / 2));
  await expect(tab.page.getByTestId("credit-why")).toContainText("waits until its work is trusted");
  await tab.page.getByTestId("credit-history").click();
  await expect(tab.page.getByRole("cell", { name: /^For holding rare layers: tile abab/ })).toBeVisible();
});
