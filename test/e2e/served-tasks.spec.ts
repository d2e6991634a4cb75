// Real tabs that compute tasks for others: every kind of Web Worker, tiles over the exchange, answers beside tasks, and
// an end at once.
import { createHash } from "node:crypto";
import { cp } from "node:fs/promises";
import path from "node:path";
import { makeRequester, type RequesterGlobal } from "../support/requester.ts";
import { render } from "../../src/tasks/kinds/render/render.ts";
import { volunteersOf } from "../../tools/browser/relay-swarm.ts";
import { drawScene } from "../support/checked-tasks.ts";
import { Random } from "../../tools/sim/random.ts";
import { expect, test } from "../support/relay-fixture.ts";
import { linearModel } from "../support/tiny-onnx.ts";
import { runWhole } from "../unit/tasks/run-whole.ts";

const SCENE = { ...drawScene(new Random(11), 192, 128), samples: 64 };

const DIST = path.join(import.meta.dirname, "../../dist");

test("two lending tabs compute tasks for a third, in each kind of Web Worker", async ({ relay, openTab }) => {
  const [first, second] = [await openTab(), await openTab()];
  await first.lend();
  await second.lend();
  await expect.poll(() => volunteersOf(relay).length).toBe(2);

  const requesterTab = await openTab();
  await makeRequester(requesterTab, relay);
  await requesterTab.page.evaluate((all) => (globalThis as RequesterGlobal).requester.assignTo(all), volunteersOf(relay));

  const numbers = Array.from({ length: 70_000 }, (_, at) => (at * 7919) % 1001);
  const total = await requesterTab.page.evaluate((floats) => (globalThis as RequesterGlobal).requester.compute("sum", { floats }), numbers);
  expect(total).toBe(numbers.reduce((sum, number) => sum + number, 0));

  const words = ["tell", "me", "a", "story"];
  const hashes = await requesterTab.page.evaluate(async (items) => {
    const all = await (globalThis as RequesterGlobal).requester.compute("hash", {
      items: items.map((item) => new TextEncoder().encode(item)),
    });
    return all.map((each) => [...each]);
  }, words);
  expect(hashes).toEqual(words.map((word) => [...createHash("sha256").update(word).digest()]));

  const squares = await requesterTab.page.evaluate(() =>
    (globalThis as RequesterGlobal).requester.compute("map", {
      program: { language: "js", source: "(x) => ({ square: x * x })" },
      inputs: [1, 2, 3, 12],
      batch: 2,
    }),
  );
  expect(squares).toEqual([{ square: 1 }, { square: 4 }, { square: 9 }, { square: 144 }]);

  const model = linearModel(
    [
      [1, 2],
      [3, 4],
      [5, 6],
    ],
    [0.5, -0.5],
  );
  const y = await requesterTab.page.evaluate(
    async (bytes) => {
      const { requester } = globalThis as RequesterGlobal;
      const tiles = await requester.offer(Uint8Array.from(bytes));
      const x = { type: "float32" as const, dims: [2, 3], data: new Uint8Array(Float32Array.of(1, 0, -1, 0.5, 2, 1).buffer) };
      const [outputs] = await requester.compute("ml_inference", { model: tiles, sets: [{ x }], multiplyAdds: 12 });
      const { dims, data } = outputs?.["y"] ?? { dims: [], data: new Uint8Array() };
      return { dims, values: [...new Float32Array(data.slice().buffer)] };
    },
    [...model],
  );
  expect(y).toEqual({ dims: [2, 2], values: [-3.5, -4.5, 12, 14.5] });

  const verdicts = await requesterTab.page.evaluate(() => (globalThis as RequesterGlobal).requester.settled.map(({ verdict }) => verdict));
  expect(new Set(verdicts)).toEqual(new Set(["quorum"])); // both volunteers are new to the requester
});

test("a tab answers a prompt while it computes a picture for others, and neither is harmed", async ({ relay, openTab }) => {
  const tabs = [await openTab(), await openTab()];
  for (const tab of tabs) await tab.lend();
  await expect.poll(() => volunteersOf(relay).length).toBe(2);
  const requesterTab = await openTab();
  await makeRequester(requesterTab, relay);
  await requesterTab.page.evaluate((all) => (globalThis as RequesterGlobal).requester.assignTo(all), volunteersOf(relay));

  const drawn = requesterTab.page.evaluate(async (scene) => {
    const picture = await (globalThis as RequesterGlobal).requester.compute("render", scene);
    return [...new Uint8Array(await crypto.subtle.digest("SHA-256", picture.rgba))];
  }, SCENE);
  const answer = await tabs[0]?.ask("Once upon a time", { maxTokens: 8 });
  expect(answer?.status).toBe("done");
  expect(answer?.tokens.length).toBe(8);
  const { rgba } = await runWhole(render, SCENE);
  expect(await drawn).toEqual([...createHash("sha256").update(rgba).digest()]);
});

test("if the relay offers no model, a tab computes tasks alone, and stops at once", async ({ folder, startRelay, openTab }) => {
  const site = path.join(folder, "site");
  await cp(DIST, site, { recursive: true, filter: (source) => source !== path.join(DIST, "models") });
  const relay = await startRelay({ site });
  const tab = await openTab(relay.url);
  await tab.page.getByTestId("lend-start").click();
  await tab.page.locator('[data-testid="lend-state"][data-state="tasks-only"]').waitFor();
  await expect
    .poll(() => relay.directory.swarm.peers.map(({ model, tasks }) => ({ model, tasks })))
    .toEqual([{ model: null, tasks: true }]);
  await tab.page.getByTestId("lend-switch").click();
  await expect.poll(() => relay.directory.swarm.peers.length).toBe(0);
});
