// How a volunteer runs one task, in one place: which runner computes it, when the share of compute lets it begin, and
// which limits of time end it. A runner that ignores its signal is left behind: an output that it gives later is
// dropped.
import type { Task } from "../../protocol/task-frames.ts";
import { abortable } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Bytes } from "../task-kind.ts";
import type { TaskRunner } from "./local-runner.ts";
import type { Pace } from "./pace.ts";

/**
 * Ends a watch that is over. One error for all: a stack for each of a thousand small tasks costs more than the tasks
 * do.
 */
const OVER = new ManyhandsError("TASK_FAILED", "the task is over");

export interface RunTaskOptions {
  /** The first one that offers the task's kind computes it. Without any, the first of all says why it refuses. */
  readonly runners: readonly [TaskRunner, ...TaskRunner[]];
  /** Without it the next task begins at once. */
  readonly pace?: Pick<Pace, "ready" | "worked">;
  readonly clock: Clock;
}

/** What belongs to one task. */
export interface RunTaskCall {
  readonly signal: AbortSignal;
  /** Called at every sign of progress. */
  readonly onProgress: () => void;
  readonly requester?: PeerId;
}

/**
 * Resolves with the output. The limits of time count the pause for the share, too. Throws what the runner throws, the
 * signal's reason, or TASK_FAILED if a limit of time is broken.
 */
export async function runTask(
  { runners, pace, clock }: RunTaskOptions,
  task: Task,
  { signal, onProgress, requester }: RunTaskCall,
): Promise<Bytes> {
  const time = limitTime(task.limits, clock, signal);
  const progress = (): void => {
    time.moved();
    onProgress();
  };
  const compute = async (): Promise<Bytes> => {
    await pace?.ready(time.signal);
    const startedMs = clock.now();
    try {
      return await runnerFor(runners, task).run(task, { signal: time.signal, progress, ...(requester && { requester }) });
    } finally {
      pace?.worked(clock.now() - startedMs);
    }
  };
  try {
    return await abortable(compute(), time.signal);
  } finally {
    await time.stop();
  }
}

const runnerFor = (runners: RunTaskOptions["runners"], task: Task): TaskRunner =>
  runners.find(({ kinds }) => kinds.some(({ name }) => name === task.kind)) ?? runners[0];

interface TimeLimit {
  /** Aborts with the outer signal's reason, or with TASK_FAILED when a limit is broken. */
  readonly signal: AbortSignal;
  /** There was a sign of progress. */
  moved(): void;
  /** Resolves once nothing is watched any more. */
  stop(): Promise<void>;
}

/** Watches the two limits of time from now on: for the whole task, and without a sign of progress. */
function limitTime({ runMs, silentMs }: Task["limits"], clock: Clock, outer: AbortSignal): TimeLimit {
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(outer.reason);
  outer.addEventListener("abort", onAbort, { once: true });
  if (outer.aborted) onAbort();
  const startedMs = clock.now();
  let movedMs = startedMs;
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
  return {
    signal: stop.signal,
    moved: () => (movedMs = clock.now()),
    stop: async () => {
      outer.removeEventListener("abort", onAbort);
      stop.abort(OVER);
      await watching;
    },
  };
}
