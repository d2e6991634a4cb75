// What a worker signs for when it claims layers: what went in, what came out, and the class that it computed in, as one hash. So
// nobody can be convicted by peers that were given another input, or whose bits differ by nature.
import { sha256 } from "@noble/hashes/sha2.js";
import type { ResultParts } from "../protocol/receipt-frames.ts";
import { concatBytes } from "../shared/bytes.ts";

/** 32 bytes. */
export const layerResult = ({ input, output, determinismClass }: ResultParts): Uint8Array<ArrayBuffer> =>
  new Uint8Array(sha256(concatBytes([input, output, new TextEncoder().encode(determinismClass)])));
