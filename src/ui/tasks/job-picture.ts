// The picture of a job, which fills in square by square and can be saved as PNG.
import { LitElement, css, html, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { Picture } from "../../node/face.ts";
import { drawSquare, SQUARE_SIDE, squaresOf } from "../../tasks/kinds/render/squares.ts";
import { base } from "../parts/shared-styles.ts";

export class JobPicture extends LitElement {
  static override styles = [
    base,
    css`
      :host {
        display: block;
        max-width: 640px;
      }
      canvas {
        display: block;
        width: 100%;
        height: auto;
        border-radius: var(--radius-small);
        border: 1px solid var(--edge);
        background: repeating-conic-gradient(color-mix(in srgb, var(--field-edge) 16%, transparent) 0 25%, transparent 0 50%) 0 0 / 20px
          20px;
        image-rendering: auto;
      }
    `,
  ];
  static override properties = {
    width: { type: Number },
    height: { type: Number },
    label: {},
    card: { type: Boolean },
    drawn: { state: true },
  };

  /** Pixels. */
  declare width: number;
  declare height: number;
  declare label: string;
  /** Whether graphics cards draw the picture: their squares are larger. */
  declare card: boolean;
  /** How many squares are there. */
  declare drawn: number;
  #picture: Picture | undefined;
  #squares: ReturnType<typeof squaresOf> = [];
  readonly #there = new Set<number>();
  /** Squares that came before the element knew its size. */
  readonly #waiting: [at: number, output: Uint8Array<ArrayBuffer>][] = [];

  constructor() {
    super();
    this.label = "";
    this.card = false;
    this.drawn = 0;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("width") || changed.has("height") || changed.has("card"))
      this.#squares = squaresOf(this, this.card ? SQUARE_SIDE.card : SQUARE_SIDE.usual);
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!changed.has("width") && !changed.has("height")) return;
    this.#picture = { width: this.width, height: this.height, rgba: new Uint8ClampedArray(4 * this.width * this.height).fill(255) };
    for (const [at, output] of this.#waiting.splice(0)) this.draw(at, output);
  }

  get #context(): CanvasRenderingContext2D | null {
    return this.renderRoot.querySelector("canvas")?.getContext("2d") ?? null;
  }

  /** Draws the square of part `at` from the part's output. */
  draw(at: number, output: Uint8Array<ArrayBuffer>): void {
    if (this.#picture === undefined) {
      this.#waiting.push([at, output]);
      return;
    }
    const square = this.#squares[at];
    if (square === undefined) return; // it belongs to another picture
    drawSquare(this.#picture, square, output);
    this.#context?.putImageData(
      new ImageData(this.#picture.rgba, this.width, this.height),
      0,
      0,
      square.x,
      square.y,
      square.width,
      square.height,
    );
    this.#there.add(at); // a set, since a square comes again if the first was a liar's
    this.drawn = this.#there.size;
  }

  /** Resolves with the picture as a PNG file in its full size; with undefined if the browser makes none. */
  async toPng(): Promise<Blob | undefined> {
    const canvas = this.renderRoot.querySelector("canvas");
    return new Promise((resolve) =>
      canvas === null ? resolve(undefined) : canvas.toBlob((blob) => resolve(blob ?? undefined), "image/png"),
    );
  }

  protected override render(): TemplateResult | typeof nothing {
    if (!(this.width > 0 && this.height > 0)) return nothing;
    const all = this.#squares.length;
    const description = this.drawn >= all ? this.label : `${this.label}, ${this.drawn} of ${all} squares so far`;
    return html`<canvas
      role="img"
      aria-label=${description}
      data-testid="job-picture"
      data-drawn=${this.drawn}
      data-squares=${all}
      width=${this.width}
      height=${this.height}
    ></canvas>`;
  }
}
