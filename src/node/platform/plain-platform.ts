// A thread without WebRTC (Node, a worker of a page): asks through the relay, computes its own tasks, keeps nothing.
import { ManyhandsError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import { memoryJobStores } from "../../tasks/jobs/memory-job-stores.ts";
import type { NodeConfig } from "./config.ts";
import type { Platform } from "./platform.ts";
import { plainRunner } from "../tasks/plain-runner.ts";

export interface PlainPlatformOptions {
  readonly config: NodeConfig;
  readonly log: Log;
  /** 32 bytes: the seed of this peer's key. */
  readonly seed: Uint8Array;
  /** Whether the caller keeps the seed, so that the identity outlives this thread. */
  readonly isKept: boolean;
}

/** Has no sandbox and no model runtime: tasks of the kinds `map` and `ml_inference` go to tabs. */
export const plainPlatform = ({ config, log, seed, isKept }: PlainPlatformOptions): Platform => ({
  config,
  log,
  links: "relayed",
  acquireIdentity: async () => ({ seed, kept: isKept, notice: undefined, release: () => {} }),
  openJobStores: async () => memoryJobStores(),
  taskRunners: ({ fetchTile }) => ({ runners: [plainRunner(fetchTile)], stop: () => {} }),
  startSpan: () => () =>
    Promise.reject(
      new ManyhandsError(
        "NO_ROUTE",
        "No tabs of the swarm hold the whole model, and this program cannot compute layers itself. Try again later.",
      ),
    ),
  onHide: () => {},
});
