// A tab is closed in the middle of an answer: others take over its layers, and the text is that of one machine.
import { findGaps } from "../../src/route/coverage.ts";
import { expect, test } from "../support/relay-fixture.ts";
import { findLongAnswer } from "../support/long-answer.ts";

test("when a tab of its route is closed, an answer goes on with the same text, and the page says so", async ({ openTab, relay }) => {
  const long = await findLongAnswer(300);
  const first = await openTab();
  // Slow enough that an answer still runs when a tab is closed.
  const share = 0.2;
  await first.lend({ share });
  const second = await openTab();
  await second.lend({ share });
  await first.holds("0-4");
  const third = await openTab();
  await third.lend({ share });
  await second.holds("4-7");

  const visitor = await openTab();
  const answer = visitor.page.getByTestId("ask-answer");
  const gaps = (): number =>
    findGaps(
      relay.directory.swarm.peers.flatMap(({ serving }) => serving),
      8,
    ).length;
  for (const lost of [second, third]) {
    await expect.poll(gaps).toBe(0); // the tabs that are left have taken the layers of the closed one
    await visitor.startAsking(long.prompt, { maxTokens: 300, drafts: false });
    await expect(answer).toHaveAttribute("data-tokens", /^\d+(,\d+){20,}/);
    await lost.close();
    await expect(answer).toHaveAttribute("data-status", "done", { timeout: 60_000 });
    expect((await visitor.answer()).tokens).toEqual(long.tokens);
    await expect(visitor.page.getByTestId("ask-remarks")).toContainText("left in the middle");
  }
});
