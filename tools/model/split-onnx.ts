// Splits an ONNX file of any size as it streams by: keeps its structure, hashes large weights in tiles and drops them.
import { create, fromBinary } from "@bufbuild/protobuf";
import { detachWeights, INLINE_MAX_BYTES, type WeightTensor } from "../../src/model/cut/detach-weights.ts";
import { GraphProtoSchema, ModelProtoSchema, type TensorProto, TensorProtoSchema } from "../../src/model/graph/onnx_pb.ts";
import { asExternal, writeOnnx } from "../../src/model/graph/read-onnx.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";
import { ByteReader } from "./byte-reader.ts";
import { foreignKind, KIND_BYTES } from "./file-kind.ts";
import { TileHasher } from "./tile-hasher.ts";

/** Bytes of structure that are kept at most: a graph of a thousand layers needs far less. */
const STRUCTURE_MAX_BYTES = 256 * 1024 * 1024;

/** Field numbers of onnx.proto. */
const FIELD = Object.freeze({ graph: 7, initializer: 5, rawData: 9 });
const BYTES = 2; // the wire type of a length that is followed by as many bytes

export interface SplitOnnx {
  readonly skeleton: Uint8Array;
  /** Whether the skeleton differs from the file, and must be kept as a file of its own. */
  readonly isRewritten: boolean;
  readonly weights: readonly WeightTensor[];
  /** Tiles of the weights inside the file, by their offset in it. */
  readonly tiles: ReadonlyMap<number, readonly Uint8Array<ArrayBuffer>[]>;
  /** Bytes of the file. */
  readonly size: number;
}

/**
 * Reads `stream` once. The skeleton is the one that detachWeights makes of the same bytes. Throws MODEL_CORRUPT if the
 * file is cut short, BAD_INPUT if it is no ONNX file, MODEL_UNSUPPORTED as detachWeights does.
 */
export async function splitOnnx(stream: AsyncIterable<Uint8Array>, file: string): Promise<SplitOnnx> {
  const reader = new ByteReader(stream, file);
  const kind = foreignKind(await reader.peek(KIND_BYTES));
  if (kind !== undefined) throw new ManyhandsError("BAD_INPUT", `"${file}" ${kind}.`);
  const split = new Splitter(reader, file);
  await split.run();
  return split.finish();
}

class Splitter {
  readonly #reader: ByteReader;
  readonly #file: string;
  /** The original bytes of the file, as long as none were dropped. */
  #original: Uint8Array[] = [];
  readonly #model: Uint8Array[] = [];
  readonly #graph: Uint8Array[] = [];
  readonly #tensors: TensorProto[] = [];
  readonly #tiles = new Map<number, readonly Uint8Array<ArrayBuffer>[]>();
  #kept = 0;

  constructor(reader: ByteReader, file: string) {
    this.#reader = reader;
    this.#file = file;
  }

  async run(): Promise<void> {
    while (!(await this.#reader.isAtEnd())) {
      const header = await this.#reader.field();
      if (header.field === FIELD.graph && header.wire === BYTES) {
        this.#original.push(header.bytes);
        await this.#readGraph(this.#reader.offset + header.length);
      } else await this.#keep(this.#model, header.bytes, header.length);
    }
  }

  finish(): SplitOnnx {
    const isRewritten = this.#tiles.size > 0;
    const skeleton = isRewritten ? this.#rewrite() : Buffer.concat(this.#original);
    const { weights } = detachWeights(skeleton, this.#file);
    return { skeleton, isRewritten, weights, tiles: this.#tiles, size: this.#reader.offset };
  }

  async #readGraph(end: number): Promise<void> {
    while (this.#reader.offset < end) {
      const header = await this.#reader.field();
      if (header.field === FIELD.initializer && header.wire === BYTES) {
        this.#original.push(header.bytes);
        await this.#readTensor(this.#reader.offset + header.length);
      } else await this.#keep(this.#graph, header.bytes, header.length);
    }
    this.#checkEnd(end);
  }

  async #readTensor(end: number): Promise<void> {
    const fields: Uint8Array[] = [];
    let range: { offset: number; length: number } | undefined;
    while (this.#reader.offset < end) {
      const header = await this.#reader.field();
      if (header.field !== FIELD.rawData || header.wire !== BYTES || header.length <= INLINE_MAX_BYTES) {
        await this.#keep(fields, header.bytes, header.length);
        continue;
      }
      range = { offset: this.#reader.offset, length: header.length };
      const hasher = new TileHasher(header.length);
      for await (const part of this.#reader.pass(header.length)) await hasher.push(part);
      this.#tiles.set(range.offset, hasher.tiles);
      this.#original = []; // bytes are dropped, so the original is not complete from here on
    }
    this.#checkEnd(end);
    const tensor = this.#parse(TensorProtoSchema, fields);
    this.#tensors.push(range === undefined ? tensor : asExternal(tensor, { file: this.#file, ...range }));
  }

  async #keep(into: Uint8Array[], header: Uint8Array, length: number): Promise<void> {
    this.#kept += header.byteLength + length;
    if (this.#kept > STRUCTURE_MAX_BYTES)
      throw new ManyhandsError(
        "MODEL_UNSUPPORTED",
        `"${this.#file}" keeps its weights in another form than raw bytes; save the model with external data`,
      );
    const value = await this.#reader.read(length);
    into.push(header, value);
    if (this.#tiles.size === 0) this.#original.push(header, value);
  }

  #rewrite(): Uint8Array {
    const model = this.#parse(ModelProtoSchema, this.#model);
    const graph = this.#parse(GraphProtoSchema, this.#graph);
    return writeOnnx(create(ModelProtoSchema, { ...model, graph: create(GraphProtoSchema, { ...graph, initializer: this.#tensors }) }));
  }

  #parse<Schema extends Parameters<typeof fromBinary>[0]>(
    schema: Schema,
    fields: readonly Uint8Array[],
  ): ReturnType<typeof fromBinary<Schema>> {
    try {
      return fromBinary(schema, Buffer.concat(fields));
    } catch (cause) {
      throw new ManyhandsError("MODEL_CORRUPT", `"${this.#file}" is no ONNX file, or it is damaged: it does not parse`, { cause });
    }
  }

  #checkEnd(end: number): void {
    if (this.#reader.offset !== end) throw new ManyhandsError("MODEL_CORRUPT", `"${this.#file}" is no ONNX file, or it is damaged`);
  }
}
