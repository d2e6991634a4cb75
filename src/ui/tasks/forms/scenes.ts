// The scenes that the page offers: each is plain data that a person can read, change and render. Pure.
import type { TaskDataByKind } from "../../../node/face.ts";

export type Scene = TaskDataByKind["render"];
type Vector = Scene["spheres"][number]["centre"];
type Look = Pick<Scene, "width" | "height" | "samples">;

const BOUNCES = 8;

/** Two triangles. */
const floor = (height: number, size: number, material: number): Scene["triangles"] => [
  {
    corners: [
      [-size, height, -size],
      [-size, height, size],
      [size, height, size],
    ],
    material,
  },
  {
    corners: [
      [-size, height, -size],
      [size, height, size],
      [size, height, -size],
    ],
    material,
  },
];

const onRing = (at: number, count: number, radius: number, height: number): Vector => {
  const angle = (2 * Math.PI * at) / count;
  return [round(radius * Math.sin(angle)), height, round(radius * Math.cos(angle))];
};

/** Three decimals: a scene is also read by people. */
const round = (value: number): number => Math.round(value * 1000) / 1000;

/** A ball of glass among balls of every colour, on a meadow by day. */
function ring(look: Look): Scene {
  const colours: Vector[] = [
    [0.94, 0.73, 0.35],
    [0.4, 0.72, 0.58],
    [0.52, 0.62, 0.92],
    [0.92, 0.5, 0.42],
    [0.75, 0.8, 0.35],
    [0.76, 0.56, 0.85],
    [0.4, 0.74, 0.84],
    [0.9, 0.68, 0.5],
  ];
  return {
    ...look,
    bounces: BOUNCES,
    seed: 1,
    camera: { position: [0, 3.1, 7.4], target: [0, 0.55, 0], viewHeight: 0.62 },
    sky: { horizon: [0.95, 0.93, 0.86], zenith: [0.35, 0.55, 0.86] },
    materials: [
      { kind: "matt", colour: [0.46, 0.56, 0.42] },
      { kind: "glass", colour: [1, 1, 1], index: 1.5 },
      ...colours.map((colour, at) =>
        at % 3 === 2 ? ({ kind: "metal", colour, blur: 0.08 } as const) : ({ kind: "matt", colour } as const),
      ),
    ],
    spheres: [
      { centre: [0, 1, 0], radius: 1, material: 1 },
      ...colours.map((_, at) => ({ centre: onRing(at, colours.length, 2.35, 0.5), radius: 0.5, material: 2 + at })),
    ],
    triangles: floor(0, 60, 0),
    lights: [{ position: [-5, 8, 6], light: [42, 38, 30] }],
  };
}

/** A room with a red and a green wall under one lamp: the light takes on the colours of the walls. */
function room(look: Look): Scene {
  const wall = (a: Vector, b: Vector, c: Vector, d: Vector, material: number): Scene["triangles"] => [
    { corners: [a, b, c], material },
    { corners: [a, c, d], material },
  ];
  const [l, r, f, n, t] = [-2, 2, -2, 2, 4];
  return {
    ...look,
    bounces: BOUNCES,
    seed: 2,
    camera: { position: [0, 2, 9.2], target: [0, 1.9, 0], viewHeight: 0.62 },
    sky: { horizon: [0.02, 0.02, 0.03], zenith: [0.02, 0.02, 0.03] },
    materials: [
      { kind: "matt", colour: [0.76, 0.74, 0.68] },
      { kind: "matt", colour: [0.68, 0.16, 0.12] },
      { kind: "matt", colour: [0.16, 0.48, 0.24] },
      { kind: "metal", colour: [0.92, 0.9, 0.86], blur: 0.02 },
      { kind: "glass", colour: [1, 1, 1], index: 1.5 },
      { kind: "lamp", light: [2.6, 2.3, 1.8] },
    ],
    spheres: [
      { centre: [-0.85, 0.8, -0.6], radius: 0.8, material: 3 },
      { centre: [0.9, 0.65, 0.55], radius: 0.65, material: 4 },
    ],
    triangles: [
      ...wall([l, 0, f], [l, 0, n], [r, 0, n], [r, 0, f], 0),
      ...wall([l, t, f], [r, t, f], [r, t, n], [l, t, n], 0),
      ...wall([l, 0, f], [r, 0, f], [r, t, f], [l, t, f], 0),
      ...wall([l, 0, f], [l, t, f], [l, t, n], [l, 0, n], 1),
      ...wall([r, 0, f], [r, 0, n], [r, t, n], [r, t, f], 2),
      ...wall([-0.7, 3.98, -0.7], [0.7, 3.98, -0.7], [0.7, 3.98, 0.7], [-0.7, 3.98, 0.7], 5),
    ],
    lights: [{ position: [0, 3.6, 0], light: [4.6, 4.1, 3.1] }],
  };
}

/** A raised hand of lamps over water at night: its fingers are layers, as in the mark. */
function hand(look: Look): Scene {
  const finger = (x: number, foot: number, tip: number, lean: number): Vector[] => {
    const count = 1 + Math.round((tip - foot) / 0.3);
    return Array.from({ length: count }, (_, at): Vector => [round(x + lean * (at / (count - 1))), round(foot + 0.3 * at), 0]);
  };
  const fingers = [
    finger(-0.95, 1.5, 2.7, -0.2),
    finger(-0.32, 1.6, 3.4, -0.05),
    finger(0.32, 1.6, 3.3, 0.06),
    finger(0.95, 1.5, 2.7, 0.22),
  ];
  const thumb: Vector[] = [0, 1, 2, 3].map((at) => [round(-1.25 - 0.24 * at), round(0.75 + 0.22 * at), 0.1]);
  return {
    ...look,
    bounces: BOUNCES,
    seed: 3,
    camera: { position: [0, 1.9, 7.6], target: [0, 1.45, 0], viewHeight: 0.62 },
    sky: { horizon: [0.1, 0.14, 0.16], zenith: [0.01, 0.02, 0.05] },
    materials: [
      { kind: "metal", colour: [0.3, 0.42, 0.4], blur: 0.06 },
      { kind: "lamp", light: [0.97, 0.6, 0.15] },
      { kind: "lamp", light: [1, 0.76, 0.38] },
      { kind: "lamp", light: [0.84, 0.45, 0.06] },
      { kind: "glass", colour: [1, 1, 1], index: 1.5 },
    ],
    spheres: [
      ...fingers.flatMap((points, at) => points.map((centre) => ({ centre, radius: 0.27, material: at % 2 === 0 ? 1 : 2 }))),
      ...thumb.map((centre) => ({ centre, radius: 0.26, material: 2 })),
      { centre: [0, 0.75, 0], radius: 1.05, material: 3 },
      { centre: [1.95, 0.45, 1.2], radius: 0.45, material: 4 },
      { centre: [-1.9, 0.35, 1.5], radius: 0.35, material: 4 },
    ],
    triangles: floor(0, 80, 0),
    lights: [{ position: [0, 2.6, 2.4], light: [3.2, 2.3, 1.1] }],
  };
}

export const SCENES = Object.freeze({
  ring: { label: "Glass among colours", make: ring },
  hand: { label: "Hand of lamps", make: hand },
  room: { label: "Coloured room", make: room },
});
export type SceneName = keyof typeof SCENES;

/** The sizes that are offered: width by height in pixels. */
export const SIZES = Object.freeze({ small: [160, 120], middle: [320, 240], large: [640, 480] } as const);
/** The numbers of paths through each pixel that are offered. */
export const FINENESS = Object.freeze({ quick: 8, fine: 32, finest: 128 } as const);
