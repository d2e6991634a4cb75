// Writes the README's pictures of the page: the real page, after three tabs wrote a story and rendered a picture
// together.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startRelay } from "../../relay/relay.ts";
import { launchBrowser, Tab } from "./tabs.ts";

const IMAGES = path.resolve(import.meta.dirname, "../../docs/images");
const PROMPT = "Once upon a time";
/** Milliseconds for the tabs to render a picture, on a busy machine. */
const PICTURE_MS = 120_000;

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
  const [asking, second] = tabs;
  if (!asking || !second) throw new Error("no tab");
  await second.holds("4-7");
  await asking.page.setViewportSize({ width: 1180, height: 900 });
  await asking.ask(PROMPT, { maxTokens: 110 });
  // `ask` opened the settings. Most people never open them, so they are closed again.
  await asking.page.locator("details").evaluateAll((all) => all.forEach((details) => details.removeAttribute("open")));
  await asking.page.screenshot({ path: path.join(IMAGES, "page.png"), fullPage: true });
  await asking.page.getByTestId("tasks-open").click();
  await asking.page.getByTestId("task-fineness-fine").check();
  await asking.page.getByTestId("task-submit").click();
  await asking.page.locator('[data-testid="job"][data-state="done"]').waitFor({ timeout: PICTURE_MS });
  await asking.page.mouse.move(0, 0);
  await asking.page.getByTestId("tasks").screenshot({ path: path.join(IMAGES, "tasks.png"), animations: "disabled" });
  console.log(IMAGES);
} finally {
  await browser.close();
  await relay.stop();
  await rm(data, { recursive: true, force: true });
}
