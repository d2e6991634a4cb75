// The widget on somebody else's page: only the card before consent, a span of a real answer after it, a no that stays.
import type { FrameLocator, Page, Request } from "@playwright/test";
import { startHostSite } from "../support/host-site.ts";
import { test as base, expect } from "../support/relay-fixture.ts";
import { greedyUnsplit } from "../support/unsplit.ts";

/** The most bytes on the wire before consent. */
const CARD_MAX_BYTES = 30_000;

const test = base.extend<{ readonly hostUrl: string }>({
  hostUrl: async ({ relay }, use) => {
    const site = await startHostSite(relay.url);
    await use(site.url);
    await site.stop();
  },
});

const cardOf = (page: Page): FrameLocator => page.frameLocator("manyhands-widget iframe");

/** Returns a list that collects the page's requests to the relay from now on. */
function requestsTo(relayUrl: string, page: Page): Request[] {
  const requests: Request[] = [];
  page.on("request", (request) => {
    if (request.url().startsWith(relayUrl)) requests.push(request);
  });
  return requests;
}

/** Fails unless `requests` are exactly those of the card. */
function expectCardOnly(requests: readonly Request[]): void {
  const paths = requests.map((request) => new URL(request.url()).pathname);
  expect(paths.slice(0, 2)).toEqual(["/widget.js", "/widget.html"]);
  for (const path of paths.slice(2)) expect(path).toMatch(/^\/assets\/(?!create-node|engine|ort)[\w.-]+\.(js|css)$/);
  expect(new Set(paths).size).toBe(paths.length);
}

/** Resolves with the bytes of the bodies as they came over the wire. */
async function weigh(requests: readonly Request[]): Promise<number> {
  const sizes = await Promise.all(requests.map((request) => request.sizes()));
  const total = sizes.reduce((sum, { responseBodySize }) => sum + responseBodySize, 0);
  console.log(`the card before consent: ${requests.length} requests, ${total} bytes gzipped`);
  return total;
}

test("on another site's page the widget loads only its card, serves a span after consent, and stops at once", async ({
  openTab,
  relay,
  hostUrl,
}) => {
  const [expected] = await greedyUnsplit(["Once upon a time"], 32);
  const sockets: string[] = [];
  let requests: Request[] = [];
  const host = await openTab(hostUrl, async (context) => {
    context.on("page", (page) => {
      requests = requestsTo(relay.url, page);
      page.on("websocket", (socket) => sockets.push(socket.url()));
    });
  });
  const card = cardOf(host.page);
  await expect(card.getByTestId("widget-state")).toHaveAttribute("data-state", "off");
  await expect(card.getByTestId("widget-agree")).toBeEnabled();
  expectCardOnly(requests);
  const weight = await weigh(requests);
  expect(weight).toBeGreaterThan(1_000);
  expect(weight).toBeLessThan(CARD_MAX_BYTES);
  expect(sockets).toEqual([]);
  expect(relay.directory.swarm.peers).toEqual([]);

  const asking = await openTab();
  expect(await asking.lend()).toBe("0-8");
  await card.getByTestId("widget-agree").click();
  await expect(card.locator('[data-testid="widget-state"][data-state="serving"]')).toHaveAttribute("data-span", "4-8");
  await asking.holds("0-4");
  expect(relay.directory.swarm.peers.map((peer) => peer.host).toSorted()).toEqual(["page", "widget"]);
  const frame = host.page.frames().find((each) => each.url().startsWith(relay.url));
  expect(await frame?.evaluate(() => ({ isolated: crossOriginIsolated, origin: location.origin }))).toEqual({
    isolated: false,
    origin: new URL(relay.url).origin,
  });

  expect(await asking.ask("Once upon a time", { maxTokens: 32 })).toMatchObject({
    status: "done",
    tokens: expected,
    route: ["0-4", "4-8"],
  });
  await expect(card.getByTestId("widget-tokens")).toHaveText(/^[1-9]\d* tokens$/);

  await card.getByTestId("widget-stop").click();
  await expect(card.getByTestId("widget-state")).toHaveAttribute("data-state", "off");
  await asking.holds("0-8");
  expect(relay.directory.swarm.peers.map((peer) => peer.host)).toEqual(["page"]);
  expect(await asking.ask("Once upon a time", { maxTokens: 32 })).toMatchObject({ tokens: expected, route: ["0-8"] });
});

test("a no is remembered over a reload, fetches nothing, and can be taken back", async ({ openTab, relay, hostUrl }) => {
  const { page } = await openTab(hostUrl);
  const card = cardOf(page);
  const state = card.getByTestId("widget-state");
  await card.getByTestId("widget-decline").click();
  await expect(state).toHaveAttribute("data-state", "declined");

  const requests = requestsTo(relay.url, page);
  await page.reload();
  await expect(state).toHaveAttribute("data-state", "declined");
  await expect(state).toContainText("Not lending.");
  await expect(card.getByTestId("widget-agree")).toHaveCount(0);
  await page.waitForLoadState("networkidle");
  expectCardOnly(requests);
  expect(relay.directory.swarm.peers).toEqual([]);

  await card.getByTestId("widget-reconsider").click();
  await expect(card.getByTestId("widget-agree")).toBeEnabled();
  await page.reload();
  await expect(state).toHaveAttribute("data-state", "off");
});

test("a browser without WebRTC gets one line instead of a question", async ({ openTab, hostUrl }) => {
  const { page } = await openTab(hostUrl, (context) => context.addInitScript("delete globalThis.RTCPeerConnection"));
  const state = cardOf(page).getByTestId("widget-state");
  await expect(state).toHaveAttribute("data-state", "unable");
  await expect(state).toContainText("WebRTC");
  await expect(cardOf(page).getByTestId("widget-agree")).toHaveCount(0);
});
