// Wholes over a swarm in memory: cut, computed by real volunteers over links, joined, the same with one as with four.
import { afterEach, describe, expect, it } from "vitest";
import { MemoryNetwork } from "../../../src/mesh/memory/memory-mesh.ts";
import { PROTOCOLS } from "../../../src/protocol/version.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { Dispatcher } from "../../../src/tasks/dispatch/dispatcher.ts";
import { distribute, streamParts } from "../../../src/tasks/jobs/distribute.ts";
import { mlInferenceBy, type OnnxRunner, type Tensors } from "../../../src/tasks/kinds/ml-inference.ts";
import { loadKinds, withCode } from "../../../src/tasks/kinds/find-kind.ts";
import { sum as sumCode } from "../../../src/tasks/kinds/sum.ts";
import { linkVolunteer } from "../../../src/tasks/dispatch/volunteer-link.ts";
import { LocalRunner } from "../../../src/tasks/volunteer/local-runner.ts";
import { Standings } from "../../../src/tasks/dispatch/standings.ts";
import type { RunnableKind, TaskKind } from "../../../src/tasks/task-kind.ts";
import { Volunteer } from "../../../src/tasks/volunteer/volunteer.ts";
import { Random } from "../../../tools/sim/random.ts";
import { drawScene } from "../../support/checked-tasks.ts";
import { runWhole } from "./run-whole.ts";

/** Doubles every float: a model that needs no runtime, behind the port. */
const doubler: OnnxRunner = {
  run: async (_model, inputs) => {
    const { x } = inputs;
    if (x === undefined) throw new Error("no x");
    const floats = new Float32Array(x.data.slice().buffer).map((number) => 2 * number);
    return { y: { ...x, data: new Uint8Array(floats.buffer) } };
  },
};
const LISTED = await loadKinds();
const sum = withCode("sum", sumCode);
const models = withCode("ml_inference", mlInferenceBy(undefined));
const KINDS: readonly RunnableKind[] = [
  ...[...LISTED.values()].filter(({ name }) => name !== "ml_inference"),
  withCode("ml_inference", mlInferenceBy(doubler)),
];

const over = new AbortController();
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

describe("distribute", () => {
  const numbers = Float64Array.from({ length: 150_000 }, () => Math.random() - 0.5);
  const file = Uint8Array.from({ length: 1_200_000 }, (_, at) => Math.imul(at, 2654435761) >>> 24);
  const wide = { rows: 1, columns: 200, elements: numbers.slice(0, 200) };
  const tall = { rows: 200, columns: 130, elements: numbers.slice(0, 26_000) };
  it.each([
    ["sum", LISTED.get("sum"), { floats: numbers }],
    ["multiply", LISTED.get("multiply"), { floats: [wide, tall] }],
    ["sort", LISTED.get("sort"), { numbers }],
    ["hash", LISTED.get("hash"), { file }],
    ["render", LISTED.get("render"), scene],
  ] as [string, TaskKind, unknown][])("of %s gives with four volunteers what one machine gives", async (_name, kind, data) => {
    const parts: number[] = [];
    const value = await distribute(swarmOf(4), kind, data, { signal: over.signal, onPart: (at) => parts.push(at) });
    expect(value).toEqual(await runWhole(kind, data));
    expect(parts.toSorted((a, b) => a - b)).toEqual(kind.split(data).map((_, at) => at));
  });

  it("runs a model behind its port", async () => {
    const model = [{ hash: new Uint8Array(32), sizeBytes: 1 }];
    const data = { model, sets: [x, x, x], multiplyAdds: 2 };
    const outputs = await distribute(swarmOf(2), models, data, { signal: over.signal });
    expect(outputs.map(({ y }) => [...new Float32Array(y?.data.slice().buffer ?? new ArrayBuffer(0))])).toEqual([
      [3, -6],
      [3, -6],
      [3, -6],
    ]);
    const wrong = { ...data, sets: [{ x: { type: "float32", dims: [3], data: new Uint8Array(8) } }] } as typeof data;
    await expect(distribute(swarmOf(0), models, wrong, { signal: over.signal })).rejects.toMatchObject({
      code: "BAD_INPUT",
    });
  });

  it("of nothing is the kind's word for nothing", async () => {
    expect(await distribute(swarmOf(0), sum, { wholes: [] }, { signal: over.signal })).toBe(0n);
  });

  it("gives everything up when one part fails", async () => {
    const dispatcher = swarmOf(3);
    const broken: TaskKind<undefined> = {
      ...sum,
      split: () => [
        { params: { numbers: "wholes" }, input: new TextEncoder().encode("one") },
        { params: { numbers: "wholes" }, input: new TextEncoder().encode("1") },
      ],
      join: () => 0,
    };
    await expect(distribute(dispatcher, broken, undefined, { signal: over.signal })).rejects.toMatchObject({ code: "TASK_FAILED" });
    expect(dispatcher.open).toBe(0);
  });
});

describe("streamParts", () => {
  const parts = Array.from({ length: 300 }, (_, at) => ({ params: { numbers: "wholes" }, input: new TextEncoder().encode(String(at)) }));

  it("keeps the order, and takes no more than it may ahead of its reader", async () => {
    let drawn = 0;
    let read = 0;
    const source = (function* () {
      for (const part of parts) {
        drawn++;
        expect(drawn - read).toBeLessThanOrEqual(21);
        yield part;
      }
    })();
    for await (const { at, settled } of streamParts(swarmOf(3), sum, source, { signal: over.signal, ahead: 20 })) {
      expect(at).toBe(read++);
      expect(new TextDecoder().decode(settled.output)).toBe(String(at));
    }
    expect(read).toBe(300);
  });

  it("gives what comes first where no order is wanted, each once", async () => {
    const seen = new Set<number>();
    for await (const { at } of streamParts(swarmOf(3), sum, parts, { signal: over.signal, ordered: false })) seen.add(at);
    expect(seen.size).toBe(300);
  });

  it("gives up what is out when its reader leaves", async () => {
    const dispatcher = swarmOf(2);
    for await (const { at } of streamParts(dispatcher, sum, parts, { signal: over.signal })) if (at === 3) break;
    expect(dispatcher.open).toBe(0);
  });
});
