// The squares of a picture: where they lie, and how a computed square is drawn into it. A small file, since a page that
// shows pictures needs it.
import { ManyhandsError } from "../../../shared/errors.ts";

/** Pixels of a side of a square. */
export const SQUARE_SIDE = Object.freeze({
  /** The picture fills in by many small steps, and the scene is sent with each. */
  usual: 32,
  /**
   * For graphics cards: sending a scene to a card, and reading the picture back, costs more than drawing a small
   * square.
   */
  card: 128,
});

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Row-major from the top left; alpha 255. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}

export interface Square {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Returns where the squares of a scene lie, of sides up to `most`, in the order of the parts: for a picture that fills
 * in as outputs arrive.
 */
export function squaresOf(
  { width, height }: { readonly width: number; readonly height: number },
  most: number = SQUARE_SIDE.usual,
): readonly Square[] {
  const squares: Square[] = [];
  for (let y = 0; y < height; y += most)
    for (let x = 0; x < width; x += most) squares.push({ x, y, width: Math.min(most, width - x), height: Math.min(most, height - y) });
  return squares;
}

/** Writes one part's output into the picture. Throws BAD_INPUT if the output has another size. */
export function drawSquare({ width, rgba }: Picture, square: Square, output: Uint8Array): void {
  if (output.byteLength !== 3 * square.width * square.height) throw new ManyhandsError("BAD_INPUT", "a square of another size");
  let from = 0;
  for (let y = square.y; y < square.y + square.height; y++) {
    for (let x = square.x; x < square.x + square.width; x++) {
      const to = 4 * (y * width + x);
      for (let channel = 0; channel < 3; channel++) rgba[to + channel] = output[from++] as number; // it is of that size
    }
  }
}
