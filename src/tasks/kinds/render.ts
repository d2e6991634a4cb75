// Kind `render`: a scene path-traced square by square; the picture is the same pixels whoever draws which square.
import { decode, encode } from "@ipld/dag-cbor";
import * as v from "valibot";
import { tracePixel } from "../path-trace.ts";
import { Scene } from "../render-scene.ts";
import { SCENE_LIMITS } from "../scene-limits.ts";
import { DEFAULTS as SQUARES, drawSquare, type Picture, squaresOf } from "../squares.ts";
import { badInput, type Bytes, readParams, type TaskKind } from "../task-kind.ts";

export const DEFAULTS = Object.freeze({
  /** Segments of a path on average, by which a square is weighed before it is drawn. */
  segments: 2,
});

const pixel = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(SCENE_LIMITS.side));
const Square = v.strictObject({
  x: pixel,
  y: pixel,
  width: v.pipe(pixel, v.minValue(1), v.maxValue(SQUARES.side)),
  height: v.pipe(pixel, v.minValue(1), v.maxValue(SQUARES.side)),
});

export const render: TaskKind<unknown, Picture> = {
  name: "render",
  version: 1,

  split(data) {
    const scene = readParams(Scene, data);
    const input = encode(scene) as Bytes; // cborg allocates plain buffers
    return squaresOf(scene).map((params) => ({ params, input }));
  },

  async run({ params, input }, { signal, progress }) {
    const scene = readScene(input);
    const square = readParams(Square, params);
    if (square.x + square.width > scene.width || square.y + square.height > scene.height) throw badInput("a square outside the picture");
    const out = new Uint8Array(3 * square.width * square.height);
    let at = 0;
    for (let y = square.y; y < square.y + square.height; y++) {
      for (let x = square.x; x < square.x + square.width; x++) {
        signal.throwIfAborted();
        progress();
        for (const light of tracePixel(scene, x, y)) out[at++] = toByte(light);
      }
    }
    return out;
  },

  join(data, outputs) {
    const scene = readParams(Scene, data);
    const { width, height } = scene;
    const squares = squaresOf(scene);
    if (squares.length !== outputs.length) throw badInput("a square is missing");
    const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
    squares.forEach((square, at) => drawSquare({ width, height, rgba }, square, outputs[at] as Bytes)); // as many as squares
    return { width, height, rgba };
  },

  weigh({ params, input }) {
    const { samples, spheres, triangles } = readScene(input);
    const { width, height } = readParams(Square, params);
    const segments = width * height * samples * DEFAULTS.segments;
    return Math.max(1, Math.ceil((segments * (spheres.length + triangles.length)) / 10_000));
  },
};

function readScene(bytes: Bytes): Scene {
  let value: unknown;
  try {
    value = decode(bytes);
  } catch {
    throw badInput("not CBOR"); // the decoder's words help nobody
  }
  return readParams(Scene, value);
}

/** Gamma 2: a square root, which every machine rounds alike. */
const toByte = (light: number): number => Math.min(255, Math.floor(256 * Math.sqrt(Math.max(0, light))));
