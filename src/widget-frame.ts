// Entry of widget.html, the frame of the relay's origin: the card and nothing more until the visitor agrees.
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
// A host without an origin of its own (a file, a sandbox) can't be named; a height is no secret.
const target = hostOrigin !== null && /^https?:\/\//.test(hostOrigin) ? hostOrigin : "*";
applyTheme(document.documentElement, readTheme(asked.get("theme")) ?? "auto");

// Kept apart from the page's own choices: saying no to a site's card is not saying no to the relay's page.
const localStore = new LocalStore(() => localStorage, "manyhands.widget.");
const backoff = new Backoff(systemClock, Math.random);
const controller = new NodeController({
  localStore,
  relay: location.origin,
  clock: systemClock,
  hurry: () => backoff.hurry(),
  createNode: async (waiting) => {
    const relay = { fetch: fetch.bind(globalThis), url: new URL("healthz", document.baseURI).href, backoff };
    return (await loadCode(relay, () => import("./node/create-node.ts"), waiting)).createNode({ host: "widget" });
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
    const message: DeclinedMessage = { manyhands: "declined", declined: (event as CustomEvent<boolean>).detail }; // the card sends no other
    parent.postMessage(message, target);
  });
  new ResizeObserver(() => {
    const message: HeightMessage = { manyhands: "height", height: Math.ceil(card.getBoundingClientRect().height) };
    parent.postMessage(message, target);
  }).observe(card);
}

// Storage is not tried before the visitor agreed: whether it works shows later, as a notice of the node.
card.missing = (await findCapability({ ...browserFeatures(globalThis), openDatabase: async () => {} })).missing;
