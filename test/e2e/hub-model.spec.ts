// A 4-bit model of 135 million parameters on a hub: three tabs load their spans, unpack them, and answer together.
import path from "node:path";
import * as ort from "onnxruntime-web";
import { unpackSpan } from "../../src/engine/dequantize.ts";
import { LocalEngine } from "../../src/engine/local-engine.ts";
import { SpanRunner } from "../../src/engine/span-runner.ts";
import { loadSpan } from "../../src/model/load-span.ts";
import { MemoryTileStore } from "../../src/model/tiles/memory-tile-store.ts";
import { decodeManifest } from "../../src/model/tiles/manifest.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { hubModel, HUB_MODEL, type HubModel } from "../../tools/bench/models/hub-model.ts";
import { startHub } from "../../tools/hub/hub-server.ts";
import { spansOf } from "../../tools/browser/relay-swarm.ts";
import { FolderTileSource } from "../../tools/model/model-folder.ts";
import { readFile } from "node:fs/promises";
import { greedyAlone } from "../support/greedy.ts";
import { expect, test } from "../support/relay-fixture.ts";
import { tokenizer } from "../support/unsplit.ts";

/** SmolLM2-135M's width, heads and feed-forward; with a small vocabulary, 36 layers give 135 million parameters. */
const SHAPE = {
  bits: 4,
  layers: 36,
  width: 576,
  heads: 9,
  kvHeads: 3,
  headSize: 64,
  feedForward: 1536,
  vocabulary: 4000,
  context: 128,
} as const;
const PROMPT = "Once upon a time";
const TOKENS = 8;

test("three tabs answer with a 4-bit model from a hub as one machine does, and show the progress of loading", async ({
  folder,
  startRelay,
  openTab,
}) => {
  test.setTimeout(300_000);
  const models: Record<string, string> = {};
  const hub = await startHub({ models });
  const served = await hubModel({ shape: SHAPE, url: hub.folderOf(HUB_MODEL), folder: path.join(folder, "models/smol") });
  models[HUB_MODEL] = served.files;
  const relay = await startRelay({ models: [path.join(folder, "models")] });
  const expected = await greedyUnpacked(served);

  const first = await openTab(relay.url);
  hub.setRate(20_000_000); // slow enough for the progress to be seen
  const lending = first.lend();
  await expect(first.page.getByTestId("lend-state")).toHaveAttribute("data-state", "loading");
  await expect(first.page.locator(".figures").first()).toContainText(/MB of\s+[\d.]+ MB\s+[\d.]+ MB\/s, about .+ left/);
  expect(await lending).toBe("0-36");
  hub.setRate(0);
  const others = [await openTab(relay.url), await openTab(relay.url)];
  for (const tab of others) await tab.lend();
  await expect.poll(() => spansOf(relay), { timeout: 120_000 }).toEqual(["0-18", "18-27", "27-36"]);
  const answer = await first.ask(PROMPT, { maxTokens: TOKENS });
  expect(answer).toMatchObject({ status: "done", problem: "", route: ["0-18", "18-27", "27-36"] });
  expect(answer.tokens).toEqual(expected);
  await hub.stop();
});

/** Resolves with the greedy tokens of the whole model over unpacked weights, from one session in this process. */
async function greedyUnpacked(served: HubModel): Promise<readonly number[]> {
  const manifest = decodeManifest(served.bytes);
  const source = await loadSpan({
    model: served.id,
    manifest,
    graph: new Uint8Array(await readFile(path.join(served.files, manifest.graph.path))),
    span: { start: 0, end: manifest.layerCount },
    source: new FolderTileSource(served.files),
    store: new MemoryTileStore({ budgetBytes: 1 }),
    clock: systemClock,
    signal: new AbortController().signal,
  });
  const runner = await SpanRunner.create(ort, unpackSpan(source), { executionProviders: ["wasm"], cacheOnDevice: false });
  const engine = new LocalEngine(
    ort,
    runner,
    { backend: "wasm", determinismClass: "test", rowInvariant: false, layerMs: 1, conversionMs: 0, notices: [] },
    { cacheBudgetBytes: 2 ** 30, share: 1, clock: systemClock },
  );
  const made = await greedyAlone(engine, tokenizer.encode(PROMPT), {
    count: TOKENS,
    stops: manifest.eosTokens,
    maxPositions: manifest.contextLength,
  });
  await engine.dispose();
  return made;
}
