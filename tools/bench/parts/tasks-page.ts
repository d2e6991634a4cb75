// Runs in a page of the bench of tasks: thousands of small tasks, and tasks that compute for a tenth of a second.
import { TASK_DEFAULTS } from "../../../src/tasks/jobs/part-task.ts";
import { withCode } from "../../../src/tasks/kinds/find-kind.ts";
import { render } from "../../../src/tasks/kinds/render/render.ts";
import type { Scene } from "../../../src/tasks/kinds/render/scene.ts";
import { sum } from "../../../src/tasks/kinds/sum.ts";
import type { TaskKind, TaskPart } from "../../../src/tasks/task-kind.ts";
import { dispatcher } from "../../browser/task-page.ts";
import { computeJob } from "../../sim/compute-job.ts";

export { join, assignTo, posted } from "../../browser/task-page.ts";

const { signal } = new AbortController();

/** Milliseconds that each task took, and that all of them took together. */
export interface Times {
  readonly wallMs: number;
  readonly eachMs: readonly number[];
}

let numbers = 0;

const submit = async (kind: Pick<TaskKind<never>, "name" | "version" | "weigh">, part: TaskPart, quorum: number): Promise<void> => {
  const { limits } = TASK_DEFAULTS;
  const { name, version } = kind;
  const task = { kind: name, version, params: part.params, input: { kind: "inline", bytes: part.input }, limits, reward: 0 } as const;
  await dispatcher().submit(
    { ...task, replication: { quorum, most: Math.max(quorum, TASK_DEFAULTS.replication.most) } },
    { units: kind.weigh(part), signal },
  );
};

/** Submits `count` sums of eight numbers, each a task of its own, `ahead` at once. */
export async function small(count: number, ahead: number): Promise<Times> {
  const eachMs: number[] = [];
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const [part] = sum.split({ floats: Array.from({ length: 8 }, () => numbers++) });
      if (part === undefined) throw new Error("eight numbers are one part");
      const beganMs = performance.now();
      await submit(withCode("sum", sum), part, TASK_DEFAULTS.replication.quorum);
      eachMs.push(performance.now() - beganMs);
    }
  };
  const beganMs = performance.now();
  await Promise.all(Array.from({ length: ahead }, lane));
  return { wallMs: performance.now() - beganMs, eachMs };
}

/** Returns a scene whose picture has this many squares. */
const sceneOf = (squares: number, samples: number, seed: number): Scene => ({
  width: 32 * squares,
  height: 32,
  samples,
  bounces: 6,
  seed,
  camera: { position: [0, 1, 6], target: [0, 0.5, 0], viewHeight: 3 },
  sky: { horizon: [1, 1, 1], zenith: [0.4, 0.6, 1] },
  materials: [{ kind: "matt", colour: [0.8, 0.5, 0.3] }],
  spheres: Array.from({ length: 12 }, (_, at) => ({ centre: [at - 6, (at % 3) / 2, -(at % 4)], radius: 0.7, material: 0 })),
  triangles: [],
  lights: [],
});

/** Computes the tasks in this thread, as a Web Worker does. Resolves with the mean milliseconds of one. */
export async function alone(count: number, samples: number): Promise<number> {
  const parts = render.split(sceneOf(count, samples, 1));
  const beganMs = performance.now();
  for (const part of parts) await render.run(part, { signal, progress: () => {} });
  return (performance.now() - beganMs) / parts.length;
}

/** Assigns the same tasks to volunteers, without checks. Resolves with the milliseconds of all together. */
export async function assigned(count: number, samples: number, seed: number): Promise<number> {
  const beganMs = performance.now();
  await computeJob(dispatcher(), { kind: "render", data: sceneOf(count, samples, seed), replication: { quorum: 1, most: 1 } }, signal);
  return performance.now() - beganMs;
}
