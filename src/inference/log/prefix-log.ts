// The running hash of accepted tokens, by which a step names its past and a span knows that its cache holds exactly
// that.
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesEqual } from "../../shared/bytes.ts";
import { HASH_BYTES } from "../../protocol/session-frames.ts";

/**
 * Returns the running hash after each of `tokens`, `HASH_BYTES` each: h(n+1) = SHA-256(h(n) ‖ token as u32
 * little-endian), truncated. `prefix` is the hash before the first of them.
 */
export function chainTokens(prefix: Uint8Array, tokens: readonly number[]): Uint8Array<ArrayBuffer> {
  const chain = new Uint8Array(tokens.length * HASH_BYTES);
  const input = new Uint8Array(HASH_BYTES + 4);
  const view = new DataView(input.buffer);
  input.set(prefix);
  tokens.forEach((token, index) => {
    view.setUint32(HASH_BYTES, token, true);
    const hash = sha256(input).subarray(0, HASH_BYTES);
    chain.set(hash, index * HASH_BYTES);
    input.set(hash);
  });
  return chain;
}

/** The hashes of one session: the root, and one after every accepted position. */
export class PrefixLog {
  #hashes: Uint8Array<ArrayBuffer>;
  #positions = 0;

  constructor(root: Uint8Array) {
    this.#hashes = new Uint8Array(HASH_BYTES * 64);
    this.#hashes.set(root);
  }

  /** Accepted positions. */
  get positions(): number {
    return this.#positions;
  }

  /** The hash after all accepted positions. */
  get head(): Uint8Array {
    return this.#at(this.#positions);
  }

  /** Whether `prefix` is the hash after `position` accepted tokens. */
  matches(position: number, prefix: Uint8Array): boolean {
    return position >= 0 && position <= this.#positions && bytesEqual(this.#at(position), prefix);
  }

  /** How many hashes of `chain`, which begins after `position`, are the accepted ones. */
  shared(position: number, chain: Uint8Array): number {
    const most = Math.min(chain.byteLength / HASH_BYTES, this.#positions - position);
    let count = 0;
    while (count < most && bytesEqual(this.#at(position + count + 1), chain.subarray(count * HASH_BYTES, (count + 1) * HASH_BYTES)))
      count++;
    return Math.max(0, count);
  }

  append(chain: Uint8Array): void {
    const needed = (this.#positions + 1) * HASH_BYTES + chain.byteLength;
    if (needed > this.#hashes.byteLength) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#hashes.byteLength));
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes.set(chain, (this.#positions + 1) * HASH_BYTES);
    this.#positions += chain.byteLength / HASH_BYTES;
  }

  /** Forgets the positions after `position`. */
  truncate(position: number): void {
    this.#positions = Math.min(this.#positions, position);
  }

  #at(position: number): Uint8Array {
    return this.#hashes.subarray(position * HASH_BYTES, (position + 1) * HASH_BYTES);
  }
}
