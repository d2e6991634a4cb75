// Kind `hash`: SHA-256 of many items, or the root of a file's Merkle tree as RFC 9162 defines it, over leaves of 64
// KiB.
import { decode, encode } from "@ipld/dag-cbor";
import { sha256 } from "@noble/hashes/sha2.js";
import * as v from "valibot";
import { concatBytes } from "../../shared/bytes.ts";
import { cutByBytes } from "./number-bytes.ts";
import { badInput, type Bytes, readParams, type RunContext, type KindCode, type TaskPart } from "../task-kind.ts";

const DEFAULTS = Object.freeze({
  /** Bytes of a leaf. The root depends on it. */
  leafBytes: 64 * 1024,
  /** Leaves of a part, which are 512 KiB of file. A power of two, so that a part's root is a node of the whole tree. */
  leaves: 8,
  /** Items and bytes of items in one part. */
  items: 4096,
  partBytes: 512 * 1024,
});

export type HashData = { readonly items: readonly Uint8Array[] } | { readonly file: Uint8Array };
/** 32 bytes each: one for each item, or one root. */
export type Hashes = readonly Bytes[];

const HASH_BYTES = 32;
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const Params = v.strictObject({ of: v.picklist(["items", "file"]) });
const Items = v.pipe(v.array(v.instance(Uint8Array)), v.maxLength(DEFAULTS.items));

export const hash: KindCode<HashData, Hashes> = {
  split(data) {
    const given: readonly unknown[] = "items" in data ? data.items : [data.file];
    if (given.some((each) => !(each instanceof Uint8Array))) throw badInput("only bytes (Uint8Array) are hashed");
    if ("items" in data) {
      if (data.items.some((item) => item.byteLength > DEFAULTS.partBytes))
        throw badInput(`an item has at most ${DEFAULTS.partBytes} bytes`);
      const runs = cutByBytes(data.items, DEFAULTS.items, DEFAULTS.partBytes, (item) => item.byteLength + 5);
      return [...runs].map((run): TaskPart => ({ params: { of: "items" }, input: encode(run) as Bytes })); // cborg allocates plain buffers
    }
    const step = DEFAULTS.leafBytes * DEFAULTS.leaves;
    const parts: TaskPart[] = [];
    for (let at = 0; at < data.file.byteLength; at += step) parts.push({ params: { of: "file" }, input: data.file.slice(at, at + step) });
    return parts;
  },

  async run({ params, input }, context) {
    if (readParams(Params, params).of === "items") {
      return concatBytes(
        readItems(input).map((item) => {
          tick(context);
          return sha256(item);
        }),
      );
    }
    if (input.byteLength > DEFAULTS.leafBytes * DEFAULTS.leaves) throw badInput("more leaves than a part has");
    const leaves: Uint8Array[] = [];
    for (let at = 0; at < input.byteLength; at += DEFAULTS.leafBytes) {
      tick(context);
      leaves.push(
        sha256
          .create()
          .update(LEAF)
          .update(input.subarray(at, at + DEFAULTS.leafBytes))
          .digest(),
      );
    }
    return rootOf(leaves);
  },

  join(data, outputs) {
    if (outputs.some((output) => output.byteLength % HASH_BYTES !== 0)) throw badInput("hashes are 32 bytes each");
    if ("items" in data) {
      const hashes = outputs.flatMap((output) => {
        const own: Bytes[] = [];
        for (let at = 0; at < output.byteLength; at += HASH_BYTES) own.push(output.slice(at, at + HASH_BYTES));
        return own;
      });
      if (hashes.length !== data.items.length) throw badInput("one hash for each item");
      return hashes;
    }
    if (outputs.length !== Math.ceil(data.file.byteLength / (DEFAULTS.leafBytes * DEFAULTS.leaves))) throw badInput("a part is missing");
    if (outputs.some((output) => output.byteLength !== HASH_BYTES)) throw badInput("a part has one root");
    return [rootOf(outputs)];
  },

  weigh: ({ input }) => Math.max(1, Math.ceil(input.byteLength / (64 * 1024))),
};

function readItems(bytes: Bytes): readonly Uint8Array[] {
  let value: unknown;
  try {
    value = decode(bytes);
  } catch {
    throw badInput("not CBOR"); // what the decoder says does not help a person
  }
  return readParams(Items, value);
}

/**
 * Merkle tree hash of nodes of one height; the last node may be lower. The size of every left subtree is a power of
 * two.
 */
function rootOf(nodes: readonly Uint8Array[]): Bytes {
  const [first] = nodes;
  if (first === undefined) return sha256(new Uint8Array(0));
  if (nodes.length === 1) return first as Bytes; // as noble made it
  let left = 1;
  while (2 * left < nodes.length) left *= 2;
  return sha256
    .create()
    .update(NODE)
    .update(rootOf(nodes.slice(0, left)))
    .update(rootOf(nodes.slice(left)))
    .digest();
}

function tick({ signal, progress }: RunContext): void {
  signal.throwIfAborted();
  progress();
}
