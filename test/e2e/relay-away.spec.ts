// The relay goes away: the page says so and when it tries again, links stay up, and all is well once the relay is back.
import type { Locator } from "@playwright/test";
import type { Relay } from "../../relay/relay.ts";
import { startHostSite } from "../support/host-site.ts";
import { findLongAnswer } from "../support/long-answer.ts";
import { expect, test } from "../support/relay-fixture.ts";
import type { Tab } from "../../tools/browser/tabs.ts";
import { greedyUnsplit } from "../support/unsplit.ts";

const PROMPT = "Once upon a time";
const pill = ({ page }: Tab, state: string): Locator => page.locator(`[data-testid="relay-status"][data-state="${state}"]`);
const serving = (relay: Relay): number => relay.directory.swarm.peers.filter((peer) => peer.serving.length > 0).length;

test("if the relay is away when a person wants to lend or ask, the page says so, tries again, and joins once it is back", async ({
  openTab,
  relay,
  startRelay,
}) => {
  const [expected] = await greedyUnsplit([PROMPT], 16);
  const [lender, requester] = [await openTab(), await openTab()];
  await relay.stop();
  await lender.page.getByTestId("lend-start").click();
  await expect(pill(lender, "lost")).toContainText(`The relay at localhost:${relay.port} does not answer.`);
  await expect(pill(lender, "lost")).toContainText(/Trying again (in \d+ s|now)\./);
  await expect(lender.page.getByTestId("lend-state")).toHaveAttribute("data-state", "joining");

  const answer = await requester.ask(PROMPT, { maxTokens: 16 });
  expect(answer).toMatchObject({ status: "failed", tokens: [] });
  expect(answer.problem).toMatch(/The relay at .* does not answer.* Your prompt is kept: check your connection and ask again\./);
  await expect(requester.page.getByTestId("ask-problem")).toHaveAttribute("data-code", "RELAY_UNREACHABLE");
  await expect(requester.page.getByTestId("ask-prompt")).toHaveValue(PROMPT);
  await expect(pill(requester, "lost")).toBeVisible();

  const back = await startRelay({ port: relay.port });
  expect(back.port).toBe(relay.port);
  await lender.holds("0-8");
  await expect(pill(lender, "connected")).toBeVisible();
  expect(await requester.ask(PROMPT, { maxTokens: 16 })).toMatchObject({ status: "done", tokens: expected, route: ["0-8"] });
});

test("links live on without the relay: an answer goes on, a new prompt is answered, and the swarm is whole once it is back", async ({
  openTab,
  relay,
  startRelay,
}) => {
  const long = await findLongAnswer(300);
  const [short] = await greedyUnsplit(["The moon"], 32);
  const [first, second] = [await openTab(), await openTab()];
  // A tenth of the compute each: the answer must outlast the relay.
  await first.lend({ share: 0.1 });
  await second.lend({ share: 0.1 });
  await first.holds("0-4");
  await first.startAsking(long.prompt, { maxTokens: 300 });
  const running = first.page.getByTestId("ask-answer");
  await expect(running).toHaveAttribute("data-tokens", /^\d+(,\d+){2,}$/);
  await relay.stop();
  await expect(pill(first, "lost")).toContainText("Open links stay up.");
  await expect(pill(second, "lost")).toBeVisible();
  await expect(running).toHaveAttribute("data-status", "streaming");
  for (const tab of [first, second]) await tab.page.getByTestId("share-slider").fill("100");
  await expect(running).toHaveAttribute("data-status", "done", { timeout: 60_000 });
  expect(await first.answer()).toMatchObject({ tokens: long.tokens, route: ["0-4", "4-8"], problem: "" });

  for (const tab of [second, first]) {
    expect(await tab.ask("The moon", { maxTokens: 32 })).toMatchObject({
      status: "done",
      tokens: short,
      route: ["0-4", "4-8"],
    });
    await expect(pill(tab, "lost")).toBeVisible();
  }

  const back = await startRelay({ port: relay.port });
  await expect(pill(first, "connected")).toBeVisible();
  await expect(pill(second, "connected")).toBeVisible();
  await expect.poll(() => serving(back), { timeout: 30_000 }).toBe(2);
  const visitor = await openTab();
  expect(await visitor.ask("The moon", { maxTokens: 32 })).toMatchObject({ status: "done", tokens: short });
});

test("the widget waits for its relay too, and says when it asks again", async ({ openTab, relay, startRelay }) => {
  const site = await startHostSite(relay.url);
  try {
    const { page } = await openTab(site.url);
    const card = page.frameLocator("manyhands-widget iframe");
    await expect(card.getByTestId("widget-agree")).toBeEnabled();
    await relay.stop();
    await card.getByTestId("widget-agree").click();
    await expect(card.getByTestId("widget-relay")).toHaveText(/The relay does not answer. It is asked again within \d+ seconds?;/);
    await expect(card.getByTestId("widget-state")).toHaveAttribute("data-state", "joining");
    const back = await startRelay({ port: relay.port });
    await expect(card.getByTestId("widget-state")).toHaveAttribute("data-state", "serving");
    await expect(card.getByTestId("widget-relay")).toHaveCount(0);
    expect(serving(back)).toBe(1);
  } finally {
    await site.stop();
  }
});
