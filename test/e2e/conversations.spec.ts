// Conversations and the choice of a model: questions go through the chat template, are kept, and go on after a reload.
import { expect, test } from "../support/relay-fixture.ts";
import { makeConversationModel, promptOf } from "../support/conversation-model.ts";
import { greedyUnsplit } from "../support/unsplit.ts";

const FIRST = "Once upon a time there was a small boat.";
const SECOND = "Then the wind came.";

test("a conversation is answered turn by turn, outlives a reload, and can be renamed, left, opened again and deleted", async ({
  folder,
  startRelay,
  openTab,
}) => {
  const { folder: model } = await makeConversationModel(folder);
  const relay = await startRelay({ models: [model] });
  const tab = await openTab(relay.url);
  const { page } = tab;
  await expect(page.getByTestId("ask-panel")).toHaveAttribute("data-mode", "conversation");

  await page.getByTestId("conversation-system-open").click();
  await page.getByTestId("conversation-system").fill("Be brief.");
  await page.getByTestId("conversation-system").blur();
  const one = await tab.ask(FIRST, { maxTokens: 12 });
  const [first] = await greedyUnsplit([promptOf("Be brief.", FIRST)], 12);
  expect(one).toMatchObject({ status: "done", tokens: first });
  const two = await tab.ask(SECOND, { maxTokens: 12 });
  const [second] = await greedyUnsplit([promptOf("Be brief.", FIRST, one.text, SECOND)], 12);
  expect(two).toMatchObject({ status: "done", tokens: second });
  await expect(page.getByTestId("conversation-title")).toHaveText(FIRST);

  await page.reload();
  await expect(page.getByTestId("conversation-user")).toHaveText([FIRST, SECOND]);
  await expect(page.getByTestId("conversation-assistant")).toHaveText([one.text.trim(), two.text.trim()]);
  await expect(page.getByTestId("conversation-system")).toHaveValue("Be brief.");
  const three = await tab.ask("And then?", { maxTokens: 6 });
  const [third] = await greedyUnsplit([promptOf("Be brief.", FIRST, one.text, SECOND, two.text, "And then?")], 6);
  expect(three).toMatchObject({ status: "done", tokens: third });

  await page.getByTestId("conversation-rename").click();
  await page.getByTestId("conversation-name").fill("The boat");
  await page.keyboard.press("Enter");
  await expect(page.getByTestId("conversation-title")).toHaveText("The boat");
  await page.getByTestId("conversation-new").click();
  await expect(page.getByTestId("conversation-turns")).toHaveCount(0);
  await expect(page.getByTestId("ask-prompt")).toBeFocused();
  await tab.ask("The moon", { maxTokens: 4 });
  await expect(page.getByTestId("conversation-row")).toHaveCount(2);
  await page.getByRole("button", { name: "The boat", exact: true }).click();
  await expect(page.getByTestId("conversation-user")).toHaveText([FIRST, SECOND, "And then?"]);
  await page.getByTestId("conversation-row").filter({ hasText: "The boat" }).getByTestId("conversation-delete").click();
  await page.getByTestId("conversation-delete-yes").click();
  await expect(page.getByTestId("conversation-row")).toHaveCount(1);
  await page.reload();
  await page.getByTestId("conversation-list").click();
  await expect(page.getByTestId("conversation-row")).toHaveText(/The moon/);
});

test("stop strings are not shown; turns that no longer fit are left out with a remark, or the question is refused", async ({
  folder,
  startRelay,
  openTab,
}) => {
  const { folder: model } = await makeConversationModel(folder);
  const tab = await openTab((await startRelay({ models: [model] })).url);
  const { page } = tab;
  const free = await tab.ask(FIRST, { maxTokens: 16 });
  const stop = free.text.trim().slice(8, 14);
  await page.getByTestId("conversation-new").click();
  await page.getByTestId("setting-stop").fill(stop);
  const ended = await tab.ask(FIRST, { maxTokens: 16 });
  expect(ended.text.trim()).toBe(free.text.trim().slice(0, free.text.trim().indexOf(stop)).trim());
  await page.getByTestId("setting-stop").fill("");

  await page.getByTestId("conversation-new").click();
  const long = "Lily and Tom went to the park and played with the big red ball. ".repeat(20);
  await tab.ask(long, { maxTokens: 8 });
  expect(await tab.ask(long, { maxTokens: 8 })).toMatchObject({ status: "done" });
  await expect(page.getByTestId("ask-remarks")).toContainText("The oldest 2 messages did not fit");
  await page.getByTestId("setting-overflow").selectOption("refuse");
  const refused = await tab.ask("And then?", { maxTokens: 8 });
  expect(refused.problem).toContain("Begin a new conversation");
  await page.getByTestId("setting-overflow").selectOption("drop-oldest");
  await page.getByTestId("ask-again").click();
  await expect(page.getByTestId("ask-answer")).toHaveAttribute("data-status", "done");
});

test("prompts go to the model that the swarm serves, or that the person chose; lenders serve the model in use, or their choice", async ({
  folder,
  startRelay,
  openTab,
}) => {
  const { folder: model, id } = await makeConversationModel(folder);
  const relay = await startRelay({ models: [model] });
  const served = (): readonly (string | null)[] => relay.directory.swarm.peers.map((peer) => peer.model);
  const lender = await openTab(relay.url);
  await lender.page.getByTestId("lend-start").click();
  const other = await lender.page.getByTestId("model").filter({ hasText: "tales-2m" }).getAttribute("data-model");
  await lender.page.getByTestId("lend-model").selectOption(other);
  await expect.poll(served).toEqual([other]);
  await lender.holds("0-8");

  const visitor = await openTab(relay.url);
  const { page } = visitor;
  await expect(page.getByTestId("model").filter({ hasText: "tales-2m" })).toContainText("served now by 1 tab");
  await expect(page.getByTestId("ask-panel")).toHaveAttribute("data-mode", "story");
  const [expected] = await greedyUnsplit(["The moon"], 6);
  expect(await visitor.ask("The moon", { maxTokens: 6 })).toMatchObject({ tokens: expected, route: ["0-8"] });
  await expect(page.getByTestId("ask-remarks")).toHaveText("tales-2m answers: the swarm serves it now.");

  await page.getByTestId("ask-prompt").fill("");
  await page.getByTestId("ask-model").selectOption(id);
  await expect(page.getByTestId("ask-panel")).toHaveAttribute("data-mode", "conversation");
  const [expectedReply] = await greedyUnsplit([promptOf("The moon")], 6);
  expect(await visitor.ask("The moon", { maxTokens: 6 })).toMatchObject({ tokens: expectedReply, route: ["0-8"] });
  await expect(page.getByTestId("ask-remarks")).toHaveCount(0);
  expect(served()).toHaveLength(1);

  await lender.page.getByTestId("lend-model").selectOption(id);
  await expect.poll(served).toEqual([id]);
  await lender.holds("0-8");
});

test("the page says how a model is added", async ({ openTab }) => {
  const { page } = await openTab();
  await expect(page.getByTestId("model")).toContainText("This device can hold all 8 layers.");
  await page.getByTestId("models-more").click();
  await page.getByTestId("own-id").fill("https://huggingface.co/onnx-community/Qwen3-0.6B-ONNX/tree/main");
  await expect(page.getByTestId("own-command")).toHaveText("npm run model -- add onnx-community/Qwen3-0.6B-ONNX");
  await expect(page.getByTestId("catalog")).toContainText("SmolLM2 135M");
});
