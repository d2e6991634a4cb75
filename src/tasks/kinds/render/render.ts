// Kind `render`: a scene, path-traced square by square; the pixels are the same whichever peer draws which square.
import { decode, encode } from "@ipld/dag-cbor";
import * as v from "valibot";
import { PathTracer } from "./path-trace.ts";
import { Scene } from "./scene.ts";
import { SCENE_LIMITS } from "./scene-limits.ts";
import { drawSquare, type Picture, type Square, SQUARE_SIDE, squaresOf } from "./squares.ts";
import { badInput, type Bytes, readParams, type KindCode } from "../../task-kind.ts";

const DEFAULTS = Object.freeze({
  /** Segments of a path on average: a square is weighed before it is drawn. */
  segments: 2,
});

const pixel = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(SCENE_LIMITS.side));
const side = v.pipe(pixel, v.minValue(1));
const Part = v.strictObject({ x: pixel, y: pixel, width: side, height: side });

export const render: KindCode<Scene, Picture> = {
  split(data) {
    const scene = readParams(Scene, data);
    const input = encode(scene) as Bytes; // cborg allocates plain buffers
    return squaresOf(scene).map((params) => ({ params, input }));
  },

  async run({ params, input }, { signal, progress }) {
    const scene = readScene(input);
    const square = readSquare(params, scene);
    const tracer = new PathTracer(scene);
    const out = new Uint8Array(3 * square.width * square.height);
    let at = 0;
    for (let y = square.y; y < square.y + square.height; y++) {
      for (let x = square.x; x < square.x + square.width; x++) {
        signal.throwIfAborted();
        progress();
        for (const light of tracer.pixel(x, y)) out[at++] = toByte(light);
      }
    }
    return out;
  },

  join: (data, outputs) => joinSquares(readParams(Scene, data), outputs),

  weigh({ params, input }) {
    const scene = readScene(input);
    return weighSquare(scene, readSquare(params, scene));
  },
};

/** Units of the kind's price. */
export function weighSquare({ samples, spheres, triangles }: Scene, { width, height }: Square): number {
  const segments = width * height * samples * DEFAULTS.segments;
  return Math.max(1, Math.ceil((segments * (spheres.length + triangles.length)) / 10_000));
}

/** Joins squares of sides up to `most` to the picture. Throws BAD_INPUT. */
export function joinSquares({ width, height }: Scene, outputs: readonly Bytes[], most?: number): Picture {
  const squares = squaresOf({ width, height }, most);
  if (squares.length !== outputs.length) throw badInput("a square is missing");
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  squares.forEach((square, at) => drawSquare({ width, height, rgba }, square, outputs[at] as Bytes)); // as many as squares
  return { width, height, rgba };
}

/** Reads a square inside the picture, of sides up to `most`. Throws BAD_INPUT. */
export function readSquare(params: unknown, { width, height }: Scene, most: number = SQUARE_SIDE.usual): Square {
  const square = readParams(Part, params);
  if (square.width > most || square.height > most) throw badInput("a square that is too large");
  if (square.x + square.width > width || square.y + square.height > height) throw badInput("a square outside the picture");
  return square;
}

/** A requester's parts share one input, and each part is weighed: a scene is read once, not a thousand times. */
const SCENES = new WeakMap<Bytes, Scene>();

/** Throws BAD_INPUT. */
export function readScene(bytes: Bytes): Scene {
  const known = SCENES.get(bytes);
  if (known !== undefined) return known;
  let value: unknown;
  try {
    value = decode(bytes);
  } catch {
    throw badInput("not CBOR"); // what the decoder says does not help a person
  }
  const scene = readParams(Scene, value);
  SCENES.set(bytes, scene);
  return scene;
}

/** Gamma 2: a square root, which every machine rounds in the same way. */
export const toByte = (light: number): number => Math.min(255, Math.floor(256 * Math.sqrt(Math.max(0, light))));
