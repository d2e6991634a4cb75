// Writes the picture in the README: the real page, after a story that three tabs answered together.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startRelay } from "../../relay/relay.ts";
import { launchBrowser, Tab } from "./tabs.ts";

const OUT = path.resolve(import.meta.dirname, "../../docs/images/page.png");
const PROMPT = "Once upon a time";

const data = await mkdtemp(path.join(tmpdir(), "manyhands-picture-"));
const relay = await startRelay({ port: 0, data, name: "story corner" });
const browser = await launchBrowser();
try {
  const tabs: Tab[] = [];
  for (let count = 1; count <= 3; count++) {
    const tab = await Tab.open(browser, relay.url);
    await tab.lend();
    tabs.push(tab);
  }
  const [asking] = tabs;
  if (!asking) throw new Error("no tab");
  await asking.holds("0-2");
  await asking.page.setViewportSize({ width: 1180, height: 900 });
  await asking.ask(PROMPT, { maxTokens: 110 });
  // The settings that asking opened are closed again: most people never open them.
  await asking.page.locator("details").evaluateAll((all) => all.forEach((details) => details.removeAttribute("open")));
  await asking.page.screenshot({ path: OUT, fullPage: true });
  console.log(OUT);
} finally {
  await browser.close();
  await relay.stop();
  await rm(data, { recursive: true, force: true });
}
