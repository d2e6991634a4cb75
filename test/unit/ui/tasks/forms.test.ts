// The forms for jobs: what a person typed becomes data for the node, or a fault at a field.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Filled, KindForm } from "../../../../src/ui/tasks/forms/form.ts";
import { FORMS } from "../../../../src/ui/tasks/forms/forms.ts";
import { hashForm } from "../../../../src/ui/tasks/forms/hash-form.ts";
import { mapForm } from "../../../../src/ui/tasks/forms/map-form.ts";
import { meanForm, multiplyForm, sortForm, sumForm } from "../../../../src/ui/tasks/forms/numbers-form.ts";
import { asJson, renderForm, sceneOf } from "../../../../src/ui/tasks/forms/render-form.ts";
import { KINDS, type Scene } from "../../../../src/tasks/kinds/kind-list.ts";
import { render } from "../../../../src/tasks/kinds/render/render.ts";

const read = (form: KindForm, values: Filled["values"], files: Filled["files"] = {}) =>
  form.read({ values: { ...form.start, ...values }, files });
const data = async (...args: Parameters<typeof read>): Promise<unknown> => {
  const reading = await read(...args);
  if ("wrong" in reading) throw new Error(reading.wrong.message);
  return reading.data;
};
const field = async (...args: Parameters<typeof read>): Promise<string> => {
  const reading = await read(...args);
  return "wrong" in reading ? reading.wrong.field : "";
};
const message = async (...args: Parameters<typeof read>): Promise<string> => {
  const reading = await read(...args);
  return "wrong" in reading ? reading.wrong.message : "";
};

it("there is a form for every kind, in the order in which they are offered; pictures of graphics cards are a choice in theirs", () => {
  expect(FORMS.map(({ kind }) => kind)).toEqual(["render", "map", "sum", "mean", "sort", "multiply", "hash", "ml_inference"]);
  expect(new Set([...FORMS.map(({ kind }) => kind), "render_gpu"])).toEqual(new Set(Object.keys(KINDS)));
});

describe("numbers", () => {
  it.each([
    ["1 2 3", { wholes: [1n, 2n, 3n] }],
    ["1,2;3\n\n +4", { wholes: [1n, 2n, 3n, 4n] }],
    ["123456789012345678901234567890 1", { wholes: [123_456_789_012_345_678_901_234_567_890n, 1n] }],
    ["1 2.5 -3e2 .5 7.", { floats: [1, 2.5, -300, 0.5, 7] }],
    ["1\r\n2", { wholes: [1n, 2n] }],
  ])("%j are read", async (numbers, expected) => {
    for (const form of [sumForm, meanForm]) expect(await data(form, { numbers })).toEqual(expected);
  });

  it.each([
    ["", /Paste some numbers/],
    [" \n ", /Paste some numbers/],
    ["1 2\n3 x4", /^Line 2: “x4” is not a number/],
    ["NaN", /is not a number/],
    ["Infinity", /is not a number/],
    ["1e999", /too large/],
    ["0x10", /is not a number/],
    ["1 --2", /is not a number/],
    ["9".repeat(10_001), /digits/],
  ])("%j is refused with its place", async (numbers, words) => {
    expect(await message(sumForm, { numbers })).toMatch(words);
  });

  it("come back as they were, whatever separates them", async () => {
    const gap = fc.constantFrom(" ", "\n", ", ", ";", "\t", "\r\n");
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.bigInt(), gap), { minLength: 1 }), async (pairs) => {
        const numbers = pairs.map(([number, between]) => `${number}${between}`).join("");
        expect(await data(sumForm, { numbers })).toEqual({ wholes: pairs.map(([number]) => number) });
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }), async (floats) => {
        const numbers = [...floats, 0.5].map((float) => (Object.is(float, -0) ? "-0" : String(float))).join(" ");
        expect(await data(sumForm, { numbers })).toEqual({ floats: [...floats, 0.5] });
      }),
    );
  });

  it("are read from the file if one is chosen, and then faults are shown at the file", async () => {
    const file = (text: string): Filled["files"] => ({ file: new File([text], "numbers.txt") });
    expect(await data(sumForm, { numbers: "1" }, file("5 6"))).toEqual({ wholes: [5n, 6n] });
    expect(await field(sumForm, {}, file("five"))).toBe("file");
  });

  it("to sort are refused if a 64-bit float cannot hold them exactly", async () => {
    expect(await data(sortForm, { numbers: "3 1 2" })).toEqual({ numbers: [3, 1, 2] });
    expect(await message(sortForm, { numbers: "9007199254740993 1" })).toMatch(/as lines of text/);
    expect(await data(sortForm, { as: "lines", numbers: "b\na\n" })).toEqual({ strings: ["b", "a"] });
    expect(await field(sortForm, { as: "lines", numbers: "" })).toBe("numbers");
  });
});

describe("matrices", () => {
  it("are read row by row, exactly if all numbers are whole", async () => {
    const side = (rows: number, columns: number, elements: readonly unknown[]) => ({ rows, columns, elements });
    expect(await data(multiplyForm, { left: "1 2\n3 4", right: "5\n6" })).toEqual({
      wholes: [side(2, 2, [1n, 2n, 3n, 4n]), side(2, 1, [5n, 6n])],
    });
    expect(await data(multiplyForm, { left: "1 2.5", right: "1\n1" })).toEqual({ floats: [side(1, 2, [1, 2.5]), side(2, 1, [1, 1])] });
  });

  it.each([
    [{ left: "", right: "1" }, "left", /Paste a matrix/],
    [{ left: "1 2\n3", right: "1" }, "left", /Line 2 has 1 number,/],
    [{ left: "1 2", right: "1 2" }, "right", /2 columns, so this one needs 2 rows; it has 1/],
    [{ left: "1", right: "a" }, "right", /“a” is not a number/],
  ])("%j are refused", async (values, at, words) => {
    expect(await field(multiplyForm, values)).toBe(at);
    expect(await message(multiplyForm, values)).toMatch(words);
  });
});

describe("hashes", () => {
  it("are of lines, in UTF-8 and without their line ends", async () => {
    const items = ["a", "", "ß"].map((line) => new TextEncoder().encode(line));
    expect(await data(hashForm, { lines: "a\r\n\nß\n" })).toEqual({ items });
  });

  it("are of a file if that was chosen", async () => {
    expect(await field(hashForm, { of: "file" })).toBe("file");
    expect(await data(hashForm, { of: "file" }, { file: new File(["abc"], "abc") })).toEqual({ file: new TextEncoder().encode("abc") });
  });
});

describe("scenes", () => {
  it.each(["ring", "hand", "room"])("%s is valid for the kind and has several parts", async (scene) => {
    for (const size of ["small", "middle", "large"]) {
      const given = (await data(renderForm, { scene, size })) as Scene;
      expect(render.split(given).length).toBeGreaterThan(1);
    }
  });

  it("of the person's own begin as a copy of the one chosen before, and are read as JSON", async () => {
    const before = renderForm.follow?.("scene", { ...renderForm.start, scene: "hand", size: "small" }) ?? {};
    const own = { ...before, scene: "own" };
    expect(await data(renderForm, own)).toEqual(sceneOf({ scene: "hand", size: "small", fineness: "quick" }));
  });

  it.each([
    ["{", /^This is not JSON/],
    ['{"width": 3}', /^height is missing/],
    [asJson({ ...sceneOf({}), camera: { position: [0, 5, 0], target: [0, 0, 0], viewHeight: 1 } }), /straight up or down/],
    [asJson({ ...sceneOf({}), width: 1e9 }), /^At width: /],
  ])("%s is refused at the field", async (json, words) => {
    expect(await field(renderForm, { scene: "own", json })).toBe("json");
    expect(await message(renderForm, { scene: "own", json })).toMatch(words);
  });

  it("are written as JSON with each point on one line, and read back the same", () => {
    const scene = sceneOf({ scene: "room" });
    const json = asJson(scene);
    expect(JSON.parse(json)).toEqual(scene);
    expect(json).toMatch(/"position": \[ ?0, 2, 9\.2 ?\]/);
  });
});

describe("programs", () => {
  it("are a function over a JSON list", async () => {
    const values = { source: " (x) => x + 1 ", inputs: '[1, {"a": null}]', batch: "2" };
    expect(await data(mapForm, values)).toEqual({
      program: { language: "js", source: "(x) => x + 1" },
      inputs: [1, { a: null }],
      batch: 2,
    });
  });

  it.each([
    [{ source: "" }, "source"],
    [{ inputs: "" }, "inputs"],
    [{ inputs: "{}" }, "inputs"],
    [{ inputs: "[]" }, "inputs"],
    [{ inputs: "[1," }, "inputs"],
    [{ batch: "0" }, "batch"],
    [{ batch: "1.5" }, "batch"],
    [{ language: "wasm" }, "module"],
  ])("%j is refused at its field", async (values, at) => {
    expect(await field(mapForm, values)).toBe(at);
  });

  it("are valid WebAssembly modules over texts", async () => {
    const [example] = mapForm.examples.slice(-1);
    const filled = example?.fill() ?? {};
    const reading = await mapForm.read({ values: { ...mapForm.start, ...filled.values }, files: { ...filled.files } });
    if ("wrong" in reading || typeof reading.data === "function" || reading.data.program.language !== "wasm")
      throw new Error("the example is not a module");
    expect(reading.data.inputs).toEqual(["many hands", "make light work"].map((text) => new TextEncoder().encode(text)));
    const { instance } = await WebAssembly.instantiate(new Uint8Array(reading.data.program.module));
    const { memory, alloc, run } = instance.exports as {
      memory: WebAssembly.Memory;
      alloc: (length: number) => number;
      run: (pointer: number, length: number) => bigint;
    };
    const input = new TextEncoder().encode("Many hands, 3 & ß");
    const pointer = alloc(input.length);
    new Uint8Array(memory.buffer).set(input, pointer);
    const at = run(pointer, input.length);
    const output = new Uint8Array(memory.buffer, Number(at >> 32n), Number(at & 0xffff_ffffn));
    expect(new TextDecoder().decode(output)).toBe("MANY HANDS, 3 & ß");
    const values = { language: "wasm", inputs: '["a"]' };
    expect(await field(mapForm, values, { module: new File(["abc"], "a.wasm") })).toBe("module");
    expect(await field(mapForm, { ...values, inputs: "[1]" }, { ...filled.files })).toBe("inputs");
  });
});

it("every example of every kind can be handed over as it is", async () => {
  for (const form of FORMS) {
    for (const { fill } of form.examples) {
      const { values, files } = fill();
      expect(await read(form, { ...values }, { ...files })).toHaveProperty("data");
    }
  }
});
