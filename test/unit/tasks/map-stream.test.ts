// Values for a stream of inputs, over real volunteers: in order or as they come, with no more inputs taken than needed.
import { describe, expect, it, vi } from "vitest";
import { mapStream } from "../../../src/tasks/jobs/map-stream.ts";
import type { TaskRequest } from "../../../src/tasks/jobs/job.ts";
import { worldMaker } from "../../support/task-world.ts";

const worldOf = worldMaker();

describe("a stream of values", () => {
  it("comes in the order of the inputs", async () => {
    const { jobs } = await worldOf("a-volunteer").page();
    const counts = [300_000, 1, 70_000, 2];
    const inputs = counts.map((count) => ({ floats: new Float64Array(count).fill(count) }));
    const values: unknown[] = [];
    for await (const value of mapStream((request, signal) => jobs.compute(request, signal), "sum", inputs, {})) values.push(value);
    expect(values).toEqual(counts.map((count) => count ** 2));
  });

  it("comes as it is computed, if no order is asked for", async () => {
    const gates = new Map([1, 2, 3].map((number) => [number, Promise.withResolvers<number>()]));
    const compute = ({ data }: TaskRequest): Promise<unknown> =>
      gates.get(data as unknown as number)?.promise ?? Promise.reject(new Error("no gate"));
    const values: unknown[] = [];
    gates.get(2)?.resolve(20);
    for await (const value of mapStream(compute, "sum", [1, 2, 3], { ordered: false })) {
      values.push(value);
      if (value === 20) gates.get(3)?.resolve(30);
      if (value === 30) gates.get(1)?.resolve(10);
    }
    expect(values).toEqual([20, 30, 10]);
  });

  it("takes inputs only as values are read, and gives up the rest when it is left", async () => {
    const { jobs, pool } = await worldOf().page();
    let taken = 0;
    let left = false;
    const inputs = (function* () {
      try {
        for (;;) yield { wholes: [BigInt(taken++)] };
      } finally {
        left = true;
      }
    })();
    for await (const value of mapStream((request, signal) => jobs.compute(request, signal), "sum", inputs, { ahead: 5 }))
      if (value === 20n) break;
    expect(taken).toBeLessThanOrEqual(27);
    expect(left).toBe(true);
    await vi.waitFor(() => expect(pool.dispatcher.open).toBe(0));
  });

  it("takes inputs that come late, and does not hold up values that are there", async () => {
    const { jobs } = await worldOf().page();
    const gate = Promise.withResolvers<void>();
    const inputs = (async function* () {
      yield { wholes: [1n] };
      await gate.promise;
      yield { wholes: [2n] };
    })();
    const values: unknown[] = [];
    for await (const value of mapStream((request, signal) => jobs.compute(request, signal), "sum", inputs, {})) {
      values.push(value);
      gate.resolve(); // only after the first value is here
    }
    expect(values).toEqual([1n, 2n]);
  });

  it("ends with the error of an input that is refused", async () => {
    const { jobs } = await worldOf().page();
    const stream = mapStream((request, signal) => jobs.compute(request, signal), "sum", [{ wholes: [1n] }, { wholes: ["x"] }], {});
    expect((await stream.next()).value).toBe(1n);
    await expect(stream.next()).rejects.toMatchObject({ code: "BAD_INPUT" });
  });
});
