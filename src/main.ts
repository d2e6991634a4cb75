// Entry of the page: chooses implementations, defines the elements, builds the page. The node's code comes later.
import { systemClock } from "./shared/clock.ts";
import { Backoff } from "./shared/backoff.ts";
import { App } from "./ui/app.ts";
import { AskAnswer } from "./ui/ask/ask-answer.ts";
import { AskPanel } from "./ui/ask/ask-panel.ts";
import { AskSettings } from "./ui/ask/ask-settings.ts";
import { AskController } from "./ui/ask/ask-controller.ts";
import { browserFeatures, findCapability } from "./ui/capability.ts";
import { CopyButton } from "./ui/parts/copy-button.ts";
import { CreditPanel } from "./ui/credit/credit-panel.ts";
import { LendConsent } from "./ui/lend/lend-consent.ts";
import { LendControls } from "./ui/lend/lend-controls.ts";
import { LendPanel } from "./ui/lend/lend-panel.ts";
import { loadCode } from "./ui/load-code.ts";
import { LocalStore } from "./ui/local-store.ts";
import { MissingPanel } from "./ui/parts/missing-panel.ts";
import { openConversationStore } from "./ui/ask/conversation-store.ts";
import { ModelSelect } from "./ui/models/model-select.ts";
import { ModelsPanel } from "./ui/models/models-panel.ts";
import { NodeController } from "./ui/node-controller.ts";
import { OverviewPoll } from "./ui/overview-poll.ts";
import { PageFooter } from "./ui/parts/page-footer.ts";
import { RelayPill } from "./ui/parts/relay-pill.ts";
import { RouteChain } from "./ui/ask/route-chain.ts";
import { SwarmMap } from "./ui/swarm/swarm-map.ts";
import { SwarmPanel } from "./ui/swarm/swarm-panel.ts";
import { ConversationList } from "./ui/ask/conversation-list.ts";
import { ConversationView } from "./ui/ask/conversation-view.ts";
import { TasksPanel } from "./ui/tasks/tasks-panel.ts";
import { Conversations } from "./ui/ask/conversations.ts";
import { ThemeToggle, applyTheme, rememberedTheme } from "./ui/parts/theme-toggle.ts";

const ELEMENTS = {
  "mh-copy": CopyButton,
  "mh-relay": RelayPill,
  "mh-theme": ThemeToggle,
  "mh-ask-settings": AskSettings,
  "mh-answer": AskAnswer,
  "mh-route": RouteChain,
  "mh-model-select": ModelSelect,
  "mh-conversation-list": ConversationList,
  "mh-conversation-view": ConversationView,
  "mh-ask": AskPanel,
  "mh-consent": LendConsent,
  "mh-lend-controls": LendControls,
  "mh-lend": LendPanel,
  "mh-swarm-map": SwarmMap,
  "mh-swarm": SwarmPanel,
  "mh-credit": CreditPanel,
  "mh-models": ModelsPanel,
  "mh-tasks": TasksPanel,
  "mh-missing": MissingPanel,
  "mh-footer": PageFooter,
  "mh-app": App,
} as const;

const localStore = new LocalStore(() => localStorage);
applyTheme(document.documentElement, rememberedTheme(localStore));

/** Headless tabs that lend say so in their address: the swarm's table shows them apart from people's pages. */
const host = new URLSearchParams(location.search).get("host") === "volunteer" ? "volunteer" : "page";
const backoff = new Backoff(systemClock, Math.random);
const controller = new NodeController({
  localStore,
  relay: location.origin,
  clock: systemClock,
  hurry: () => backoff.hurry(),
  createNode: async (wait) => {
    const relay = { fetch: fetch.bind(globalThis), url: new URL("healthz", document.baseURI).href, backoff };
    return (await loadCode(relay, () => import("./node/create-node.ts"), wait)).createNode({ host });
  },
});
const askController = new AskController(() => controller.nodeForPrompt());
const conversations = new Conversations({
  openStore: () => openConversationStore(),
  askController,
  localStore,
  now: () => Date.now(),
  // `randomUUID` is missing in insecure contexts, where the page still has to come up in order to explain itself.
  newId: () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join(""),
});

const poll = new OverviewPoll({
  fetch: (input, init) => fetch(input, init),
  url: new URL("api/swarm", document.baseURI).href,
  clock: systemClock,
  random: Math.random,
  isVisible: () => document.visibilityState === "visible",
  onChange: (overview) => controller.setOverview(overview),
});
// A node that has joined knows the swarm itself, so only a page that has not joined polls.
controller.subscribe(() => (controller.view.joined ? poll.stop() : poll.start()));
poll.start();
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") poll.hurry();
});
addEventListener("pagehide", () => {
  askController.stop();
  void controller.release();
});

for (const [name, element] of Object.entries(ELEMENTS)) customElements.define(name, element);
const app = new App();
/** The code of the tasks' panel is loaded when somebody opens the panel. */
const loadTasks = async (): Promise<void> => {
  const { TASK_ELEMENTS } = await import("./ui/tasks/elements.ts");
  for (const [name, element] of Object.entries(TASK_ELEMENTS)) if (!customElements.get(name)) customElements.define(name, element);
};
Object.assign(app, {
  loadTasks,
  controller,
  askController,
  conversations,
  localStore,
  site: new URL(".", document.baseURI).href,
});
document.body.append(app);
app.capability = await findCapability(browserFeatures(globalThis));
