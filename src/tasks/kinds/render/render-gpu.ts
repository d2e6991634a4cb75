// Kind `render_gpu`: the scenes of `render`, drawn by graphics cards. Cards round as they like, so results are never
// compared byte by byte, neither with each other nor with those of `render`. The requester traces a few pixels of each
// square itself.
import { encode } from "@ipld/dag-cbor";
import { PathTracer } from "./path-trace.ts";
import { Scene } from "./scene.ts";
import { badInput, type Bytes, readParams, type RunContext, type KindCode } from "../../task-kind.ts";
import { joinSquares, readScene, readSquare, toByte, weighSquare } from "./render.ts";
import { type Picture, type Square, SQUARE_SIDE, squaresOf } from "./squares.ts";

export const PROBE_LIMITS = Object.freeze({
  /** Pixels of a square that the requester traces itself, at random places, and the paths of all of them together. */
  probes: 16,
  probePaths: 4096,
  /**
   * Share of these pixels that may differ by more than `near`: a path that just misses an edge goes elsewhere with
   * other floats.
   */
  strays: 0.25,
  /** Steps of 255 by which each colour of a pixel may differ from the requester's. */
  near: 12,
});

/** Port: traces squares on a graphics card. */
export interface SquareTracer {
  /**
   * Resolves with the sums of light over all samples, row-major `[height, width, 4]`. Throws INPUT_UNAVAILABLE, or the
   * signal's reason.
   */
  trace(scene: Scene, square: Square, context: RunContext): Promise<Float32Array>;
}

/** Squares are drawn by `tracer`; a requester needs none. */
export const renderGpuBy = (tracer: SquareTracer | undefined): KindCode<Scene, Picture> => ({
  split(data) {
    const scene = readParams(Scene, data);
    const input = encode(scene) as Bytes; // cborg allocates plain buffers
    return squaresOf(scene, SQUARE_SIDE.card).map((params) => ({ params, input }));
  },

  async run({ params, input }, context) {
    if (tracer === undefined) throw badInput("there is no graphics card here");
    const scene = readScene(input);
    const square = readSquare(params, scene, SQUARE_SIDE.card);
    const sums = await tracer.trace(scene, square, context);
    const pixels = square.width * square.height;
    return Uint8Array.from({ length: 3 * pixels }, (_, at) => toByte((sums[4 * Math.floor(at / 3) + (at % 3)] ?? 0) / scene.samples));
  },

  join: (data, outputs) => joinSquares(readParams(Scene, data), outputs, SQUARE_SIDE.card),

  weigh({ params, input }) {
    const scene = readScene(input);
    return weighSquare(scene, readSquare(params, scene, SQUARE_SIDE.card));
  },

  accepts({ params, input }, output, random) {
    const scene = readScene(input);
    const square = readSquare(params, scene, SQUARE_SIDE.card);
    if (output.byteLength !== 3 * square.width * square.height) return false;
    const probes = Math.max(2, Math.min(PROBE_LIMITS.probes, Math.floor(PROBE_LIMITS.probePaths / scene.samples)));
    const exact = new PathTracer(scene);
    let strays = 0;
    for (let n = 0; n < probes; n++) {
      const [x, y] = [Math.floor(random() * square.width), Math.floor(random() * square.height)];
      if (distance(exact.pixel(square.x + x, square.y + y), output, 3 * (y * square.width + x)) > PROBE_LIMITS.near) strays++;
    }
    return strays <= PROBE_LIMITS.strays * probes;
  },
});

/** Returns the largest difference of a colour, in steps of 255. */
export const distance = (light: readonly number[], output: Uint8Array, at: number): number =>
  Math.max(...light.map((one, channel) => Math.abs(toByte(one) - (output[at + channel] ?? 0))));
