// Whole jobs over a swarm in memory: split, computed by real volunteers over links, and joined, the same with one as
// with four.
import { afterEach, describe, expect, it } from "vitest";
import { MemoryNetwork } from "../../../src/mesh/memory/memory-mesh.ts";
import { PROTOCOLS } from "../../../src/protocol/version.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { Dispatcher } from "../../../src/tasks/dispatch/dispatcher.ts";
import type { TaskRequest } from "../../../src/tasks/jobs/job.ts";
import { mlInferenceBy, type OnnxRunner, type Tensors } from "../../../src/tasks/kinds/ml-inference.ts";
import { loadKinds, withCode } from "../../../src/tasks/kinds/find-kind.ts";
import { sum } from "../../../src/tasks/kinds/sum.ts";
import { linkVolunteer } from "../../../src/tasks/dispatch/volunteer-link.ts";
import { LocalRunner } from "../../../src/tasks/volunteer/local-runner.ts";
import { Standings } from "../../../src/tasks/dispatch/standings.ts";
import type { RunnableKind, TaskKind } from "../../../src/tasks/task-kind.ts";
import { Volunteer } from "../../../src/tasks/volunteer/volunteer.ts";
import { computeJob } from "../../../tools/sim/compute-job.ts";
import { Random } from "../../../tools/sim/random.ts";
import { drawScene } from "../../support/checked-tasks.ts";
import { runWhole } from "./run-whole.ts";

/** A model behind the port that needs no runtime: it doubles every float. */
const doubler: OnnxRunner = {
  run: async (_model, inputs) => {
    const { x } = inputs;
    if (x === undefined) throw new Error("no x");
    const floats = new Float32Array(x.data.slice().buffer).map((number) => 2 * number);
    return { y: { ...x, data: new Uint8Array(floats.buffer) } };
  },
};
const LISTED = await loadKinds();
const KINDS: readonly RunnableKind[] = [
  ...[...LISTED.values()].filter(({ name }) => name !== "ml_inference"),
  withCode("ml_inference", mlInferenceBy(doubler)),
];

const { signal } = new AbortController();
let stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops) stop();
  stops = [];
});

/** A requester with `count` volunteers. */
function swarmOf(count: number): Dispatcher {
  const network = new MemoryNetwork();
  const mesh = network.join(asPeerId("requester"));
  const stop = new AbortController();
  const dispatcher = new Dispatcher({ clock: systemClock, random: Math.random, standings: new Standings() });
  void dispatcher.watch(stop.signal);
  for (let n = 0; n < count; n++) {
    const self = asPeerId(`volunteer-${n}`);
    const volunteer = new Volunteer({
      self,
      runners: [new LocalRunner(KINDS)],
      clock: systemClock,
      salt: () => crypto.getRandomValues(new Uint8Array(16)),
    });
    network.join(self).handle(PROTOCOLS.task, (link) => volunteer.accept(link));
    void linkVolunteer(self, { mesh, clock: systemClock, random: Math.random, dispatcher, log: silentLog }, stop.signal);
  }
  stops.push(() => stop.abort());
  return dispatcher;
}

const scene = { ...drawScene(new Random(1), 96, 64), samples: 1 };
const x: Tensors = { x: { type: "float32", dims: [2], data: new Uint8Array(Float32Array.of(1.5, -3).buffer) } };

describe("a job over a swarm", () => {
  const numbers = Float64Array.from({ length: 150_000 }, () => Math.random() - 0.5);
  const file = Uint8Array.from({ length: 1_200_000 }, (_, at) => Math.imul(at, 2654435761) >>> 24);
  const wide = { rows: 1, columns: 200, elements: numbers.slice(0, 200) };
  const tall = { rows: 200, columns: 130, elements: numbers.slice(0, 26_000) };
  const requests: readonly TaskRequest[] = [
    { kind: "sum", data: { floats: numbers } },
    { kind: "multiply", data: { floats: [wide, tall] } },
    { kind: "sort", data: { numbers } },
    { kind: "hash", data: { file } },
    { kind: "render", data: scene },
  ];
  it.each(requests)("of kind $kind gives with four volunteers what one machine gives", async (request) => {
    const code = LISTED.get(request.kind);
    if (code === undefined) throw new Error("it is in the list");
    expect(await computeJob(swarmOf(4), request, signal)).toEqual(await runWhole(code, request.data));
  });

  it("runs a model behind its port", async () => {
    const model = [{ hash: new Uint8Array(32), sizeBytes: 1 }];
    const data = { model, sets: [x, x, x], multiplyAdds: 2 };
    const outputs = await computeJob(swarmOf(2), { kind: "ml_inference", data }, signal);
    expect(outputs.map(({ y }) => [...new Float32Array(y?.data.slice().buffer ?? new ArrayBuffer(0))])).toEqual([
      [3, -6],
      [3, -6],
      [3, -6],
    ]);
    const wrong = { ...data, sets: [{ x: { type: "float32", dims: [3], data: new Uint8Array(8) } }] } as typeof data;
    await expect(computeJob(swarmOf(0), { kind: "ml_inference", data: wrong }, signal)).rejects.toMatchObject({ code: "BAD_INPUT" });
  });

  it("of nothing gives the kind's value of nothing", async () => {
    expect(await computeJob(swarmOf(0), { kind: "sum", data: { wholes: [] } }, signal)).toBe(0n);
  });

  it("gives everything up when one part fails", async () => {
    const dispatcher = swarmOf(3);
    const lines = (text: string) => ({ params: { numbers: "wholes" }, input: new TextEncoder().encode(text) });
    const broken: TaskKind = { ...withCode("sum", sum), split: () => [lines("one"), lines("1")], join: () => 0 };
    const job = computeJob(dispatcher, { kind: "sum", data: { wholes: [1n] } }, signal, { kinds: [broken] });
    await expect(job).rejects.toMatchObject({ code: "TASK_FAILED" });
    expect(dispatcher.open).toBe(0);
  });
});
