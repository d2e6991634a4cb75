// Proof that a tile's bytes are held now: the hash of a fresh nonce and a range that nobody could know before. Pure.
import type { CreditReply } from "../protocol/credit-frames.ts";
import { concatBytes } from "../shared/bytes.ts";

/** What the relay asks for: bytes `[start, end)` of the tile with this SHA-256. */
export type Challenge = Extract<CreditReply, { readonly kind: "challenge" }>;

/** SHA-256 of nonce and `range`, the challenged bytes alone. */
export async function proveRange(nonce: Uint8Array, range: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concatBytes([nonce, range])));
}

/** The proof for a challenge; undefined where the tile is not here, or ends before the range. */
export async function answerChallenge(
  { tile, start, end, nonce }: Pick<Challenge, "tile" | "start" | "end" | "nonce">,
  shelf: { get(hash: Uint8Array): Promise<Uint8Array | undefined> },
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = await shelf.get(tile);
  if (bytes === undefined || end > bytes.byteLength || start >= end) return undefined;
  return proveRange(nonce, bytes.subarray(start, end));
}
