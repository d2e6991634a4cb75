// The main purpose on WebGPU: spans on a graphics card, or on the software adapter, give the text of one session.
import { chromium } from "playwright-core";
import { BROWSER_FLAGS, findBrowser } from "../../tools/setup/browser.mjs";
import { expect, test } from "../support/relay-fixture.ts";
import { Tab, WEBGPU_FLAGS } from "../../tools/browser/tabs.ts";
import { spansOf } from "../../tools/browser/relay-swarm.ts";
import { greedyUnsplit } from "../support/unsplit.ts";

test("three tabs on WebGPU give the 32 greedy tokens of one session", async ({ relay }) => {
  test.setTimeout(400_000);
  const found = await findBrowser(new URL("../..", import.meta.url).pathname);
  const browser = await chromium.launch({ ...(found && { executablePath: found.path }), args: [...BROWSER_FLAGS, ...WEBGPU_FLAGS] });
  try {
    const probe = await Tab.open(browser, relay.url);
    const adapter = await probe.page.evaluate(async () => (await (navigator as Partial<Navigator>).gpu?.requestAdapter())?.info.vendor);
    await probe.close();
    test.skip(adapter === undefined, "no WebGPU adapter in this browser, not even the software one");
    const [expected] = await greedyUnsplit(["Once upon a time"], 32);
    const tabs: Tab[] = [];
    for (let count = 1; count <= 3; count++) {
      const tab = await Tab.open(browser, relay.url);
      await tab.lend({ backend: "webgpu" });
      tabs.push(tab);
    }
    await expect.poll(() => spansOf(relay)).toEqual(["0-4", "4-7", "7-8"]);
    expect(relay.directory.swarm.peers.map((peer) => peer.backend)).toEqual(["webgpu", "webgpu", "webgpu"]);
    const answer = await tabs[0]?.ask("Once upon a time", { maxTokens: 32 });
    expect(answer).toMatchObject({ status: "done", tokens: expected, route: ["0-4", "4-7", "7-8"] });
  } finally {
    await browser.close();
  }
});
