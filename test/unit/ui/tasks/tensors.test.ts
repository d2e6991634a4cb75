// Tensors as people write them: they show as they were written, and input that makes no sense is refused in words.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSets, showTensors } from "../../../../src/ui/tasks/forms/tensors.ts";
import { modelForm } from "../../../../src/ui/tasks/forms/model-form.ts";

const whole = (min: number, max: number) => fc.integer({ min, max });
const ITEMS = {
  float32: fc.float({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
  float64: fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number)),
  int32: whole(-(2 ** 31), 2 ** 31 - 1),
  int64: fc.oneof(whole(-1000, 1000), fc.constant("9007199254740993")),
  uint8: whole(0, 255),
  int8: whole(-128, 127),
  bool: fc.boolean(),
} as const;

describe("tensors", () => {
  it.each(Object.keys(ITEMS) as (keyof typeof ITEMS)[])("of %s are shown as they were written", (type) => {
    const nested = fc
      .tuple(whole(1, 4), whole(1, 4))
      .chain(([rows, columns]) =>
        fc.array(fc.array<unknown>(ITEMS[type], { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows }),
      );
    fc.assert(
      fc.property(nested, (data) => {
        const sets = readSets({ x: { type, data } }, "sets");
        if ("wrong" in sets) throw new Error(sets.wrong.message);
        expect(sets[0]?.["x"]?.dims).toEqual([data.length, data[0]?.length]);
        const exactly = (value: unknown): unknown => {
          if (Array.isArray(value)) return value.map(exactly);
          return type === "float32" ? Math.fround(Number(value)) : value; // shown with the fewest digits that name it
        };
        const [shown] = sets.map(showTensors) as [{ x: { type: string; data: unknown } }];
        expect({ ...shown.x, data: exactly(shown.x.data) }).toEqual({ type, data });
      }),
    );
  });

  it("are 32-bit floats if no type is given, and may be a single number", () => {
    expect(readSets([{ x: [1, 0.1] }, { x: 2 }], "sets")).toEqual([
      { x: { type: "float32", dims: [2], data: new Uint8Array(Float32Array.of(1, 0.1).buffer) } },
      { x: { type: "float32", dims: [], data: new Uint8Array(Float32Array.of(2).buffer) } },
    ]);
  });

  it.each([
    [[], /empty/],
    [[3], /names the model's inputs/],
    [{}, /at least one input/],
    [{ x: [[1, 2], [3]] }, /equally long/],
    [{ x: [1, [2]] }, /equally long/],
    [{ x: ["a"] }, /fits float32/],
    [{ x: [null] }, /fits float32/],
    [{ x: { type: "uint8", data: [256] } }, /fits uint8/],
    [{ x: { type: "int32", data: [0.5] } }, /fits int32/],
    [{ x: { type: "float16", data: [1] } }, /type must be one of/],
    [{ x: { type: "constructor", data: [1] } }, /type must be one of/],
    [[{ x: [1] }, { x: "no" }], /^Set 2: x: /],
  ])("%j are refused", (json, words) => {
    const read = readSets(json, "sets");
    expect("wrong" in read && read.wrong.message).toMatch(words);
  });
});

describe("the form for a model", () => {
  it("gives the file to the node to keep, and names its tiles", async () => {
    const [example] = modelForm.examples;
    const filled = example?.fill() ?? {};
    const reading = await modelForm.read({ values: { ...filled.values }, files: { ...filled.files } });
    if ("wrong" in reading || typeof reading.data !== "function") throw new Error("the example is not complete");
    const kept: Uint8Array[] = [];
    const tiles = [{ hash: new Uint8Array(32), sizeBytes: 177 }];
    const data = await reading.data({
      keepModel: (bytes) => {
        kept.push(bytes);
        return Promise.resolve(tiles);
      },
    });
    expect(kept.map(({ length }) => length)).toEqual([177]);
    expect(data).toMatchObject({ model: tiles, sets: [{ x: { dims: [1, 3] } }, { x: { dims: [2, 3] } }] });
  });

  it.each([
    [{}, "model"],
    [{ model: new File([], "empty.onnx") }, "model"],
    [{ model: new File(["x"], "some.onnx") }, "sets"],
  ])("refuses %j", async (files, field) => {
    const reading = await modelForm.read({ values: { sets: "[" }, files });
    expect("wrong" in reading && reading.wrong.field).toBe(field);
  });
});
