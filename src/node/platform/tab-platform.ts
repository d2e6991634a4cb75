// A tab: keys and jobs in its storage, a worker for each span and one for tasks, and data channels to other tabs.
import { acquireIdentity } from "../../mesh/identity/identity.browser.ts";
import type { Log } from "../../shared/log.ts";
import { openIdbJobStores } from "../../tasks/jobs/idb-job-stores.browser.ts";
import type { NodeConfig } from "./config.ts";
import type { Platform } from "./platform.ts";
import { startWorkerSpan } from "../spans/span-client.ts";
import { tabTaskRunners } from "../tasks/tab-task-runners.ts";

const consoleLog: Log = {
  debug: (message, fields) => console.debug(message, fields),
  info: (message, fields) => console.info(message, fields),
  warn: (message, fields) => console.warn(message, fields),
};

export const tabPlatform = (config: NodeConfig): Platform => ({
  config,
  log: consoleLog,
  links: "direct",
  // `locks` is missing in insecure contexts, whatever its type says.
  acquireIdentity: (signal) => acquireIdentity({ locks: (navigator as Partial<Navigator>).locks }, signal),
  openJobStores: () => openIdbJobStores("manyhands-tasks"),
  taskRunners: (options) => tabTaskRunners(options, new URL("/sandbox.html", config.relayOrigin).href),
  startSpan: startWorkerSpan,
  onHide: ({ going, vanish }, signal) => {
    addEventListener("beforeunload", going, { signal });
    // A closing tab still gets this event. So does a page that is kept for the back button; shown again, it reloads.
    addEventListener("pagehide", vanish, { signal });
    addEventListener("pageshow", (event) => event.persisted && location.reload(), { signal });
  },
});
