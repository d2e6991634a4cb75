// Path tracing with additions, products, quotients and square roots alone: IEEE 754 rounds those the same way
// everywhere, so every machine gives the same bytes. There is no sine, power or exponential, whose last bits differ
// between engines. A path allocates nothing: vectors are written in place. Otherwise engines that cannot optimise the
// allocations away spend a third of the time on garbage collection.
import { at, type Axis, dot, type Place, place, reach, straighten } from "./vector-in-place.ts";
import type { Material, Scene } from "./scene.ts";
import { cross, minus, normal, type Vector } from "./vector.ts";

const DEFAULTS = Object.freeze({
  /** A ray starts this far from the surface that it leaves: otherwise it would hit the surface again. */
  gap: 1e-6,
  /** Tries to draw a point in a sphere, of which each fails with 48 %. After them the upright direction is taken. */
  tries: 64,
});

/**
 * Random numbers of one sample of one pixel: every peer that draws the pixel gets the same ones. PCG hash (Jarzynski
 * and Olano, 2020).
 */
class PixelChance {
  #state = 0;

  begin(seed: number, pixel: number, sample: number): void {
    this.#state = mix(mix(mix(seed) + pixel) + sample);
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (Math.imul(this.#state, 747796405) + 2891336453) >>> 0;
    return mix(this.#state) / 2 ** 32;
  }

  /** Writes a vector of length 1; all directions are equally likely. */
  direction(out: Place): void {
    for (let n = 0; n < DEFAULTS.tries; n++) {
      out[0] = 2 * this.next() - 1;
      out[1] = 2 * this.next() - 1;
      out[2] = 2 * this.next() - 1;
      const square = dot(out, out);
      if (!(square <= 1 && square > 1e-12)) continue;
      straighten(out);
      return;
    }
    out.set([0, 1, 0]);
  }
}

function mix(value: number): number {
  const state = (Math.imul(value, 747796405) + 2891336453) | 0;
  const word = Math.imul((state >>> ((state >>> 28) + 4)) ^ state, 277803737);
  return ((word >>> 22) ^ word) >>> 0;
}

/** Numbers of one sphere: its centre, and the square of its radius. */
const SPHERE = 4;
/** Numbers of one triangle: a corner, two sides from it, and its normal. */
const TRIANGLE = 12;

/** Draws the pixels of one scene, one at a time. */
export class PathTracer {
  readonly #scene: Scene;
  readonly #spheres: Float64Array;
  readonly #triangles: Float64Array;
  readonly #ahead: Vector;
  readonly #right: Vector;
  readonly #above: Vector;
  readonly #chance = new PixelChance();
  // The path under way: its ray, the point that it hit, and the share of light from further on that still reaches the
  // eye.
  readonly #from = place();
  readonly #along = place();
  readonly #at = place();
  readonly #up = place();
  readonly #share = place();
  readonly #light = place();
  readonly #total = place();
  /** The distance to the last hit. */
  readonly #distance = new Float64Array(1);
  // Scratch space.
  readonly #mirrored = place();
  readonly #random = place();
  readonly #lampFrom = place();
  readonly #lampWay = place();
  readonly #lampLight = place();

  constructor(scene: Scene) {
    this.#scene = scene;
    const { camera, spheres, triangles } = scene;
    this.#spheres = Float64Array.from(spheres.flatMap(({ centre, radius }) => [...centre, radius * radius]));
    this.#triangles = Float64Array.from(
      triangles.flatMap(({ corners: [a, b, c] }) => [...a, ...minus(b, a), ...minus(c, a), ...normal(cross(minus(b, a), minus(c, a)))]),
    );
    this.#ahead = normal(minus(camera.target, camera.position));
    this.#right = normal(cross(this.#ahead, [0, 1, 0]));
    this.#above = cross(this.#right, this.#ahead);
  }

  /** Returns the light at the pixel in column `x` and row `y` from the top, averaged over its samples. */
  pixel(x: number, y: number): Vector {
    const { camera, width, height, samples, seed } = this.#scene;
    const ahead = this.#ahead;
    const right = this.#right;
    const above = this.#above;
    const along = this.#along;
    this.#total.fill(0);
    for (let sample = 0; sample < samples; sample++) {
      this.#chance.begin(seed, y * width + x, sample);
      const across = (((x + this.#chance.next()) / width - 0.5) * camera.viewHeight * width) / height;
      const down = ((y + this.#chance.next()) / height - 0.5) * camera.viewHeight;
      for (let i = 0 as Axis; i < 3; i++) along[i] = ahead[i] + (right[i] * across - above[i] * down);
      straighten(along);
      this.#from.set(camera.position);
      this.#path();
      for (let i = 0; i < 3; i++) this.#total[i] = at(this.#total, i) + at(this.#light, i);
    }
    return [at(this.#total, 0) * (1 / samples), at(this.#total, 1) * (1 / samples), at(this.#total, 2) * (1 / samples)];
  }

  /** Follows the ray, and writes the light that it collects. */
  #path(): void {
    const light = this.#light;
    const share = this.#share;
    light.fill(0);
    share.fill(1);
    for (let bounce = 0; bounce < this.#scene.bounces; bounce++) {
      const met = this.#nearest(this.#from, this.#along, Infinity);
      if (met < 0) {
        const { horizon, zenith } = this.#scene.sky;
        const height = 0.5 * (at(this.#along, 1) + 1);
        for (let i = 0 as Axis; i < 3; i++) light[i] = at(light, i) + at(share, i) * (horizon[i] * (1 - height) + zenith[i] * height);
        return;
      }
      const isInside = this.#lookAt(met);
      const material = this.#materialOf(met);
      if (material.kind === "lamp") {
        for (let i = 0 as Axis; i < 3; i++) light[i] = at(light, i) + at(share, i) * material.light[i];
        return;
      }
      for (let i = 0 as Axis; i < 3; i++) share[i] = at(share, i) * material.colour[i];
      if (material.kind === "matt" && this.#scene.lights.length > 0) this.#lamps();
      this.#leave(material, isInside);
    }
  }

  /** Adds the light of the scene's lights on a matt surface, unless an object stands between. */
  #lamps(): void {
    const way = this.#lampWay;
    const from = this.#lampFrom;
    const sum = this.#lampLight;
    sum.fill(0);
    for (const { position, light } of this.#scene.lights) {
      for (let i = 0 as Axis; i < 3; i++) way[i] = position[i] - at(this.#at, i);
      const square = dot(way, way);
      const distance = Math.sqrt(square);
      for (let i = 0; i < 3; i++) way[i] = at(way, i) * (1 / distance);
      const slant = dot(way, this.#up);
      if (!(slant > 0)) continue;
      reach(from, this.#at, this.#up, DEFAULTS.gap);
      if (this.#nearest(from, way, distance) >= 0) continue;
      for (let i = 0 as Axis; i < 3; i++) sum[i] = at(sum, i) + light[i] * (slant / square);
    }
    for (let i = 0; i < 3; i++) this.#light[i] = at(this.#light, i) + at(this.#share, i) * at(sum, i);
  }

  /** Sets the ray that goes on from a surface. */
  #leave(material: Exclude<Material, { kind: "lamp" }>, isInside: boolean): void {
    const from = this.#from;
    const along = this.#along;
    const up = this.#up;
    const mirrored = this.#mirrored;
    const random = this.#random;
    const facing = dot(along, up);
    reach(from, this.#at, up, DEFAULTS.gap);
    reach(mirrored, along, up, -2 * facing);
    switch (material.kind) {
      case "matt":
        this.#chance.direction(random);
        reach(along, up, random, 1);
        if (dot(along, along) < 1e-12) along.set(up);
        else straighten(along);
        return;
      case "metal":
        this.#chance.direction(random);
        reach(along, mirrored, random, 0.999 * material.blur);
        straighten(along);
        if (!(dot(along, up) > 0)) along.set(mirrored);
        return;
      case "glass": {
        const ratio = isInside ? material.index : 1 / material.index;
        const straight = Math.min(1, -facing);
        const across = 1 - ratio * ratio * (1 - straight * straight);
        const head = ((1 - ratio) / (1 + ratio)) * ((1 - ratio) / (1 + ratio));
        const rest = 1 - straight;
        const reflected = head + (1 - head) * rest * rest * rest * rest * rest; // Schlick, 1994
        if (across < 0 || this.#chance.next() < reflected) {
          along.set(mirrored);
          return;
        }
        const by = ratio * straight - Math.sqrt(across);
        for (let i = 0; i < 3; i++) along[i] = at(along, i) * ratio + at(up, i) * by;
        straighten(along);
        reach(from, this.#at, up, -DEFAULTS.gap);
      }
    }
  }

  #materialOf(met: number): Material {
    const { spheres, triangles, materials } = this.#scene;
    const thing = met < spheres.length ? spheres[met] : triangles[met - spheres.length];
    return materials[thing?.material ?? 0] as Material; // the schema checked the index
  }

  /**
   * Writes the point that was hit, and the normal there, turned against the ray. Returns whether the ray came from
   * inside.
   */
  #lookAt(met: number): boolean {
    const up = this.#up;
    reach(this.#at, this.#from, this.#along, at(this.#distance, 0));
    const sphere = this.#scene.spheres[met];
    if (sphere === undefined) {
      const first = (met - this.#scene.spheres.length) * TRIANGLE + 9;
      for (let i = 0; i < 3; i++) up[i] = at(this.#triangles, first + i);
    } else {
      const by = 1 / sphere.radius;
      for (let i = 0 as Axis; i < 3; i++) up[i] = (at(this.#at, i) - sphere.centre[i]) * by;
    }
    const isInside = dot(up, this.#along) > 0;
    if (isInside) for (let i = 0; i < 3; i++) up[i] = at(up, i) * -1;
    return isInside;
  }

  /**
   * Returns the first object that a ray hits nearer than `within`: spheres by their place, triangles after them; -1 if
   * there is none.
   */
  #nearest(from: Place, along: Place, within: number): number {
    const fromX = at(from, 0);
    const fromY = at(from, 1);
    const fromZ = at(from, 2);
    const alongX = at(along, 0);
    const alongY = at(along, 1);
    const alongZ = at(along, 2);
    let distance = within;
    let met = -1;
    const spheres = this.#spheres;
    for (let first = 0, n = 0; first < spheres.length; first += SPHERE, n++) {
      const wayX = at(spheres, first) - fromX;
      const wayY = at(spheres, first + 1) - fromY;
      const wayZ = at(spheres, first + 2) - fromZ;
      const middle = wayX * alongX + wayY * alongY + wayZ * alongZ;
      const root = middle * middle - (wayX * wayX + wayY * wayY + wayZ * wayZ) + at(spheres, first + 3);
      if (!(root > 0)) continue;
      const half = Math.sqrt(root);
      const near = middle - half > DEFAULTS.gap ? middle - half : middle + half;
      if (!(near > DEFAULTS.gap && near < distance)) continue;
      distance = near;
      met = n;
    }
    const triangles = this.#triangles;
    for (let first = 0, n = this.#scene.spheres.length; first < triangles.length; first += TRIANGLE, n++) {
      // Möller and Trumbore, 1997
      const abX = at(triangles, first + 3);
      const abY = at(triangles, first + 4);
      const abZ = at(triangles, first + 5);
      const acX = at(triangles, first + 6);
      const acY = at(triangles, first + 7);
      const acZ = at(triangles, first + 8);
      const pX = alongY * acZ - alongZ * acY;
      const pY = alongZ * acX - alongX * acZ;
      const pZ = alongX * acY - alongY * acX;
      const determinant = abX * pX + abY * pY + abZ * pZ;
      if (determinant === 0) continue;
      const wayX = fromX - at(triangles, first);
      const wayY = fromY - at(triangles, first + 1);
      const wayZ = fromZ - at(triangles, first + 2);
      const u = (wayX * pX + wayY * pY + wayZ * pZ) / determinant;
      if (!(u >= 0 && u <= 1)) continue;
      const qX = wayY * abZ - wayZ * abY;
      const qY = wayZ * abX - wayX * abZ;
      const qZ = wayX * abY - wayY * abX;
      const w = (alongX * qX + alongY * qY + alongZ * qZ) / determinant;
      if (!(w >= 0 && u + w <= 1)) continue;
      const near = (acX * qX + acY * qY + acZ * qZ) / determinant;
      if (!(near > DEFAULTS.gap && near < distance)) continue;
      distance = near;
      met = n;
    }
    this.#distance[0] = distance;
    return met;
  }
}
