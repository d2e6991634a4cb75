// What this tab computes tasks with: a worker for the kinds that are ours, a sandboxed frame for strangers' programs.
import { FrameSandbox } from "../../tasks/sandbox/frame-sandbox.browser.ts";
import { withCode } from "../../tasks/kinds/find-kind.ts";
import { mapIn } from "../../tasks/kinds/map.ts";
import { LocalRunner, type TaskRunner } from "../../tasks/volunteer/local-runner.ts";
import { hasGpuAdapter } from "../platform/has-gpu-adapter.ts";
import { WorkerTaskRunner, type WorkerTaskRunnerOptions } from "./worker-task-runner.ts";

export interface TabTaskRunners {
  /** The first one that offers a task's kind computes it. */
  readonly runners: readonly [TaskRunner, ...TaskRunner[]];
  /** Looks for a graphics card to draw with. Resolves with whether it found one: then a runner offers one kind more. */
  findCard?(): Promise<boolean>;
  stop(): void;
}

export interface TabTaskRunnersOptions extends WorkerTaskRunnerOptions {
  /** Whether the person lets the graphics card be used. */
  readonly wantsCard: () => boolean;
}

/**
 * `sandboxPage`: address of `sandbox.html`; undefined if there is no document to hold its frame, and so no kind `map`.
 */
export function tabTaskRunners(options: TabTaskRunnersOptions, sandboxPage: string | undefined): TabTaskRunners {
  const worker = new WorkerTaskRunner(options);
  const programs =
    sandboxPage === undefined ? [] : [new LocalRunner([withCode("map", mapIn(new FrameSandbox(sandboxPage)))], options.fetchTile)];
  return {
    runners: [worker, ...programs],
    findCard: async () => {
      if (worker.hasCard || !options.wantsCard() || !(await hasGpuAdapter(navigator.gpu))) return false;
      worker.offerCard();
      return true;
    },
    stop: () => worker.stop(),
  };
}
