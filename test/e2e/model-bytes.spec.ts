// Where weights come from and go to, as a person meets it: their own folder, a full disk, an origin that goes away.
import path from "node:path";
import { hubModel, HUB_MODEL } from "../../tools/bench/models/hub-model.ts";
import { decodeManifest } from "../../src/model/tiles/manifest.ts";
import { startHub } from "../../tools/hub/hub-server.ts";
import { expect, test } from "../support/relay-fixture.ts";
import { readStoredTiles } from "../support/stored-tiles.ts";
import { greedyUnsplit } from "../support/unsplit.ts";

/**
 * Stands in for the browser's own dialogue, which no test can press. It gives the page a real folder, with files that
 * are fetched from the addresses in `files`.
 */
const pickFolder = (files: Readonly<Record<string, string>>): void => {
  Object.assign(globalThis, {
    showDirectoryPicker: async () => {
      const root = await navigator.storage.getDirectory();
      const folder = await root.getDirectoryHandle("downloads", { create: true });
      for (const [name, address] of Object.entries(files)) {
        const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
        await writable.write(await (await fetch(address)).blob());
        await writable.close();
      }
      return folder;
    },
  });
};

const DATA = "model.onnx.data";

test("a folder that a person opens is read instead of the relay; if it is of no use, the page says so and fetches", async ({
  openTab,
  relay,
}) => {
  const { models } = (await (await fetch(new URL("/api/bootstrap", relay.url))).json()) as {
    readonly models: readonly { readonly manifest: string }[];
  };
  const address = new URL(DATA, new URL(models[0]?.manifest ?? "", relay.url)).href;
  const opened = async (files: Readonly<Record<string, string>>) => {
    const tab = await openTab(relay.url, (context) => context.addInitScript(pickFolder, files));
    const button = tab.page.getByTestId("model-folder-open").first();
    await expect(button).toHaveAccessibleName(/^Read the weights of .+ from a folder on this device$/);
    await button.focus();
    await tab.page.keyboard.press("Enter");
    await expect(tab.page.getByTestId("model-folder")).toHaveText(/looked for in the folder “downloads” first/);
    const ranges: string[] = [];
    tab.page.on("request", (request) => {
      if (request.url().endsWith(DATA)) ranges.push(request.headers()["range"] ?? "");
    });
    expect(await tab.lend()).toBe("0-8");
    return { tab, ranges };
  };

  const own = await opened({ [DATA]: address });
  await expect(own.tab.page.getByTestId("notice")).toContainText([/are read from the folder "downloads" first/]);
  expect(own.ranges).toEqual([]);
  expect((await readStoredTiles(own.tab.page)).bad).toBe(0);
  const [expected] = await greedyUnsplit(["The moon"], 8);
  expect(await own.tab.ask("The moon", { maxTokens: 8 })).toMatchObject({ tokens: expected, route: ["0-8"] });
  await own.tab.close();
  await expect.poll(() => relay.directory.swarm.peers).toEqual([]);

  const other = await opened({ "notes.txt": address });
  await expect(other.tab.page.getByTestId("notice")).toContainText([
    /The folder was not taken: .+has no "model\.onnx\.data".+ Open the folder that holds/,
  ]);
  expect(other.ranges.length).toBeGreaterThan(0);
});

test("the page says that the disk is full, and the tab lends all the same", async ({ openTab, relay }) => {
  const tab = await openTab(relay.url, (context) =>
    context.addInitScript(() => {
      IDBObjectStore.prototype.put = () => {
        throw new DOMException("there is no more room", "QuotaExceededError");
      };
    }),
  );
  expect(await tab.lend()).toBe("0-8");
  await expect(tab.page.getByTestId("notice")).toContainText([/storage is full\. The layers are loaded all the same.+ Free some space/]);
  expect(await readStoredTiles(tab.page)).toEqual({ good: 0, bad: 0 });
});

test("if the origin goes away during a load, the page says what was kept; once it is back, the load goes on from there", async ({
  folder,
  startRelay,
  openTab,
}) => {
  const models: Record<string, string> = {};
  const hub = await startHub({ models, bytesPerSecond: 4_000_000 });
  const shape = { layers: 4, width: 512, heads: 8, feedForward: 1408, vocabulary: 2000 };
  const served = await hubModel({ shape, url: hub.folderOf(HUB_MODEL), folder: path.join(folder, "models/wide") });
  models[HUB_MODEL] = served.files;
  const relay = await startRelay({ models: [path.join(folder, "models")] });
  const tab = await openTab(relay.url);
  await tab.page.getByTestId("lend-start").click();
  await expect.poll(async () => (await readStoredTiles(tab.page)).good, { timeout: 60_000 }).toBeGreaterThan(8);
  const { port } = new URL(hub.url);
  await hub.stop();
  const failed = tab.page.locator('[data-testid="lend-state"][data-state="failed"]');
  await failed.waitFor({ timeout: 120_000 });
  await expect(failed).toHaveText(/could not be fetched: .+ What was fetched before is kept\. Try again/);
  const again = await startHub({ models, port: Number(port) });
  await tab.lend();
  const total = decodeManifest(served.bytes).dataFiles.reduce((sum, { size }) => sum + size, 0);
  expect(again.sentBytes).toBeGreaterThan(0);
  expect(again.sentBytes).toBeLessThan(0.95 * total);
  await again.stop();
});
