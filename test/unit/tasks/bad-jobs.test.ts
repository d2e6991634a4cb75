// Requests that make no job: each is refused with a sentence, before anything is kept or computed.
import { describe, expect, it } from "vitest";
import { errorCode } from "../../../src/shared/errors.ts";
import { asJobId } from "../../../src/shared/ids.ts";
import type { TaskRequest } from "../../../src/tasks/jobs/job.ts";
import { worldMaker } from "../../support/task-world.ts";

const worldOf = worldMaker();

describe("bad input", () => {
  const bad: readonly (readonly [string, unknown])[] = [
    ["no request", undefined],
    ["an unknown kind", { kind: "guess", data: {} }],
    ["a kind with the name of an object's own property", { kind: "constructor", data: {} }],
    ["no data", { kind: "sum" }],
    ["data of another kind", { kind: "sum", data: { items: [] } }],
    ["texts for numbers", { kind: "sum", data: { floats: ["1", "2"] } }],
    ["numbers for big integers", { kind: "sum", data: { wholes: [1, 2] } }],
    ["matrices that do not fit", { kind: "multiply", data: { floats: [matrix(2, 3), matrix(2, 3)] } }],
    ["a matrix with a hole", { kind: "multiply", data: { floats: [{ rows: 2, columns: 2, elements: [1, 2, 3] }, matrix(2, 2)] } }],
    ["a scene without a camera", { kind: "render", data: { width: 8, height: 8 } }],
    ["a scene with NaN", { kind: "render", data: scene(Number.NaN) }],
    ["a scene with an infinity", { kind: "render", data: scene(Infinity) }],
    ["an item over the limit", { kind: "hash", data: { items: [new Uint8Array(1024 * 1024)] } }],
    ["a module that is not bytes", { kind: "map", data: { program: { language: "wasm", module: "AAAA" }, inputs: [] } }],
    ["a program in another language", { kind: "map", data: { program: { language: "python", source: "" }, inputs: [1] } }],
    ["a reward that is not a number", { kind: "sum", data: { floats: [1] }, reward: Number.NaN }],
    ["a negative reward", { kind: "sum", data: { floats: [1] }, reward: -1 }],
    ["an endless deadline", { kind: "sum", data: { floats: [1] }, deadlineMs: Infinity }],
    ["a priority that is not a number", { kind: "sum", data: { floats: [1] }, priority: "high" }],
    ["an unknown limit", { kind: "sum", data: { floats: [1] }, limits: { bytes: 1 } }],
    ["a limit that is too high", { kind: "sum", data: { floats: [1] }, limits: { memoryBytes: 2 ** 40 } }],
    ["a quorum that cannot be reached", { kind: "sum", data: { floats: [1] }, replication: { quorum: 3, most: 2 } }],
    ["data that is a function", { kind: "map", data: { program: { language: "js", source: "(x) => x" }, inputs: [() => 1] } }],
  ];

  it.each(bad)("is refused before anything is kept or computed: %s", async (_, request) => {
    const world = worldOf();
    const { jobs } = await world.page();
    const error: unknown = await jobs.distribute(request as TaskRequest).catch((thrown: unknown) => thrown);
    expect(errorCode(error)).toBe("BAD_INPUT");
    expect((error as Error).message).toMatch(/^[A-Za-z].{15,400}\.$/); // one sentence, or a few
    expect(jobs.views).toEqual([]);
    expect(await world.stores.jobs.heads()).toEqual([]);
  });

  it("says so if there is no such job", async () => {
    const { jobs } = await worldOf().page();
    await expect(jobs.wait(asJobId("00"))).rejects.toMatchObject({ code: "BAD_INPUT" });
    expect(() => jobs.watch(asJobId("00"), () => {})).toThrow(/no such job/);
    jobs.cancel(asJobId("00"));
    await jobs.forget(asJobId("00"));
  });
});

function matrix(rows: number, columns: number): { rows: number; columns: number; elements: number[] } {
  return { rows, columns, elements: Array.from({ length: rows * columns }, (_, at) => at) };
}

function scene(x: number): unknown {
  return {
    width: 8,
    height: 8,
    samples: 1,
    bounces: 1,
    seed: 1,
    camera: { position: [x, 1, 5], target: [0, 0, 0], viewHeight: 1 },
    sky: { horizon: [1, 1, 1], zenith: [1, 1, 1] },
    materials: [{ kind: "matt", colour: [1, 1, 1] }],
    spheres: [],
    triangles: [],
    lights: [],
  };
}
