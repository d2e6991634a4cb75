// A 3D scene as data: spheres, triangles, materials, lights, a camera, a sky, and how finely it is drawn.
import * as v from "valibot";
import { SCENE_LIMITS } from "./scene-limits.ts";

const coordinate = v.pipe(v.number(), v.finite(), v.minValue(-SCENE_LIMITS.coordinate), v.maxValue(SCENE_LIMITS.coordinate));
const amount = v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(SCENE_LIMITS.coordinate));
const share = v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(1));
const whole = (min: number, max: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(min), v.maxValue(max));
/** x, y, z with y up, or red, green, blue. */
const point = v.strictTuple([coordinate, coordinate, coordinate]);
const light = v.strictTuple([amount, amount, amount]);
const colour = v.strictTuple([share, share, share]);

/** Three numbers: a point, a light or a colour. */
export type Triple = readonly [number, number, number];

/** The material of a sphere or triangle. */
export type Material =
  | { readonly kind: "matt"; readonly colour: Triple }
  /** `blur` 0 is a clean mirror, 1 is as rough as can be. */
  | { readonly kind: "metal"; readonly colour: Triple; readonly blur: number }
  /** Refractive index, 1.5 for window glass. */
  | { readonly kind: "glass"; readonly colour: Triple; readonly index: number }
  /** Gives off light and reflects none. */
  | { readonly kind: "lamp"; readonly light: Triple };
const Material: v.GenericSchema<unknown, Material> = v.variant("kind", [
  v.strictObject({ kind: v.literal("matt"), colour }),
  v.strictObject({ kind: v.literal("metal"), colour, blur: share }),
  v.strictObject({ kind: v.literal("glass"), colour, index: v.pipe(v.number(), v.finite(), v.minValue(1), v.maxValue(4)) }),
  v.strictObject({ kind: v.literal("lamp"), light }),
]);

const material = whole(0, SCENE_LIMITS.materials - 1);

/** A 3D scene. Points are x, y, z with y up; light and colours are red, green, blue, colours from 0 to 1. */
export interface Scene {
  /** Pixels, at most 4,096 a side. */
  readonly width: number;
  readonly height: number;
  /** Paths through each pixel, and segments of a path. */
  readonly samples: number;
  readonly bounces: number;
  /** A whole number below 2^32; another seed gives other noise. */
  readonly seed: number;
  readonly camera: {
    readonly position: Triple;
    readonly target: Triple;
    /** Height of the view at distance 1: twice the tangent of half the vertical angle. */
    readonly viewHeight: number;
  };
  /** Light from where no object is: at the horizon, and straight up. */
  readonly sky: { readonly horizon: Triple; readonly zenith: Triple };
  readonly materials: readonly Material[];
  /** `material`: its index among the materials. */
  readonly spheres: readonly { readonly centre: Triple; readonly radius: number; readonly material: number }[];
  readonly triangles: readonly { readonly corners: readonly [Triple, Triple, Triple]; readonly material: number }[];
  /** Points that shine on matt surfaces; their light decreases with the square of the distance. */
  readonly lights: readonly { readonly position: Triple; readonly light: Triple }[];
}

export const Scene: v.GenericSchema<unknown, Scene> = v.pipe(
  v.strictObject({
    width: whole(1, SCENE_LIMITS.side),
    height: whole(1, SCENE_LIMITS.side),
    samples: whole(1, SCENE_LIMITS.samples),
    bounces: whole(1, SCENE_LIMITS.bounces),
    seed: whole(0, 2 ** 32 - 1),
    camera: v.strictObject({ position: point, target: point, viewHeight: v.pipe(amount, v.minValue(1e-6)) }),
    sky: v.strictObject({ horizon: light, zenith: light }),
    materials: v.pipe(v.array(Material), v.minLength(1), v.maxLength(SCENE_LIMITS.materials)),
    spheres: v.pipe(
      v.array(v.strictObject({ centre: point, radius: v.pipe(amount, v.minValue(1e-6)), material })),
      v.maxLength(SCENE_LIMITS.objects),
    ),
    triangles: v.pipe(
      v.array(v.strictObject({ corners: v.strictTuple([point, point, point]), material })),
      v.maxLength(SCENE_LIMITS.objects),
    ),
    lights: v.pipe(v.array(v.strictObject({ position: point, light })), v.maxLength(SCENE_LIMITS.lights)),
  }),
  v.check(
    ({ spheres, triangles }) => spheres.length + triangles.length <= SCENE_LIMITS.objects,
    `a scene has at most ${SCENE_LIMITS.objects} objects`,
  ),
  v.check(
    ({ spheres, triangles, materials }) => [...spheres, ...triangles].every(({ material }) => material < materials.length),
    "an object has one of the scene's materials",
  ),
  v.check(
    ({ camera: { position, target } }) => position[0] !== target[0] || position[2] !== target[2],
    "a camera does not look straight up or down",
  ),
);
