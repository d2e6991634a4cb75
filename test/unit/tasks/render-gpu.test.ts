// Pictures of graphics cards: which squares the requester's own look accepts and which it refuses; and the data for the
// shader.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errorCode } from "../../../src/shared/errors.ts";
import { renderGpuBy, type SquareTracer } from "../../../src/tasks/kinds/render/render-gpu.ts";
import { packFrame, packScene } from "../../../src/tasks/kinds/render/pack-scene.ts";
import { PathTracer } from "../../../src/tasks/kinds/render/path-trace.ts";
import type { Scene } from "../../../src/tasks/kinds/render/scene.ts";
import type { Bytes } from "../../../src/tasks/task-kind.ts";
import { Random } from "../../../tools/sim/random.ts";

const scene: Scene = {
  width: 40,
  height: 30,
  samples: 2,
  bounces: 4,
  seed: 5,
  camera: { position: [0, 1, 4], target: [0, 0.5, 0], viewHeight: 0.9 },
  sky: { horizon: [0.9, 0.9, 0.8], zenith: [0.2, 0.4, 0.9] },
  materials: [
    { kind: "matt", colour: [0.5, 0.6, 0.7] },
    { kind: "metal", colour: [0.9, 0.8, 0.7], blur: 0.25 },
    { kind: "glass", colour: [1, 1, 1], index: 1.5 },
    { kind: "lamp", light: [2, 3, 4] },
  ],
  spheres: [{ centre: [0, 0.5, 0], radius: 0.5, material: 1 }],
  triangles: [{ corners: [[-9, 0, 9], [9, 0, 9], [0, 0, -9]], material: 0 }], // prettier-ignore
  lights: [{ position: [1, 2, 3], light: [4, 5, 6] }],
};
const context = { signal: new AbortController().signal, progress: () => {} };

/** Gives sums of light as a card does, but by the tracer of kind `render`; `shift` is added to each. */
const tracer = (shift = 0): SquareTracer => ({
  trace: (of, square) => {
    const exact = new PathTracer(of);
    const sums = new Float32Array(4 * square.width * square.height);
    for (let y = 0; y < square.height; y++)
      for (let x = 0; x < square.width; x++)
        sums.set(
          exact.pixel(square.x + x, square.y + y).map((light) => (light + shift) * of.samples),
          4 * (y * square.width + x),
        );
    return Promise.resolve(sums);
  },
});
const [part] = renderGpuBy(undefined).split(scene);
if (part === undefined) throw new Error("a scene has a square");
const look = (output: Bytes, seed: number): boolean | undefined => {
  const random = new Random(seed);
  return renderGpuBy(undefined).accepts?.(part, output, () => random.next());
};

describe("the requester's look at a square", () => {
  it("accepts differences of rounding, whichever pixels are drawn", async () => {
    const output = await renderGpuBy(tracer(1e-5)).run(part, context);
    fc.assert(fc.property(fc.nat(), (seed) => look(output, seed) === true));
  });

  it("accepts a few stray paths", async () => {
    const output = await renderGpuBy(tracer()).run(part, context);
    for (let at = 0; at < output.length; at += 3 * 200) output[at] = 255 - (output[at] ?? 0); // half a percent of the pixels
    const taken = Array.from({ length: 200 }, (_, seed) => look(output, seed)).filter(Boolean);
    expect(taken).toHaveLength(200);
  });

  it.each([
    ["another picture", (output: Bytes) => output.fill(0)],
    ["a flat colour in place of noise", (output: Bytes) => output.fill(128)],
    ["a picture that is too bright throughout", (output: Bytes) => output.map((byte) => Math.min(255, byte + 40))],
  ])("refuses %s", async (_name, twist) => {
    const output = await renderGpuBy(tracer()).run(part, context);
    const twisted = Uint8Array.from(twist(output));
    expect(Array.from({ length: 100 }, (_, seed) => look(twisted, seed)).filter(Boolean)).toEqual([]);
  });

  it("refuses an output of another size", async () => {
    const output = await renderGpuBy(tracer()).run(part, context);
    expect(look(output.slice(3), 1)).toBe(false);
  });
});

it("refuses a square outside the picture, and any square without a card", async () => {
  const wrong = { ...part, params: { x: 30, y: 0, width: 20, height: 1 } };
  expect(await renderGpuBy(tracer()).run(wrong, context).catch(errorCode)).toBe("BAD_INPUT");
  expect(await renderGpuBy(undefined).run(part, context).catch(errorCode)).toBe("BAD_INPUT");
});

describe("the data for the shader", () => {
  it("has every object, material and light in rows of four", () => {
    const { spheres, triangles, materials, lights } = packScene(scene);
    expect([...spheres]).toEqual([0, 0.5, 0, 0.5, 1, 0, 0, 0]);
    expect([...triangles]).toEqual([-9, 0, 9, 0, 9, 0, 9, 0, 0, 0, -9, 0]);
    expect(materials).toHaveLength(4 * 8);
    expect([...materials.slice(8, 16)].map((one) => Math.round(one * 100) / 100)).toEqual([1, 0.25, 0, 0, 0.9, 0.8, 0.7, 0]);
    expect([...materials.slice(24)]).toEqual([3, 0, 0, 0, 2, 3, 4, 0]);
    expect([...lights]).toEqual([1, 2, 3, 0, 4, 5, 6, 0]);
  });

  it("has a row of zeros for an empty list, because a binding must not be empty", () => {
    const { spheres, lights } = packScene({ ...scene, spheres: [], lights: [] });
    expect([spheres.length, lights.length]).toEqual([4, 4]);
  });

  it("has whole numbers between the vectors of the frame", () => {
    const frame = packFrame(scene, { square: [8, 16, 24, 32], firstSample: 7, samples: 9 });
    const wholes = new Uint32Array(frame);
    expect([3, 7, 11, 15, 23].map((at) => wholes[at])).toEqual([40, 30, 5, 4, 7]);
    expect([...wholes.slice(24)]).toEqual([8, 16, 24, 32, 9, 1, 1, 1]);
    expect(new Float32Array(frame)[19]).toBeCloseTo(0.9);
  });
});
