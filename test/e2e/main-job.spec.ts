// The main purpose: tabs join one by one, each with its own layers; they answer as one machine does; tabs leave again.
import { expect, test } from "../support/relay-fixture.ts";
import { spansOf } from "../../tools/browser/relay-swarm.ts";
import { greedyUnsplit } from "../support/unsplit.ts";

const PROMPTS = [
  "Once upon a time",
  "A small robot named Pip lived in a lighthouse.",
  "Lily found a key under the old tree.",
  "The dragon was afraid of the dark",
  '"Where is my hat?" asked the bear.',
  "Tom and Sue went to the sea. They saw",
  "It was raining, and the cat",
  "One day, a boy named Max had 3 red balls and 2 blue ones.",
  "The moon",
  "Grandma baked a cake for the whole village, but when she came back to the kitchen, the cake was gone! She looked under the table, behind the door and in the garden. Then she heard a small voice. It said,",
];

test("three tabs hold different layers and answer ten prompts as one session does; fewer and fewer tabs still answer", async ({
  openTab,
  relay,
}) => {
  const expected = await greedyUnsplit(PROMPTS, 64);
  const first = await openTab();
  expect(await first.lend()).toBe("0-8");
  const second = await openTab();
  await second.lend();
  await first.holds("0-4");
  const third = await openTab();
  await third.lend();
  await expect.poll(() => spansOf(relay)).toEqual(["0-4", "4-7", "7-8"]);

  for (const [index, prompt] of PROMPTS.entries()) {
    const tab = [first, second, third][index % 3] ?? first;
    const answer = await tab.ask(prompt, { maxTokens: 64 });
    expect(answer).toMatchObject({ status: "done", problem: "" });
    expect(answer.route).toEqual(["0-4", "4-7", "7-8"]);
    expect(answer.tokens, prompt).toEqual(expected[index]);
  }
  const visitor = await openTab();
  expect(await visitor.ask(PROMPTS[0] ?? "", { maxTokens: 64 })).toMatchObject({ tokens: expected[0], route: ["0-4", "4-7", "7-8"] });

  await third.close();
  await second.holds("4-8");
  expect(await visitor.ask(PROMPTS[1] ?? "", { maxTokens: 64 })).toMatchObject({ tokens: expected[1], route: ["0-4", "4-8"] });
  await first.close();
  await second.holds("0-8");
  expect(await visitor.ask(PROMPTS[2] ?? "", { maxTokens: 64 })).toMatchObject({ tokens: expected[2], route: ["0-8"] });
  expect(await second.ask(PROMPTS[3] ?? "", { maxTokens: 64 })).toMatchObject({ tokens: expected[3], route: ["0-8"] });
});

test("if nobody lends, the tab that asks answers by itself and does not lend", async ({ openTab, relay }) => {
  const tab = await openTab();
  const [expected] = await greedyUnsplit(["Once upon a time"], 16);
  expect(await tab.ask("Once upon a time", { maxTokens: 16 })).toMatchObject({ status: "done", tokens: expected, route: ["0-8"] });
  expect(relay.directory.swarm.peers).toEqual([]);
  await expect(tab.page.getByTestId("lend-start")).toBeVisible();
});

test("an answer streams and can be stopped, and the text so far stays", async ({ openTab }) => {
  const tab = await openTab();
  await tab.lend();
  await tab.startAsking("Once upon a time", { maxTokens: 400, temperature: 1 });
  await expect(tab.page.getByTestId("ask-answer")).toHaveAttribute("data-tokens", /^\d+(,\d+){2,}/);
  await tab.page.getByTestId("ask-stop").click();
  await expect(tab.page.getByTestId("ask-answer")).toHaveAttribute("data-status", /stopped|done/);
  const shown = await tab.answer();
  expect(shown.tokens.length).toBeGreaterThan(2);
  expect(shown.text.length).toBeGreaterThan(5);
  expect((await tab.ask("The moon", { maxTokens: 4 })).status).toBe("done");
});

test("lending stops at once when it is switched off, and the swarm knows", async ({ openTab, relay }) => {
  const [lender, other] = [await openTab(), await openTab()];
  await lender.lend();
  await other.lend();
  await lender.holds("0-4");
  await other.page.getByTestId("lend-switch").click();
  await lender.holds("0-8");
  expect(relay.directory.swarm.peers).toHaveLength(1);
  await other.page.getByTestId("lend-switch").click();
  await other.holds("4-8");
});
