// Ed25519 by a peer's id: the id of such a key holds the key itself, so whoever knows a peer can check what it signed.
import { ed25519 } from "@noble/curves/ed25519.js";
import { base58btc } from "multiformats/bases/base58";
import { concatBytes } from "../shared/bytes.ts";
import { ManyhandsError } from "../shared/errors.ts";
import { asPeerId, type PeerId } from "../shared/ids.ts";

/** Identity multihash of libp2p's protobuf of an Ed25519 public key, up to the 32 bytes of the key (libp2p spec, peer ids). */
const PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
const KEY_BYTES = 32;

/** Whether `signature` is `peer`'s over `message`. Pure. */
export type CheckSignature = (peer: PeerId, message: Uint8Array, signature: Uint8Array) => boolean;

/** The 32 bytes of a peer's key. Throws FRAME_MALFORMED where the id is not that of an Ed25519 key. */
export function publicKeyOf(peer: PeerId): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = base58btc.baseDecode(peer);
  } catch (cause) {
    throw new ManyhandsError("FRAME_MALFORMED", "a peer id is not base58", { cause });
  }
  if (bytes.byteLength !== PREFIX.byteLength + KEY_BYTES || PREFIX.some((byte, index) => bytes[index] !== byte))
    throw new ManyhandsError("FRAME_MALFORMED", "a peer id does not hold an Ed25519 key");
  return bytes.subarray(PREFIX.byteLength);
}

/** One who signs: the peer and its key. */
export interface Signer {
  readonly peer: PeerId;
  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array<ArrayBuffer>;
}

/** `seed`: the 32 bytes that the peer's key is made from. */
export function signerOf(seed: Uint8Array): Signer {
  return {
    peer: asPeerId(base58btc.baseEncode(concatBytes([PREFIX, ed25519.getPublicKey(seed)]))),
    sign: (message) => new Uint8Array(ed25519.sign(message, seed)),
  };
}

/** In plain JavaScript, as RFC 8032 has it; about a millisecond. A relay uses its platform's own. */
export const checkSignature: CheckSignature = (peer, message, signature) => {
  try {
    return ed25519.verify(signature, message, publicKeyOf(peer), { zip215: false });
  } catch {
    return false; // a point or a number that is none
  }
};
