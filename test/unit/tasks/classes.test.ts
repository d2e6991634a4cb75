// Determinism classes: equal bytes within a class, tolerance across classes, and liars that would use that.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ClassedVote, groupVotes } from "../../../src/tasks/dispatch/judge-results.ts";
import { KINDS } from "../../../src/tasks/kinds/kind-list.ts";
import { mlInferenceBy, type Tensors } from "../../../src/tasks/kinds/ml-inference.ts";
import { nearTensors, TENSOR_TOLERANCE } from "../../../src/tasks/kinds/near-tensors.ts";
import { encode } from "@ipld/dag-cbor";
import { numbered, type TaskSwarm } from "../../../tools/sim/task-swarm.ts";
import { swarmMaker } from "../../support/sim-tasks.ts";

let votes = 0;
const vote = (number: number, determinismClass?: string): ClassedVote & { readonly at: number } => ({
  at: votes++,
  digest: String(number),
  determinismClass,
});
/** Outputs are numbers here; two are near if they differ by at most one. */
const near = (a: string, b: string): boolean => Math.abs(Number(a) - Number(b)) <= 1;
const digests = (votes: readonly ClassedVote[], by?: typeof near): readonly string[] => groupVotes(votes, by).map(({ digest }) => digest);

describe("votes", () => {
  it("of one class agree byte by byte, and of two classes within the tolerance", () => {
    expect(digests([vote(1, "a"), vote(2, "a")], near)).toEqual(["1", "2"]);
    expect(digests([vote(1, "a"), vote(2, "b")], near)).toEqual(["1", "1"]);
    expect(digests([vote(1, "a"), vote(3, "b")], near)).toEqual(["1", "3"]);
    expect(digests([vote(1), vote(2)], near)).toEqual(["1", "2"]); // of kinds without classes
    expect(digests([vote(1, "a"), vote(2, "b")])).toEqual(["1", "2"]); // of kinds without a tolerance
  });

  it("agree with all of a group, or are not in it", () => {
    // 3 is near 2 but not near 1, so it does not join their group.
    expect(digests([vote(1, "a"), vote(2, "b"), vote(3, "c")], near)).toEqual(["1", "1", "3"]);
    // A peer of class "a" gave 1: that another peer of this class gives 2 is wrong, although a third result is near
    // both.
    expect(digests([vote(1, "a"), vote(1, "b"), vote(2, "a")], near)).toEqual(["1", "1", "2"]);
  });

  it("never join two of one class that differ, and keep their order", () => {
    const votes = fc.array(fc.record({ number: fc.nat(6), name: fc.constantFrom("a", "b", "c") }), { maxLength: 7 });
    fc.assert(
      fc.property(votes, (drawn) => {
        const given = drawn.map(({ number, name }) => vote(number, name));
        const grouped = groupVotes(given, near);
        expect(grouped.map(({ at }) => at)).toEqual(given.map(({ at }) => at));
        for (const [i, a] of given.entries())
          for (const [j, b] of given.entries())
            if (a.digest === b.digest) expect(grouped[i]?.digest).toBe(grouped[j]?.digest);
            else if (grouped[i]?.digest === grouped[j]?.digest) expect(a.determinismClass).not.toBe(b.determinismClass);
      }),
    );
  });
});

const floats = (...values: number[]): Tensors => ({
  y: { type: "float32", dims: [values.length], data: new Uint8Array(Float32Array.from(values).buffer) },
});

describe("tensors", () => {
  it("are near if they differ by a small part of the largest number, and not if they differ by more", () => {
    const largest = 100;
    expect(nearTensors([floats(largest, 1)], [floats(largest, 1 + 0.9 * TENSOR_TOLERANCE * largest)])).toBe(true);
    expect(nearTensors([floats(largest, 1)], [floats(largest, 1 + 1.1 * TENSOR_TOLERANCE * largest)])).toBe(false);
    expect(nearTensors([floats(0, 0)], [floats(0, 1e-9)])).toBe(false);
  });

  it("are near only with NaN and infinities in the same places, and with the same names, types and sizes", () => {
    expect(nearTensors([floats(NaN, Infinity, 1)], [floats(NaN, Infinity, 1.001)])).toBe(true);
    expect(nearTensors([floats(NaN, 1)], [floats(1, 1)])).toBe(false);
    expect(nearTensors([floats(1, Infinity)], [floats(1, -Infinity)])).toBe(false);
    expect(nearTensors([floats(1)], [floats(1, 1)])).toBe(false);
    expect(nearTensors([floats(1)], [{ z: floats(1)["y"] ?? { type: "float32", dims: [], data: new Uint8Array() } }])).toBe(false);
    expect(nearTensors([floats(1)], [])).toBe(false);
  });

  it("of whole numbers are near only if they are equal", () => {
    const whole = (value: number): Tensors => ({ y: { type: "int32", dims: [1], data: new Uint8Array(Int32Array.of(value).buffer) } });
    expect(nearTensors([whole(1_000_000)], [whole(1_000_000)])).toBe(true);
    expect(nearTensors([whole(1_000_000)], [whole(1_000_001)])).toBe(false);
  });

  it("are compared in outputs of a model; bytes that are not tensors are near nothing", () => {
    const kind = mlInferenceBy(undefined);
    const output = (...values: number[]) => encode([floats(...values)]) as Uint8Array<ArrayBuffer>;
    expect(kind.near?.(output(1, 2), output(1, 2.001))).toBe(true);
    expect(kind.near?.(output(1, 2), output(1, 3))).toBe(false);
    expect(kind.near?.(output(1, 2), Uint8Array.of(1))).toBe(false);
  });
});

it("the determinism class of kind ml_inference names the runtime", () => {
  const file = createRequire(import.meta.url)
    .resolve("onnxruntime-web")
    .replace(/dist\/.*$/, "package.json");
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { version: string };
  expect(KINDS.ml_inference.determinismClass).toBe(`onnxruntime-web@${version}/wasm/1`);
});

describe("a dispatcher over two classes", () => {
  const swarmOf = swarmMaker();
  const nearBytes = (a: Uint8Array, b: Uint8Array): boolean => Math.abs((a[0] ?? 0) - (b[0] ?? 0)) <= 1;
  const says = (made: TaskSwarm, value: number, determinismClass: string) =>
    made.join({ determinismClass, twist: () => Uint8Array.of(value) });

  it("settles a task by two near results, and accuses neither peer", async () => {
    const swarm = swarmOf(41);
    says(swarm, 10, "wasm");
    says(swarm, 11, "webgpu");
    const caught: string[] = [];
    swarm.dispatcher.on("peer:wrong", ({ peer }) => caught.push(peer));
    const [settled] = await swarm.all([swarm.submit(numbered(1), { near: nearBytes })]);
    if (settled?.status !== "fulfilled") throw new Error("two near results settle a task");
    expect(settled.value.verdict).toBe("quorum");
    expect(settled.value.agreed.length).toBe(2);
    expect(caught).toEqual([]);
  });

  it("catches a peer that differs from its own class, however near its results are", async () => {
    const swarm = swarmOf(42);
    says(swarm, 10, "wasm");
    says(swarm, 10, "wasm");
    const liar = says(swarm, 11, "wasm");
    const caught = new Set<string>();
    swarm.dispatcher.on("peer:wrong", ({ peer }) => caught.add(peer));
    const tasks = Array.from({ length: 20 }, (_, at) => swarm.submit(numbered(at), { near: nearBytes }));
    for (const result of await swarm.all(tasks)) expect(result.status === "fulfilled" && [...result.value.output]).toEqual([10]);
    expect(caught).toEqual(new Set([liar]));
  });
});
