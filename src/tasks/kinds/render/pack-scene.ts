// A scene as the buffers that the compute shader reads (`path-trace-wgsl.ts`). Pure.
import type { Material, Scene } from "./scene.ts";
import { cross, minus, normal } from "./vector.ts";

const KINDS: readonly Material["kind"][] = ["matt", "metal", "glass", "lamp"];

export interface PackedScene {
  /** 32-bit floats, four in a row. Each has at least one row, because a binding must not be empty. */
  readonly spheres: Float32Array<ArrayBuffer>;
  readonly triangles: Float32Array<ArrayBuffer>;
  readonly materials: Float32Array<ArrayBuffer>;
  readonly lights: Float32Array<ArrayBuffer>;
}

export function packScene({ spheres, triangles, materials, lights }: Scene): PackedScene {
  return {
    spheres: rows(spheres.map(({ centre, radius, material }) => [...centre, radius, material, 0, 0, 0])),
    triangles: rows(triangles.map(({ corners: [a, b, c], material }) => [...a, material, ...b, 0, ...c, 0])),
    materials: rows(materials.map((material) => [KINDS.indexOf(material.kind), numberOf(material), 0, 0, ...colourOf(material), 0])),
    lights: rows(lights.map(({ position, light }) => [...position, 0, ...light, 0])),
  };
}

const rows = (items: readonly (readonly number[])[]): Float32Array<ArrayBuffer> =>
  Float32Array.from(items.length === 0 ? [0, 0, 0, 0] : items.flat());

function numberOf(material: Material): number {
  if (material.kind === "metal") return material.blur;
  return material.kind === "glass" ? material.index : 0;
}

const colourOf = (material: Material): readonly [number, number, number] => (material.kind === "lamp" ? material.light : material.colour);

/** Bytes of the uniform `Frame`. */
export const FRAME_BYTES = 128;

/** What one dispatch draws. */
export interface DrawStep {
  /** Column, row, width and height in the picture. */
  readonly square: readonly [number, number, number, number];
  readonly firstSample: number;
  readonly samples: number;
}

/** The uniform: camera, sky, and which samples of which pixels. */
export function packFrame(scene: Scene, { square, firstSample, samples }: DrawStep): ArrayBuffer {
  const { camera, sky, width, height } = scene;
  const ahead = normal(minus(camera.target, camera.position));
  const right = normal(cross(ahead, [0, 1, 0]));
  const buffer = new ArrayBuffer(FRAME_BYTES);
  const [floats, wholes] = [new Float32Array(buffer), new Uint32Array(buffer)];
  [camera.position, ahead, right, cross(right, ahead), sky.horizon, sky.zenith].forEach((vector, at) => floats.set(vector, 4 * at));
  [width, height, scene.seed, scene.bounces].forEach((whole, at) => (wholes[4 * at + 3] = whole));
  floats[19] = camera.viewHeight;
  wholes[23] = firstSample;
  wholes.set(square, 24);
  wholes.set([samples, scene.spheres.length, scene.triangles.length, scene.lights.length], 28);
  return buffer;
}
