// What is checked of a program without running it: a module's memory, and the form of inputs and outputs.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encode } from "@ipld/dag-cbor";
import { errorCode } from "../../../src/shared/errors.ts";
import { mapIn } from "../../../src/tasks/kinds/map.ts";
import type { Sandbox } from "../../../src/tasks/sandbox/sandbox.ts";
import { wasmMemoryBytes } from "../../../src/tasks/sandbox/wasm-limits.ts";
import { runWhole } from "./run-whole.ts";
import { wasmModule } from "./wasm-module.ts";

const codeOf = (act: () => unknown): unknown => {
  try {
    act();
    return "nothing thrown";
  } catch (error) {
    return errorCode(error);
  }
};

describe("a module's memory", () => {
  it("is read from the module", () => {
    expect(wasmMemoryBytes(wasmModule({ memory: [1, 1, 4] }))).toBe(4 * 65_536);
    expect(wasmMemoryBytes(wasmModule({ memory: [1, 1, 0x80, 0x80, 4] }))).toBe(4 * 2 ** 30);
    expect(WebAssembly.validate(wasmModule())).toBe(true);
  });

  it.each([
    ["bytes that are no module", Uint8Array.of(1, 2, 3)],
    ["a memory without a maximum", wasmModule({ memory: [0, 1] })],
    ["a shared memory", wasmModule({ memory: [3, 1, 4] })],
    ["a memory of 64 bits", wasmModule({ memory: [5, 1, 4] })],
    ["no memory", wasmModule({ memory: [] })],
    ["an imported memory", wasmModule({ memory: [], before: [2, 8, 1, 1, 0x61, 1, 0x62, 2, 0, 1] })],
    ["a table without a maximum", wasmModule({ before: [4, 4, 1, 0x70, 0, 1] })],
    ["a huge table", wasmModule({ before: [4, 9, 1, 0x70, 1, 1, 0x80, 0x80, 0x80, 0x80, 8] })],
    ["a section past its end", wasmModule().slice(0, 30)],
  ])("is refused: %s", (_name, module) => {
    expect(codeOf(() => wasmMemoryBytes(module))).toBe("BAD_INPUT");
  });

  it("of any bytes is a number, or refused", () => {
    const whole = wasmModule();
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const changed = whole.slice();
        changed[at] = byte;
        expect(["nothing thrown", "BAD_INPUT"]).toContain(codeOf(() => wasmMemoryBytes(changed)));
      }),
    );
  });
});

/** Computes what the program of these tests would; programs themselves run in `sandbox.browser.test.ts`. */
const doubling: Sandbox = {
  run: async (_program, inputs) => inputs.map((input) => (typeof input === "string" ? JSON.stringify(2 * Number(input)) : input)),
};
const js = { language: "js", source: "(x) => 2 * x" } as const;

describe("map", () => {
  it("keeps the order of inputs over many parts", async () => {
    const inputs = Array.from({ length: 1000 }, (_, at) => at);
    expect(mapIn(doubling).split({ program: js, inputs }).length).toBe(16);
    expect(await runWhole(mapIn(doubling), { program: js, inputs, batch: 7 })).toEqual(inputs.map((x) => 2 * x));
  });

  it("refuses a program or inputs of the wrong form, or too large", () => {
    const split = (data: object): unknown => codeOf(() => mapIn(undefined).split(data as never));
    expect(split({ program: { language: "python", source: "" }, inputs: [] })).toBe("BAD_INPUT");
    expect(split({ program: js, inputs: [() => 1] })).toBe("BAD_INPUT");
    expect(split({ program: js, inputs: [1], batch: 0 })).toBe("BAD_INPUT");
    expect(split({ program: { language: "wasm", module: wasmModule() }, inputs: ["text"] })).toBe("BAD_INPUT");
    expect(split({ program: { language: "js", source: "x".repeat(128 * 1024 + 1) }, inputs: [] })).toBe("BAD_INPUT");
    expect(split({ program: js, inputs: ["x".repeat(1024 * 1024)] })).toBe("BAD_INPUT");
  });

  it("refuses outputs that are too few, or of the wrong form", () => {
    const join = (outputs: Uint8Array<ArrayBuffer>[]): unknown =>
      codeOf(() => mapIn(undefined).join({ program: js, inputs: [1, 2] }, outputs));
    expect(join([Uint8Array.from(encode(["1"]))])).toBe("BAD_INPUT");
    expect(join([Uint8Array.from(encode(["1", Uint8Array.of(1)]))])).toBe("BAD_INPUT");
    expect(join([Uint8Array.from(encode(["1", "{"]))])).toBe("BAD_INPUT");
    expect(join([Uint8Array.of(255)])).toBe("BAD_INPUT");
  });

  it("does not run without a sandbox", async () => {
    await expect(runWhole(mapIn(undefined), { program: js, inputs: [1] })).rejects.toMatchObject({ code: "TASK_FAILED" });
  });
});
