// Port: what differs between a tab, a worker of a page, and Node: identity, links, runtimes and storage.
import type { Identity } from "../../mesh/identity/identity.browser.ts";
import type { Log } from "../../shared/log.ts";
import type { JobStores } from "../../tasks/jobs/job-stores.ts";
import type { NodeConfig } from "./config.ts";
import type { SpanHostOptions, StartSpan } from "../spans/span-host.ts";
import type { TabTaskRunners, TabTaskRunnersOptions } from "../tasks/tab-task-runners.ts";

export interface Platform {
  readonly config: NodeConfig;
  readonly log: Log;
  /** `direct`: data channels from tab to tab. `relayed`: all through the relay; such a peer asks, but cannot lend. */
  readonly links: "direct" | "relayed";
  /** Throws the signal's reason. */
  acquireIdentity(signal: AbortSignal): Promise<Identity>;
  /** Rejects if storage is blocked: then jobs are kept in memory. */
  openJobStores(): Promise<JobStores>;
  taskRunners(options: TabTaskRunnersOptions): TabTaskRunners;
  startSpan(options: SpanHostOptions): StartSpan;
  /** Calls `going` when this peer's page may go away soon, and `vanish` when it does, until the signal aborts. */
  onHide(page: { readonly going: () => void; readonly vanish: () => void }, signal: AbortSignal): void;
}
