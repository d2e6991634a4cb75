// Computes a whole job in this thread: splits the data, runs each part from the bytes of its task as a volunteer would,
// and joins.
import { decodeTask, encodeTask, type Task } from "../../../src/protocol/task-frames.ts";
import { LocalRunner } from "../../../src/tasks/volunteer/local-runner.ts";
import type { KindCode, RunnableKind, TaskPart } from "../../../src/tasks/task-kind.ts";

export const LIMITS: Task["limits"] = { runMs: 60_000, silentMs: 10_000, memoryBytes: 64 * 1024 * 1024, outputBytes: 4 * 1024 * 1024 };

export const taskOf = (kind: Pick<RunnableKind, "name" | "version">, { params, input }: TaskPart, more: Partial<Task> = {}): Task => ({
  kind: kind.name,
  version: kind.version,
  params,
  input: { kind: "inline", bytes: input },
  limits: LIMITS,
  replication: { quorum: 2, most: 5 },
  reward: 0,
  ...more,
});

export async function runWhole<Data, Value>(code: KindCode<Data, Value>, data: Data): Promise<Value> {
  const kind = { name: "any", version: 1, ...code };
  const runner = new LocalRunner([kind]);
  const outputs = await Promise.all(
    kind.split(data).map((part) => {
      const task = decodeTask(encodeTask(taskOf(kind, part)));
      return runner.run(task, { signal: new AbortController().signal, progress: () => {} });
    }),
  );
  return kind.join(data, outputs);
}
