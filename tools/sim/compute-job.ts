// Has one job computed over a given dispatcher, and keeps nothing of it: how tests and tools go the product's way.
import { systemClock } from "../../src/shared/clock.ts";
import { asPeerId } from "../../src/shared/ids.ts";
import { silentLog } from "../../src/shared/log.ts";
import type { Dispatcher } from "../../src/tasks/dispatch/dispatcher.ts";
import type { TaskRequest } from "../../src/tasks/jobs/job.ts";
import { Jobs, type JobsOptions } from "../../src/tasks/jobs/jobs.ts";
import { memoryJobStores } from "../../src/tasks/jobs/memory-job-stores.ts";
import { loadKinds } from "../../src/tasks/kinds/find-kind.ts";
import type { TaskKindName, TaskValueByKind } from "../../src/tasks/kinds/kind-list.ts";
import type { TaskKind } from "../../src/tasks/task-kind.ts";

export interface ComputeOptions extends Partial<Pick<JobsOptions, "clock" | "now" | "reserve">> {
  /** Kinds beside those in the list, or in their place. */
  readonly kinds?: readonly TaskKind[];
}

/** Jobs whose tasks `dispatcher` assigns. The caller links volunteers to it. */
export function jobsOver(dispatcher: Dispatcher, kinds: readonly TaskKind[], options: Omit<ComputeOptions, "kinds"> = {}): Jobs {
  const { jobs: store, results } = memoryJobStores();
  return new Jobs({
    self: asPeerId("requester"),
    pool: { dispatcher, acquire: () => () => {} },
    kinds: new Map(kinds.map((kind) => [kind.name, kind])),
    store,
    results,
    clock: systemClock,
    now: Date.now,
    random: (bytes) => crypto.getRandomValues(bytes),
    log: silentLog,
    onChange: () => {},
    ...options,
  });
}

/** Resolves with the job's value. Throws BAD_INPUT, TASK_FAILED, TIMEOUT, or the signal's reason. */
export async function computeJob<Kind extends TaskKindName>(
  dispatcher: Dispatcher,
  request: TaskRequest<Kind>,
  signal: AbortSignal,
  { kinds = [], ...options }: ComputeOptions = {},
): Promise<TaskValueByKind[Kind]> {
  const jobs = jobsOver(dispatcher, [...(await loadKinds()).values(), ...kinds], options);
  try {
    return (await jobs.compute(request, signal)) as TaskValueByKind[Kind]; // what its kind joins
  } finally {
    await jobs.stop();
  }
}
