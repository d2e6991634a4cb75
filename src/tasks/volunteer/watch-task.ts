// Runs a task under its limits of time: in total, and without a sign of progress. A runner that does not hear the signal is
// left behind: what it answers late is dropped.
import type { Task } from "../../protocol/task-frames.ts";
import { abortable } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { TaskRunner } from "./local-runner.ts";
import type { Bytes } from "../task-kind.ts";

/** For a watch that is not needed any more; one for all, since a stack for each of a thousand small tasks costs more than they do. */
const OVER = new ManyhandsError("TASK_FAILED", "the task is over");

export interface WatchOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onStep: () => void;
  readonly requester?: PeerId;
}

/** Throws as the runner does; TASK_FAILED where a limit of time is broken. */
export async function watchTask(runner: TaskRunner, task: Task, { clock, signal, onStep, requester }: WatchOptions): Promise<Bytes> {
  const { runMs, silentMs } = task.limits;
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const startedMs = clock.now();
  let movedMs = startedMs;
  const progress = (): void => {
    movedMs = clock.now();
    onStep();
  };
  const watch = async (): Promise<void> => {
    for (;;) {
      const untilMs = Math.min(startedMs + runMs, movedMs + silentMs);
      const leftMs = untilMs - clock.now();
      if (leftMs <= 0) {
        const why = clock.now() >= startedMs + runMs ? `took longer than ${runMs} ms` : `gave no sign for ${silentMs} ms`;
        stop.abort(new ManyhandsError("TASK_FAILED", `the task ${why}`));
        return;
      }
      await clock.sleep(leftMs, stop.signal);
    }
  };
  const watching = watch().catch(() => {}); // aborted: the task is over
  try {
    return await abortable(runner.run(task, { signal: stop.signal, progress, ...(requester && { requester }) }), stop.signal);
  } finally {
    signal.removeEventListener("abort", onAbort);
    stop.abort(OVER);
    await watching;
  }
}
