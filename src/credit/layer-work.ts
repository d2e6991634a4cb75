// Work on layers, as claims speak of it: which work a claim is for, and what its result is a hash of.
import { sha256 } from "@noble/hashes/sha2.js";
import type { LayerWork, Work } from "../protocol/receipt.ts";
import type { ResultParts } from "../protocol/receipt-frames.ts";
import { concatBytes } from "../shared/bytes.ts";
import { sameSpan } from "../shared/ids.ts";

/** Whether a claim for `work` is a claim for the layer work `known`. */
export const isSameLayerWork = (work: Work, known: Omit<LayerWork, "kind">): boolean =>
  work.kind === "layers" &&
  work.model === known.model &&
  work.session === known.session &&
  sameSpan(work.span, known.span) &&
  sameSpan(work.positions, known.positions) &&
  work.upstream === known.upstream &&
  work.downstream === known.downstream;

/**
 * Returns the result that a worker signs for layers: one SHA-256 over what went in, what came out, and the determinism
 * class. A peer that was given another input, or whose bits differ by nature, can therefore convict nobody.
 */
export const layerResult = ({ input, output, determinismClass }: ResultParts): Uint8Array<ArrayBuffer> =>
  new Uint8Array(sha256(concatBytes([input, output, new TextEncoder().encode(determinismClass)])));
