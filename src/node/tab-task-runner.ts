// What this tab computes tasks with: a worker for the kinds that are ours, a sandboxed frame for strangers' programs.
import { FrameSandbox } from "../tasks/frame-sandbox.browser.ts";
import { mapIn } from "../tasks/kinds/map.ts";
import { LocalRunner, type TaskRunner } from "../tasks/local-runner.ts";
import { WorkerTaskRunner, type WorkerTaskRunnerDeps } from "./worker-task-runner.ts";

export interface TabTaskRunner extends TaskRunner {
  stop(): void;
}

/** `sandboxPage`: address of `sandbox.html`; undefined where there is no document to hold its frame, and so no kind `map`. */
export function tabTaskRunner(deps: WorkerTaskRunnerDeps, sandboxPage: string | undefined): TabTaskRunner {
  const worker = new WorkerTaskRunner(deps);
  const programs = sandboxPage === undefined ? undefined : new LocalRunner([mapIn(new FrameSandbox(sandboxPage))], deps.fetchTile);
  return {
    kinds: [...worker.kinds, ...(programs?.kinds ?? []).map(({ name, version }) => ({ name, version }))],
    run: (task, context) => (task.kind === "map" && programs ? programs : worker).run(task, context),
    stop: () => worker.stop(),
  };
}
