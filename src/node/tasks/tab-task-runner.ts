// What this tab computes tasks with: a worker for the kinds that are ours, a sandboxed frame for strangers' programs.
import { FrameSandbox } from "../../tasks/sandbox/frame-sandbox.browser.ts";
import { mapIn } from "../../tasks/kinds/map.ts";
import { renderGpuBy } from "../../tasks/kinds/render/render-gpu.ts";
import { LocalRunner, type TaskRunner } from "../../tasks/volunteer/local-runner.ts";
import { type OfferedKind, offered } from "../../tasks/task-kind.ts";
import { hasGpuAdapter } from "../platform/has-gpu-adapter.ts";
import { WorkerTaskRunner, type WorkerTaskRunnerDeps } from "./worker-task-runner.ts";

export interface TabTaskRunner extends TaskRunner {
  /** Looks for a graphics card to draw with. Answers whether there is one that was not known of: `kinds` has one more then. */
  findCard?(): Promise<boolean>;
  stop(): void;
}

export interface TabTaskRunnerDeps extends WorkerTaskRunnerDeps {
  /** Whether the person lets the graphics card be used. */
  readonly wantsCard: () => boolean;
}

/** `sandboxPage`: address of `sandbox.html`; undefined where there is no document to hold its frame, and so no kind `map`. */
export function tabTaskRunner(deps: TabTaskRunnerDeps, sandboxPage: string | undefined): TabTaskRunner {
  const worker = new WorkerTaskRunner(deps);
  const programs = sandboxPage === undefined ? undefined : new LocalRunner([mapIn(new FrameSandbox(sandboxPage))], deps.fetchTile);
  const kinds: OfferedKind[] = [...worker.kinds, ...(programs?.kinds ?? []).map(offered)];
  const { name, version } = renderGpuBy(undefined);
  return {
    kinds,
    findCard: async () => {
      if (kinds.some((kind) => kind.name === name) || !deps.wantsCard() || !(await hasGpuAdapter(navigator.gpu))) return false;
      kinds.push({ name, version });
      return true;
    },
    run: (task, context) => (task.kind === "map" && programs ? programs : worker).run(task, context),
    stop: () => worker.stop(),
  };
}
