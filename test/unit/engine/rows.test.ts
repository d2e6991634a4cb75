// Steps that are run in parts: rows of a boundary are taken apart and joined, and the bits are those of the parts
// alone.
import fc from "fast-check";
import * as ort from "onnxruntime-web";
import { describe, expect, it } from "vitest";
import { readCache, tensorBytes } from "../../../src/engine/ort.ts";
import { SpanRunner } from "../../../src/engine/span-runner.ts";
import { joinRows, sliceRows } from "../../../src/protocol/boundary-rows.ts";
import type { BoundaryTensor } from "../../../src/protocol/span-plan.ts";
import { bundledSpan } from "../../support/bundled-model.ts";

const splitRows = (bytes: Uint8Array, boundary: readonly BoundaryTensor[], count: number, before: number) =>
  [sliceRows(boundary, bytes, count, 0, before), sliceRows(boundary, bytes, count, before, count)] as const;

const tensor = fc.record({ name: fc.constant("x"), type: fc.constantFrom("float32", "float16"), width: fc.integer({ min: 1, max: 5 }) });

describe("rows of a boundary", () => {
  it("are joined again as they were", () => {
    fc.assert(
      fc.property(fc.array(tensor, { minLength: 1, maxLength: 3 }), fc.integer({ min: 2, max: 9 }), fc.nat(), (boundary, count, cut) => {
        const before = 1 + (cut % (count - 1));
        const size = boundary.reduce((sum, { width, type }) => sum + width * (type === "float16" ? 2 : 4), 0);
        const bytes = Uint8Array.from({ length: size * count }, (_, index) => index);
        const [first, second] = splitRows(bytes, boundary, count, before);
        expect([first.byteLength, second.byteLength]).toEqual([size * before, size * (count - before)]);
        expect(joinRows(boundary, before, first, count - before, second)).toEqual(bytes);
      }),
    );
  });

  it("belong to their tensors: two tensors do not mix", () => {
    const boundary: BoundaryTensor[] = [
      { name: "a", type: "float16", width: 1 },
      { name: "b", type: "float16", width: 1 },
    ];
    const [first, second] = splitRows(Uint8Array.of(1, 1, 2, 2, 3, 3, 4, 4), boundary, 2, 1);
    expect([[...first], [...second]]).toEqual([
      [1, 1, 3, 3],
      [2, 2, 4, 4],
    ]);
  });
});

describe("a runner with breaks", () => {
  it("runs a step that crosses two of them in three parts, and still refuses a wrong size", async () => {
    const options = { executionProviders: ["wasm"], cacheOnDevice: false };
    const whole = await SpanRunner.create(ort, bundledSpan(6, 8), options);
    const broken = await SpanRunner.create(ort, bundledSpan(6, 8), { ...options, stepBreaks: [3, 5] });
    const row = whole.plan.boundaryIn.reduce((sum, { width }) => sum + 4 * width, 0);
    const values = Float32Array.from({ length: (7 * row) / 4 }, (_, index) => Math.sin(index));
    const hidden = new Uint8Array(values.buffer);
    const empty = { length: 0, tensors: new Map() };
    const result = await broken.run(empty, 7, undefined, hidden);
    let cache: Parameters<SpanRunner["run"]>[0] = empty;
    const logits: Uint8Array[] = [];
    for (const [start, end] of [
      [0, 3],
      [3, 5],
      [5, 7],
    ] as const) {
      const part = await whole.run(cache, end - start, undefined, hidden.slice(start * row, end * row));
      cache = { length: end, tensors: part.caches };
      if (part.logits) logits.push(tensorBytes(part.logits));
    }
    expect(result.logits?.dims).toEqual([1, 7, whole.plan.logits?.vocabularySize]);
    expect(Buffer.compare(Buffer.concat(logits), result.logits ? tensorBytes(result.logits) : Buffer.alloc(0))).toBe(0);
    for (const [name, kept] of result.caches) {
      const other = cache.tensors.get(name);
      expect(other && Buffer.compare((await readCache(kept)).bytes, (await readCache(other)).bytes)).toBe(0);
    }
    await expect(broken.run(empty, 7, undefined, hidden.subarray(4))).rejects.toMatchObject({ code: "FRAME_MALFORMED" });
    await whole.release();
    await broken.release();
  });
});
