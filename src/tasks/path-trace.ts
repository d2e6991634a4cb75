// Path tracing with additions, products, quotients and square roots alone: IEEE 754 rounds those the same way everywhere, so
// the picture is the same bytes on every machine. No sine, power or exponential, whose last bits differ between engines.
import type { Material, Scene } from "./render-scene.ts";
import { add, cross, dot, minus, normal, scale, times, type Vector } from "./vector.ts";

export const DEFAULTS = Object.freeze({
  /** A ray starts this far from the surface that it leaves, or it would hit it again. */
  gap: 1e-6,
  /** Tries of a point in a sphere before the middle is taken: each fails with 48 %. */
  tries: 64,
});

interface Ray {
  readonly from: Vector;
  /** Of length 1. */
  readonly along: Vector;
}

interface Hit {
  readonly distance: number;
  readonly at: Vector;
  /** Of length 1, against the ray. */
  readonly up: Vector;
  readonly isInside: boolean;
  readonly material: Material;
}

const BLACK: Vector = [0, 0, 0];

/** Chance that belongs to one sample of one pixel: whoever draws the pixel draws the same. PCG hash (Jarzynski and Olano, 2020). */
class PixelChance {
  #state: number;

  constructor(seed: number, pixel: number, sample: number) {
    this.#state = mix(mix(mix(seed) + pixel) + sample);
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (Math.imul(this.#state, 747796405) + 2891336453) >>> 0;
    return mix(this.#state) / 2 ** 32;
  }

  /** Of length 1, any direction alike. */
  direction(): Vector {
    for (let n = 0; n < DEFAULTS.tries; n++) {
      const point: Vector = [2 * this.next() - 1, 2 * this.next() - 1, 2 * this.next() - 1];
      const square = dot(point, point);
      if (square <= 1 && square > 1e-12) return scale(point, 1 / Math.sqrt(square));
    }
    return [0, 1, 0];
  }
}

function mix(value: number): number {
  const state = (Math.imul(value, 747796405) + 2891336453) | 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737);
  return ((word >>> 22) ^ word) >>> 0;
}

/** Light that arrives at the pixel in column `x` and row `y` from the top, averaged over its samples. */
export function tracePixel(scene: Scene, x: number, y: number): Vector {
  const { camera, width, height, samples, seed } = scene;
  const ahead = normal(minus(camera.target, camera.position));
  const right = normal(cross(ahead, [0, 1, 0]));
  const above = cross(right, ahead);
  let total = BLACK;
  for (let sample = 0; sample < samples; sample++) {
    const chance = new PixelChance(seed, y * width + x, sample);
    const across = (((x + chance.next()) / width - 0.5) * camera.viewHeight * width) / height;
    const down = ((y + chance.next()) / height - 0.5) * camera.viewHeight;
    const along = normal(add(ahead, minus(scale(right, across), scale(above, down))));
    total = add(total, tracePath(scene, { from: camera.position, along }, chance));
  }
  return scale(total, 1 / samples);
}

function tracePath(scene: Scene, first: Ray, chance: PixelChance): Vector {
  let ray = first;
  let light = BLACK;
  let share: Vector = [1, 1, 1];
  for (let bounce = 0; bounce < scene.bounces; bounce++) {
    const hit = nearest(scene, ray, Infinity);
    if (hit === undefined) return add(light, times(share, skyLight(scene, ray.along)));
    const { material } = hit;
    if (material.kind === "lamp") return add(light, times(share, material.light));
    share = times(share, material.colour);
    if (material.kind === "matt") light = add(light, times(share, lampLight(scene, hit)));
    ray = leave(hit, ray, material, chance);
  }
  return light;
}

function skyLight({ sky }: Scene, along: Vector): Vector {
  const height = 0.5 * (along[1] + 1);
  return add(scale(sky.horizon, 1 - height), scale(sky.zenith, height));
}

/** What the scene's lights throw on a matt surface, where nothing stands between. */
function lampLight(scene: Scene, { at, up }: Hit): Vector {
  let total = BLACK;
  for (const { position, light } of scene.lights) {
    const way = minus(position, at);
    const square = dot(way, way);
    const distance = Math.sqrt(square);
    const along = scale(way, 1 / distance);
    const slant = dot(along, up);
    if (!(slant > 0) || nearest(scene, { from: add(at, scale(up, DEFAULTS.gap)), along }, distance) !== undefined) continue;
    total = add(total, scale(light, slant / square));
  }
  return total;
}

function leave(hit: Hit, ray: Ray, material: Exclude<Material, { kind: "lamp" }>, chance: PixelChance): Ray {
  const outside = add(hit.at, scale(hit.up, DEFAULTS.gap));
  const mirrored = minus(ray.along, scale(hit.up, 2 * dot(ray.along, hit.up)));
  switch (material.kind) {
    case "matt": {
      const sum = add(hit.up, chance.direction());
      return { from: outside, along: dot(sum, sum) < 1e-12 ? hit.up : normal(sum) };
    }
    case "metal": {
      const along = normal(add(mirrored, scale(chance.direction(), 0.999 * material.blur)));
      return { from: outside, along: dot(along, hit.up) > 0 ? along : mirrored };
    }
    case "glass": {
      const ratio = hit.isInside ? material.index : 1 / material.index;
      const facing = Math.min(1, -dot(ray.along, hit.up));
      const across = 1 - ratio * ratio * (1 - facing * facing);
      const head = ((1 - ratio) / (1 + ratio)) * ((1 - ratio) / (1 + ratio));
      const rest = 1 - facing;
      const reflected = head + (1 - head) * rest * rest * rest * rest * rest; // Schlick, 1994
      if (across < 0 || chance.next() < reflected) return { from: outside, along: mirrored };
      const along = normal(add(scale(ray.along, ratio), scale(hit.up, ratio * facing - Math.sqrt(across))));
      return { from: minus(hit.at, scale(hit.up, DEFAULTS.gap)), along };
    }
  }
}

/**
 * The first object on the ray nearer than `within`. Here nearly all time goes: spheres are met without a vector being made, and
 * the surface is looked at once, at the end.
 */
function nearest(scene: Scene, ray: Ray, within: number): Hit | undefined {
  const [fromX, fromY, fromZ] = ray.from;
  const [alongX, alongY, alongZ] = ray.along;
  let distance = within;
  let sphere: Scene["spheres"][number] | undefined;
  let triangle: Scene["triangles"][number] | undefined;
  for (const each of scene.spheres) {
    const wayX = each.centre[0] - fromX;
    const wayY = each.centre[1] - fromY;
    const wayZ = each.centre[2] - fromZ;
    const middle = wayX * alongX + wayY * alongY + wayZ * alongZ;
    const root = middle * middle - (wayX * wayX + wayY * wayY + wayZ * wayZ) + each.radius * each.radius;
    if (!(root > 0)) continue;
    const half = Math.sqrt(root);
    const at = middle - half > DEFAULTS.gap ? middle - half : middle + half;
    if (!(at > DEFAULTS.gap && at < distance)) continue;
    distance = at;
    sphere = each;
  }
  for (const each of scene.triangles) {
    const at = meetTriangle(ray, each.corners);
    if (!(at > DEFAULTS.gap && at < distance)) continue;
    distance = at;
    triangle = each;
  }
  const met = triangle ?? sphere;
  if (met === undefined) return undefined;
  const at = add(ray.from, scale(ray.along, distance));
  const up = "corners" in met ? acrossTriangle(met.corners) : scale(minus(at, met.centre), 1 / met.radius);
  const isInside = dot(up, ray.along) > 0;
  const material = scene.materials[met.material] as Material; // the schema checked the index
  return { distance, at, up: isInside ? scale(up, -1) : up, isInside, material };
}

const acrossTriangle = ([a, b, c]: readonly [Vector, Vector, Vector]): Vector => normal(cross(minus(b, a), minus(c, a)));

/** Distance to a triangle, or NaN (Möller and Trumbore, 1997). */
function meetTriangle({ from, along }: Ray, [a, b, c]: readonly [Vector, Vector, Vector]): number {
  const ab = minus(b, a);
  const ac = minus(c, a);
  const p = cross(along, ac);
  const determinant = dot(ab, p);
  if (determinant === 0) return NaN;
  const way = minus(from, a);
  const u = dot(way, p) / determinant;
  if (!(u >= 0 && u <= 1)) return NaN;
  const q = cross(way, ab);
  const w = dot(along, q) / determinant;
  return w >= 0 && u + w <= 1 ? dot(ac, q) / determinant : NaN;
}
