// Entry of widget.html, the frame of the relay's origin: shows the card, and loads no more until the visitor agrees.
import * as v from "valibot";
import { systemClock } from "./shared/clock.ts";
import { Backoff } from "./shared/backoff.ts";
import { browserFeatures, findCapability } from "./ui/capability.ts";
import type { DeclinedMessage, HeightMessage } from "./ui/widget/frame-messages.ts";
import { loadCode } from "./ui/load-code.ts";
import { LocalStore } from "./ui/local-store.ts";
import { NodeController } from "./ui/node-controller.ts";
import { applyTheme, readTheme } from "./ui/parts/theme-toggle.ts";
import { WidgetCard } from "./ui/widget/widget-card.ts";

const ThemeMessageSchema = v.object({ manyhands: v.literal("theme"), theme: v.picklist(["auto", "light", "dark"]) });

const asked = new URLSearchParams(location.search);
const hostOrigin = asked.get("host");
// A host without an origin (a file, a sandbox) cannot be addressed: messages go to any. A height is no secret.
const target = hostOrigin !== null && /^https?:\/\//.test(hostOrigin) ? hostOrigin : "*";
applyTheme(document.documentElement, readTheme(asked.get("theme")) ?? "auto");

// Kept apart from the page's choices: a no to some site's card is not a no to the relay's page.
const localStore = new LocalStore(() => localStorage, "manyhands.widget.");
const backoff = new Backoff(systemClock, Math.random);
const controller = new NodeController({
  localStore,
  relay: location.origin,
  clock: systemClock,
  hurry: () => backoff.hurry(),
  createNode: async (wait) => {
    const relay = { fetch: fetch.bind(globalThis), url: new URL("healthz", document.baseURI).href, backoff };
    return (await loadCode(relay, () => import("./node/create-node.ts"), wait)).createNode({ host: "widget" });
  },
});
addEventListener("pagehide", () => void controller.release());

customElements.define("mh-card", WidgetCard);
const card = new WidgetCard();
Object.assign(card, { controller, localStore, compact: asked.has("compact"), saidNo: asked.has("declined") });
document.body.append(card);

if (parent !== window) {
  addEventListener("message", (event: MessageEvent) => {
    if (event.source !== parent || (target !== "*" && event.origin !== target)) return;
    const message = v.safeParse(ThemeMessageSchema, event.data);
    if (message.success) applyTheme(document.documentElement, message.output.theme);
  });
  card.addEventListener("declined-changed", (event) => {
    const message: DeclinedMessage = { manyhands: "declined", declined: (event as CustomEvent<boolean>).detail }; // the card dispatches no other
    parent.postMessage(message, target);
  });
  new ResizeObserver(() => {
    const message: HeightMessage = { manyhands: "height", height: Math.ceil(card.getBoundingClientRect().height) };
    parent.postMessage(message, target);
  }).observe(card);
}

// Storage is not touched before the visitor agrees; if it is blocked, a notice of the node says so later.
card.missing = (await findCapability({ ...browserFeatures(globalThis), openDatabase: async () => {} })).missing;
