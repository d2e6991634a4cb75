// Decides in how many parts a span is loaded and run. In parts, the runtime's heap holds little more than the weights.
import { cutSpan, type SpanCut } from "./cut-span.ts";
import type { CuttableModel } from "./cuttable-model.ts";
import { type ModelId, type Span, spanLength } from "../../shared/ids.ts";
import type { Manifest } from "../tiles/manifest.ts";

const DEFAULTS = Object.freeze({
  /** The most parts: the gaps in the heap are half of one part's weights (measured: npm run bench -- load). */
  parts: 4,
  /** The least bytes of weights in a part: each part takes 0.1 to 0.2 ms of a step, which slows a short span down. */
  partBytes: 40 * 1024 ** 2,
  /**
   * Share of the span's weights that parts may hold again because several read them, such
   * as tables of rotary embeddings.
   */
  repeatedShare: 0.05,
});

export interface SplitOptions {
  readonly model: ModelId;
  readonly manifest: Pick<Manifest, "contextLength">;
  readonly span: Span;
}

/** Cuts of about as many layers each; a single cut if parts would hold much again. Pure. Throws as cutSpan. */
export function splitSpan(model: CuttableModel, { model: id, manifest, span }: SplitOptions): readonly SpanCut[] {
  const cut = (start: number, end: number): SpanCut => cutSpan(model, { start, end }, { model: id, contextLength: manifest.contextLength });
  const whole = cut(span.start, span.end);
  const bytes = weightBytes(whole);
  const layers = spanLength(span);
  const count = Math.max(1, Math.min(DEFAULTS.parts, layers, Math.floor(bytes / DEFAULTS.partBytes)));
  const edge = (index: number): number => span.start + Math.round((layers * index) / count);
  const parts = Array.from({ length: count }, (_, index) => cut(edge(index), edge(index + 1)));
  // A table that is embedding and head at once is in the heap twice in any case: as it is, and packed.
  return repeatedBytes(parts) > DEFAULTS.repeatedShare * bytes ? [whole] : parts;
}

const weightBytes = ({ weights }: SpanCut): number => weights.reduce((sum, { source }) => sum + source.length, 0);

/** Bytes of third and further copies of a tensor. */
function repeatedBytes(parts: readonly SpanCut[]): number {
  const copies = new Map<string, number>();
  let repeated = 0;
  for (const { tensor, source } of parts.flatMap(({ weights }) => weights)) {
    const before = copies.get(tensor) ?? 0;
    if (before >= 2) repeated += source.length;
    copies.set(tensor, before + 1);
  }
  return repeated;
}
