// Port: what differs between a tab, a worker of a page, and Node: who this peer is, how it links, what it computes with, what it keeps.
import type { Identity } from "../../mesh/identity/identity.browser.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import type { Log } from "../../shared/log.ts";
import type { JobStores } from "../../tasks/jobs/job-stores.ts";
import type { NodeConfig } from "./config.ts";
import type { StartSpan } from "../spans/span-host.ts";
import type { TabTaskRunners, TabTaskRunnersOptions } from "../tasks/tab-task-runners.ts";

export interface Platform {
  readonly config: NodeConfig;
  readonly log: Log;
  /** `direct`: data channels from tab to tab, and lending. `relayed`: everything through the relay; such a peer asks and lends nothing. */
  readonly links: "direct" | "relayed";
  /** Throws the signal's reason. */
  takeIdentity(signal: AbortSignal): Promise<Identity>;
  /** Rejects where storage is blocked: then jobs are kept in memory. */
  openJobStores(): Promise<JobStores>;
  taskRunners(options: TabTaskRunnersOptions): TabTaskRunners;
  startSpan(deps: { readonly mesh: Pick<Mesh, "open">; readonly log: Log }): StartSpan;
  /**
   * Calls `going` where whatever shows this peer may go away in the next moment, and `vanish` in that moment, until the signal
   * aborts.
   */
  onHide(page: { readonly going: () => void; readonly vanish: () => void }, signal: AbortSignal): void;
}
