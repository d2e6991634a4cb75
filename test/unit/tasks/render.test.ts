// Pictures whose pixels follow from the laws of light, worked out by hand; and the same picture whether it was split or
// not.
import { describe, expect, it } from "vitest";
import { errorCode } from "../../../src/shared/errors.ts";
import { render } from "../../../src/tasks/kinds/render/render.ts";
import { PathTracer } from "../../../src/tasks/kinds/render/path-trace.ts";
import type { Scene } from "../../../src/tasks/kinds/render/scene.ts";
import { runWhole } from "./run-whole.ts";

const scene = (more: Partial<Scene>): Scene => ({
  width: 9,
  height: 9,
  samples: 4,
  bounces: 4,
  seed: 7,
  camera: { position: [0, 0, 5], target: [0, 0, 0], viewHeight: 1 },
  sky: { horizon: [0, 0, 0], zenith: [0, 0, 0] },
  materials: [{ kind: "matt", colour: [1, 0.5, 0.25] }],
  spheres: [],
  triangles: [],
  lights: [],
  ...more,
});
const white: Scene["sky"] = { horizon: [1, 1, 1], zenith: [1, 1, 1] };
const ball = { centre: [0, 0, 0] as [number, number, number], radius: 1, material: 0 };

const tracePixel = (of: Scene, x: number, y: number) => new PathTracer(of).pixel(x, y);

describe("the light at a pixel", () => {
  it("is the sky's where there is no object, from horizon to zenith", () => {
    const sky: Scene["sky"] = { horizon: [0, 0, 0], zenith: [2, 2, 2] };
    const [up] = tracePixel(scene({ sky, samples: 1 }), 4, 0);
    const [down] = tracePixel(scene({ sky, samples: 1 }), 4, 8);
    expect(up).toBeGreaterThan(1);
    expect(down).toBeLessThan(1);
  });

  it("is the colour of the surface under an even sky (a furnace test)", () => {
    // A convex matt body under an even white sky reflects exactly its colour, whatever directions are drawn.
    expect(tracePixel(scene({ sky: white, spheres: [ball] }), 4, 4)).toEqual([1, 0.5, 0.25]);
  });

  it("is the sky's through clear glass and from a white mirror, under an even sky", () => {
    for (const material of [
      { kind: "glass", colour: [1, 1, 1], index: 1.5 },
      { kind: "metal", colour: [1, 1, 1], blur: 0 },
    ] as const) {
      const light = tracePixel(scene({ sky: white, bounces: 16, spheres: [ball], materials: [material] }), 4, 4);
      expect(light).toEqual([1, 1, 1]);
    }
  });

  it("decreases with the square of the light's distance, and with the cosine of its angle", () => {
    const wall: Scene["triangles"] = [
      {
        corners: [
          [-50, -50, 0],
          [50, -50, 0],
          [0, 80, 0],
        ],
        material: 0,
      },
    ];
    const narrow: Scene["camera"] = { position: [0, 0, 5], target: [0, 0, 0], viewHeight: 0.001 };
    const lit = (z: number): number =>
      tracePixel(scene({ bounces: 1, triangles: wall, camera: narrow, lights: [{ position: [0, 0, z], light: [8, 8, 8] }] }), 4, 4)[0];
    expect(lit(2) / lit(4)).toBeCloseTo(4, 4);
    expect(lit(2)).toBeCloseTo(2, 4);
  });

  it("is black in the shadow", () => {
    const wall: Scene["triangles"] = [
      {
        corners: [
          [-50, -50, -2],
          [50, -50, -2],
          [0, 80, -2],
        ],
        material: 0,
      },
    ];
    const lights: Scene["lights"] = [{ position: [0, 0, 9], light: [50, 50, 50] }];
    const camera: Scene["camera"] = { position: [9, 0, 0], target: [0, 0, -2], viewHeight: 0.01 };
    expect(tracePixel(scene({ bounces: 1, triangles: wall, lights, camera }), 4, 4)[0]).toBeGreaterThan(0.1);
    expect(tracePixel(scene({ bounces: 1, triangles: wall, lights, camera, spheres: [ball] }), 4, 4)).toEqual([0, 0, 0]);
  });

  it("of a lamp is the lamp's own", () => {
    expect(tracePixel(scene({ spheres: [ball], materials: [{ kind: "lamp", light: [3, 2, 1] }] }), 4, 4)).toEqual([3, 2, 1]);
  });
});

describe("render", () => {
  const busy = scene({
    width: 70,
    height: 45,
    samples: 2,
    sky: { horizon: [0.9, 0.9, 1], zenith: [0.3, 0.5, 1] },
    materials: [
      { kind: "matt", colour: [0.8, 0.3, 0.3] },
      { kind: "metal", colour: [0.9, 0.9, 0.9], blur: 0.2 },
      { kind: "glass", colour: [1, 1, 1], index: 1.5 },
    ],
    spheres: [0, 1, 2].map((material) => ({ centre: [1.2 * material - 1.2, 0, 0] as [number, number, number], radius: 0.5, material })),
    triangles: [
      {
        corners: [
          [-9, -0.5, 9],
          [9, -0.5, 9],
          [0, -0.5, -20],
        ],
        material: 0,
      },
    ],
    lights: [{ position: [2, 4, 3], light: [9, 9, 9] }],
  });

  it("gives the pixels of a single loop over the picture", async () => {
    const { width, height, rgba } = await runWhole(render, busy);
    expect([width, height]).toEqual([70, 45]);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const expected = tracePixel(busy, x, y).map((light) => Math.min(255, Math.floor(256 * Math.sqrt(light))));
        expect([...rgba.subarray(4 * (y * width + x), 4 * (y * width + x) + 4)]).toEqual([...expected, 255]);
      }
  });

  it.each([
    ["NaN", { camera: { position: [NaN, 0, 0], target: [0, 0, 1], viewHeight: 1 } }],
    ["an infinity", { lights: [{ position: [0, 0, 0], light: [Infinity, 0, 0] }] }],
    ["a picture over the limit", { width: 4097 }],
    ["a material that does not exist", { spheres: [{ ...ball, material: 3 }] }],
    ["a camera that looks straight down", { camera: { position: [0, 5, 0], target: [0, 0, 0], viewHeight: 1 } }],
    ["too many objects", { spheres: Array.from({ length: 1001 }, () => ball) }],
  ] as [string, Partial<Scene>][])("refuses %s", (_name, more) => {
    expect(() => render.split(scene(more))).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
  });

  it("refuses a square outside the picture", async () => {
    const [part] = render.split(scene({}));
    const wrong = { params: { x: 8, y: 0, width: 2, height: 1 }, input: part?.input ?? new Uint8Array(0) };
    const failed = await render.run(wrong, { signal: new AbortController().signal, progress: () => {} }).catch(errorCode);
    expect(failed).toBe("BAD_INPUT");
  });
});
