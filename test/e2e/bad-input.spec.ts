// Bad input, as a person meets it: prompts without an answer, models that are damaged or missing, storage that rots.
import { expect, test } from "../support/relay-fixture.ts";
import { ModelCopy } from "../support/model-copy.ts";
import { damageStoredTile, readStoredTiles } from "../support/stored-tiles.ts";
import { greedyUnsplit, tokenizer } from "../support/unsplit.ts";

test("for an empty prompt the page shows a helpful sentence, and loads and sends nothing", async ({ openTab }) => {
  const { page } = await openTab();
  await expect(page.getByTestId("lend-start")).toBeVisible(); // the page has loaded what it loads by itself
  const requests: string[] = [];
  page.on("request", (request) => requests.push(new URL(request.url()).pathname));
  for (const prompt of ["", "   \n  "]) {
    await page.getByTestId("ask-prompt").fill(prompt);
    await page.getByTestId("ask-submit").click();
    await expect(page.getByTestId("ask-wrong")).toHaveText(/Write the first words/);
    await expect(page.getByTestId("ask-prompt")).toBeFocused();
    await expect(page.getByTestId("ask-answer")).toHaveAttribute("data-status", "idle");
  }
  expect(requests.filter((path) => /models|assets|healthz|bootstrap/.test(path))).toEqual([]);
  await page.getByTestId("ask-prompt").fill("Once");
  await expect(page.getByTestId("ask-wrong")).toHaveCount(0);
});

test("a prompt that is longer than the context is refused with both numbers, and stays in the field", async ({ openTab, relay }) => {
  const tab = await openTab();
  const prompt = "Once upon a time there was a very long story. ".repeat(80);
  const count = tokenizer.encode(prompt).length;
  const answer = await tab.ask(prompt, { maxTokens: 8 });
  expect(answer).toMatchObject({ status: "failed", tokens: [] });
  expect(answer.problem).toContain(`has ${count} tokens`);
  expect(answer.problem).toContain("512");
  expect(answer.problem).toContain(`Shorten it by at least ${count - 511} tokens`);
  await expect(tab.page.getByTestId("ask-problem")).toHaveAttribute("data-code", "PROMPT_TOO_LONG");
  await expect(tab.page.getByTestId("ask-prompt")).toHaveValue(prompt);
  expect(relay.directory.swarm.peers).toEqual([]);
  const [expected] = await greedyUnsplit(["The moon"], 4);
  expect(await tab.ask("The moon", { maxTokens: 4 })).toMatchObject({ status: "done", tokens: expected });
});

const DAMAGES = [
  { what: "the weights are cut short", file: "model.onnx.data", damage: "cutShort", code: "MODEL_CORRUPT" },
  { what: "one byte of the weights is flipped", file: "model.onnx.data", damage: "flip", code: "MODEL_CORRUPT" },
  { what: "one byte of the graph is flipped", file: "model.onnx", damage: "flip", code: "MODEL_CORRUPT" },
  { what: "one byte of the tokenizer is flipped", file: "tokenizer.json", damage: "flip", code: "MODEL_CORRUPT" },
  { what: "one byte of the manifest is flipped", file: "manifest.cbor", damage: "flip", code: "MODEL_CORRUPT" },
  { what: "the weights are missing", file: "model.onnx.data", damage: "remove", code: "MODEL_UNAVAILABLE" },
  { what: "the manifest is missing", file: "manifest.cbor", damage: "remove", code: "MODEL_UNAVAILABLE" },
] as const;

test("a damaged or missing model is refused with its reason, and nothing of it is kept; once repaired, it is served", async ({
  folder,
  startRelay,
  openTab,
}) => {
  const model = await ModelCopy.make(folder);
  const relay = await startRelay({ models: [model.folder] });
  for (const { what, file, damage, code } of DAMAGES) {
    await test.step(what, async () => {
      await model[damage](file);
      const tab = await openTab(relay.url);
      const sentence =
        code === "MODEL_CORRUPT"
          ? /^The relay's copy of the model is damaged: .+\. Nothing .+ kept.* the relay's operator\.$/
          : /^The model could not be fetched: .+ the relay's operator\.$/;
      expect(await tab.failToLend()).toMatch(sentence);
      const answer = await tab.ask("Once upon a time", { maxTokens: 4 });
      expect(answer).toMatchObject({ status: "failed", tokens: [] });
      expect(answer.problem).toMatch(
        sentence.source.startsWith("^The relay") ? /^\s*The relay's copy of the model is damaged/ : /^\s*The model could not be fetched/,
      );
      await expect(tab.page.getByTestId("ask-problem")).toHaveAttribute("data-code", code);
      await expect.poll(() => relay.directory.swarm.peers).toEqual([]);
      expect((await readStoredTiles(tab.page)).bad).toBe(0);
      await model.mend(file);
      expect(await tab.lend()).toBe("0-8");
      await tab.close();
      await expect.poll(() => relay.directory.swarm.peers).toEqual([]);
    });
  }
});

test("a tile that rotted in this browser's storage is the only one fetched again, and is then served", async ({ openTab, relay }) => {
  const tab = await openTab();
  await tab.lend();
  const before = await readStoredTiles(tab.page);
  expect(before).toMatchObject({ bad: 0 });
  expect(before.good).toBeGreaterThan(8);
  await tab.page.getByTestId("lend-switch").click();
  await damageStoredTile(tab.page);
  expect(await readStoredTiles(tab.page)).toEqual({ good: before.good - 1, bad: 1 });

  const ranges: string[] = [];
  tab.page.on("request", (request) => {
    if (request.url().endsWith("/model.onnx.data")) ranges.push(request.headers()["range"] ?? "all of it");
  });
  await tab.page.reload();
  expect(await tab.lend()).toBe("0-8");
  expect(ranges).toEqual([expect.stringMatching(/^bytes=\d+-\d+$/)]);
  expect(await readStoredTiles(tab.page)).toEqual(before);
  const visitor = await openTab();
  const [expected] = await greedyUnsplit(["Once upon a time"], 16);
  expect(await visitor.ask("Once upon a time", { maxTokens: 16 })).toMatchObject({ tokens: expected, route: ["0-8"] });
  expect(relay.directory.swarm.peers).toHaveLength(1);
});

test.describe("a browser that lacks something", () => {
  for (const { name, lacks, script } of [
    { name: "WebRTC", lacks: "WebRTC data channels", script: "delete globalThis.RTCPeerConnection; delete globalThis.RTCDataChannel;" },
    { name: "WebAssembly", lacks: "WebAssembly with SIMD", script: "delete globalThis.WebAssembly;" },
  ]) {
    test(`without ${name} the page explains what is missing and loads nothing`, async ({ openTab, relay }) => {
      const requests: string[] = [];
      const { page } = await openTab(relay.url, async (context) => {
        context.on("request", (request) => requests.push(new URL(request.url()).pathname));
        await context.addInitScript(script);
      });
      const panel = page.getByTestId("capability-blocked");
      await expect(panel.locator("[data-missing]")).toHaveCount(1);
      await expect(panel.locator(`[data-missing="${lacks}"]`)).toContainText(/Allow|Update/);
      await expect(page.getByTestId("ask-prompt")).toHaveCount(0);
      await expect(page.getByTestId("lend-start")).toHaveCount(0);
      await expect(page.getByTestId("swarm-summary")).toBeVisible();
      expect(requests.filter((path) => /models|wasm|create-node|worker/.test(path))).toEqual([]);
    });
  }

  test("without IndexedDB the page says what that costs, and still lends", async ({ openTab, relay }) => {
    const tab = await openTab(relay.url, (context) =>
      context.addInitScript(() => {
        IDBFactory.prototype.open = () => {
          throw new DOMException("storage is blocked", "SecurityError");
        };
      }),
    );
    await expect(tab.page.getByTestId("capability-notice")).toContainText("Storage (IndexedDB) is not available.");
    expect(await tab.lend()).toBe("0-8");
    await expect(tab.page.getByTestId("notice")).toContainText([/key that is gone when it closes/, /weights are fetched anew/]);
    const [expected] = await greedyUnsplit(["Once upon a time"], 8);
    expect(await tab.ask("Once upon a time", { maxTokens: 8 })).toMatchObject({ tokens: expected, route: ["0-8"] });
  });
});
