// Writes a Llama of any size as a GGUF file with seeded random weights, for llama.cpp: llama-graph.ts makes its twin in
// ONNX.
import { type FileHandle, open } from "node:fs/promises";
import type { LlamaShape } from "./llama-graph.ts";

/**
 * How matrices are stored: `q4` is Q4_0 and `q8` is Q8_0, blocks of 32 values with a scale in half precision. The
 * embedding and the norms stay floats.
 */
export type GgufWeights = "fp32" | "q8" | "q4";

/** Numbers of the format's types. Source: docs/gguf.md of ggml, version 3. */
const VALUE = Object.freeze({ uint32: 4, int32: 5, float32: 6, boolean: 7, string: 8, array: 9 });
/** Scales, in half precision, give the values the deviation of weights: 0.0078 for 4 bits, 0.00027 for 8. */
const PACKED = Object.freeze({
  q4: { type: 2, blockBytes: 18, scale: 0x2000 },
  q8: { type: 8, blockBytes: 34, scale: 0x0c6c },
});
const F32 = 0;
const TOKEN = Object.freeze({ normal: 1, unknown: 2, control: 3, byte: 6 });
const ALIGNMENT = 32;
const BLOCK_VALUES = 32;
/** Bytes written at once: a multiple of every block and float. */
const CHUNK_BYTES = 18 * 34 * ALIGNMENT * 2 ** 7;
/** Half the width of the uniform distribution whose standard deviation is 0.02. */
const SPREAD = 0.02 * Math.sqrt(3);

interface GgufTensor {
  readonly name: string;
  /** Innermost first. */
  readonly dims: readonly number[];
  readonly kind: "matrix" | "norm" | keyof typeof PACKED;
}

/** Writes `file`, in place of one that is there. */
export async function writeGguf(file: string, shape: LlamaShape, weights: GgufWeights, seed = 1): Promise<void> {
  const tensors = llamaTensors(shape, weights);
  const head = new GgufHead();
  head.start(tensors, metadata(shape));
  let offset = 0;
  for (const tensor of tensors) {
    head.tensor(tensor, offset);
    offset += Math.ceil(tensorBytes(tensor) / ALIGNMENT) * ALIGNMENT;
  }
  const handle = await open(file, "w");
  try {
    await handle.write(head.bytes());
    for (const [index, tensor] of tensors.entries()) await writeTensor(handle, tensor, seed + index);
  } finally {
    await handle.close();
  }
}

function llamaTensors(shape: LlamaShape, weights: GgufWeights): readonly GgufTensor[] {
  const { width, feedForward } = shape;
  const [queries, keys] = [shape.heads * shape.headSize, shape.kvHeads * shape.headSize];
  const kind = weights === "fp32" ? "matrix" : weights;
  const norm = (name: string): GgufTensor => ({ name, dims: [width], kind: "norm" });
  const matrix = (name: string, from: number, to: number): GgufTensor => ({ name, dims: [from, to], kind });
  const layers = Array.from({ length: shape.layers }, (_, layer) => [
    norm(`blk.${layer}.attn_norm.weight`),
    matrix(`blk.${layer}.attn_q.weight`, width, queries),
    matrix(`blk.${layer}.attn_k.weight`, width, keys),
    matrix(`blk.${layer}.attn_v.weight`, width, keys),
    matrix(`blk.${layer}.attn_output.weight`, queries, width),
    norm(`blk.${layer}.ffn_norm.weight`),
    matrix(`blk.${layer}.ffn_gate.weight`, width, feedForward),
    matrix(`blk.${layer}.ffn_up.weight`, width, feedForward),
    matrix(`blk.${layer}.ffn_down.weight`, feedForward, width),
  ]);
  return [
    { name: "token_embd.weight", dims: [width, shape.vocabulary], kind: "matrix" },
    ...layers.flat(),
    norm("output_norm.weight"),
    matrix("output.weight", width, shape.vocabulary),
  ];
}

function tensorBytes({ dims, kind }: GgufTensor): number {
  const values = dims.reduce((product, dim) => product * dim, 1);
  return kind === "q4" || kind === "q8" ? (values / BLOCK_VALUES) * PACKED[kind].blockBytes : 4 * values;
}

type Value =
  | { readonly kind: "uint32" | "float32"; readonly value: number }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "floats" | "integers"; readonly value: readonly number[] };

/** Returns the metadata that llama.cpp wants of a Llama, with a tokenizer that spells every text in bytes. */
function metadata(shape: LlamaShape): ReadonlyMap<string, Value> {
  const uint32 = (value: number): Value => ({ kind: "uint32", value });
  const tokens = ["<unk>", "<s>", "</s>"];
  const types: number[] = [TOKEN.unknown, TOKEN.control, TOKEN.control];
  for (let byte = 0; byte < 256; byte++) {
    tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    types.push(TOKEN.byte);
  }
  for (let id = tokens.length; id < shape.vocabulary; id++) {
    tokens.push(`[${id}]`);
    types.push(TOKEN.normal);
  }
  return new Map<string, Value>([
    ["general.architecture", { kind: "string", value: "llama" }],
    ["general.name", { kind: "string", value: `wide-${shape.layers}x${shape.width}` }],
    ["general.alignment", uint32(ALIGNMENT)],
    ["llama.block_count", uint32(shape.layers)],
    ["llama.context_length", uint32(shape.context)],
    ["llama.embedding_length", uint32(shape.width)],
    ["llama.feed_forward_length", uint32(shape.feedForward)],
    ["llama.attention.head_count", uint32(shape.heads)],
    ["llama.attention.head_count_kv", uint32(shape.kvHeads)],
    ["llama.attention.key_length", uint32(shape.headSize)],
    ["llama.attention.value_length", uint32(shape.headSize)],
    ["llama.attention.layer_norm_rms_epsilon", { kind: "float32", value: 1e-5 }],
    ["llama.rope.dimension_count", uint32(shape.headSize)],
    ["llama.rope.freq_base", { kind: "float32", value: 10_000 }],
    ["llama.vocab_size", uint32(shape.vocabulary)],
    ["tokenizer.ggml.model", { kind: "string", value: "llama" }],
    ["tokenizer.ggml.tokens", { kind: "strings", value: tokens }],
    ["tokenizer.ggml.scores", { kind: "floats", value: tokens.map((_, id) => -id) }],
    ["tokenizer.ggml.token_type", { kind: "integers", value: types }],
    ["tokenizer.ggml.unknown_token_id", uint32(0)],
    ["tokenizer.ggml.bos_token_id", uint32(1)],
    ["tokenizer.ggml.eos_token_id", uint32(2)],
    ["tokenizer.ggml.add_bos_token", { kind: "boolean", value: true }],
  ]);
}

/** The part of a file before its weights. */
class GgufHead {
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  start(tensors: readonly GgufTensor[], entries: ReadonlyMap<string, Value>): void {
    this.#push(new TextEncoder().encode("GGUF"));
    this.#number("setUint32", 4, 3);
    this.#uint64(tensors.length);
    this.#uint64(entries.size);
    for (const [key, value] of entries) {
      this.#string(key);
      this.#value(value);
    }
  }

  tensor({ name, dims, kind }: GgufTensor, offset: number): void {
    this.#string(name);
    this.#number("setUint32", 4, dims.length);
    for (const dim of dims) this.#uint64(dim);
    this.#number("setUint32", 4, kind === "q4" || kind === "q8" ? PACKED[kind].type : F32);
    this.#uint64(offset);
  }

  /** Returns the bytes, padded to where the weights begin. */
  bytes(): Uint8Array {
    this.#push(new Uint8Array((ALIGNMENT - (this.#size % ALIGNMENT)) % ALIGNMENT));
    return Buffer.concat(this.#parts);
  }

  #value({ kind, value }: Value): void {
    const array = (type: number, values: readonly unknown[]): void => {
      this.#number("setUint32", 4, VALUE.array);
      this.#number("setUint32", 4, type);
      this.#uint64(values.length);
    };
    switch (kind) {
      case "string":
        this.#number("setUint32", 4, VALUE.string);
        this.#string(value);
        return;
      case "boolean":
        this.#number("setUint32", 4, VALUE.boolean);
        this.#number("setUint8", 1, Number(value));
        return;
      case "strings":
        array(VALUE.string, value);
        for (const text of value) this.#string(text);
        return;
      case "floats":
        array(VALUE.float32, value);
        for (const number of value) this.#number("setFloat32", 4, number);
        return;
      case "integers":
        array(VALUE.int32, value);
        for (const number of value) this.#number("setInt32", 4, number);
        return;
      case "uint32":
      case "float32":
        this.#number("setUint32", 4, VALUE[kind]);
        this.#number(kind === "uint32" ? "setUint32" : "setFloat32", 4, value);
    }
  }

  #string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.#uint64(bytes.length);
    this.#push(bytes);
  }

  #uint64(value: number): void {
    this.#number("setUint32", 4, value % 2 ** 32);
    this.#number("setUint32", 4, Math.floor(value / 2 ** 32));
  }

  #number(set: "setUint8" | "setUint32" | "setInt32" | "setFloat32", size: number, value: number): void {
    const bytes = new Uint8Array(size);
    new DataView(bytes.buffer)[set](0, value, true);
    this.#push(bytes);
  }

  #push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#size += bytes.length;
  }
}

async function writeTensor(handle: FileHandle, tensor: GgufTensor, seed: number): Promise<void> {
  const size = tensorBytes(tensor);
  let word = (Math.imul(seed, 0x9e3779b9) ^ 0x85ebca6b) | 1;
  // xorshift32 by Marsaglia, 2003. Better numbers are not needed: the values do not change the speed.
  const next = (): number => {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    return word >>> 0;
  };
  for (let start = 0; start < size; start += CHUNK_BYTES) {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, size - start));
    if (tensor.kind === "q4" || tensor.kind === "q8") {
      const { blockBytes, scale } = PACKED[tensor.kind];
      for (let at = 0; at < chunk.length; at++) chunk[at] = next() >>> 24;
      const view = new DataView(chunk.buffer);
      for (let at = 0; at < chunk.length; at += blockBytes) view.setUint16(at, scale, true);
    } else {
      const floats = new Float32Array(chunk.buffer);
      for (let at = 0; at < floats.length; at++) floats[at] = tensor.kind === "norm" ? 1 : (2 * (next() / 2 ** 32) - 1) * SPREAD;
    }
    await handle.write(chunk);
  }
  await handle.write(new Uint8Array((ALIGNMENT - (size % ALIGNMENT)) % ALIGNMENT));
}
