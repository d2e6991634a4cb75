// Proofs that a peer holds a tile now: a hash over a fresh nonce and over a range of the tile that nobody could
// foresee.
import type { CreditReply } from "../protocol/credit-frames.ts";
import { concatBytes } from "../shared/bytes.ts";

/** The relay asks for bytes `[start, end)` of the tile with this SHA-256. */
export type Challenge = Extract<CreditReply, { readonly kind: "challenge" }>;

/** Returns the SHA-256 over the nonce and over `range`, which is just the bytes that the relay asks for. */
export async function proveRange(nonce: Uint8Array, range: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concatBytes([nonce, range])));
}

/** Returns the proof for a challenge, or undefined if the tile is not here or ends before the range. */
export async function proveTile(
  { tile, start, end, nonce }: Pick<Challenge, "tile" | "start" | "end" | "nonce">,
  shelf: { get(hash: Uint8Array): Promise<Uint8Array | undefined> },
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = await shelf.get(tile);
  if (bytes === undefined || end > bytes.byteLength || start >= end) return undefined;
  return proveRange(nonce, bytes.subarray(start, end));
}
