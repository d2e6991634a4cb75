// Reads an ONNX file's structure from disk, without the bytes of its weights, however large they are.
import { type FileHandle, open } from "node:fs/promises";
import path from "node:path";
import { create, fromBinary } from "@bufbuild/protobuf";
import { INLINE_MAX_BYTES } from "../../src/model/cut/detach-weights.ts";
import { GraphProtoSchema, ModelProtoSchema, type TensorProto, TensorProtoSchema } from "../../src/model/graph/onnx_pb.ts";
import { asExternal, writeOnnx } from "../../src/model/graph/read-onnx.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";
import { foreignKind, KIND_BYTES } from "./file-kind.ts";

/** Field numbers of onnx.proto. */
const FIELD = Object.freeze({ graph: 7, initializer: 5, rawData: 9 });
const WIRE_BYTES = 2; // the wire type of a length that is followed by as many bytes
/** Bytes read at once: more than most graph nodes and small tensors have, and few compared with weights. */
const WINDOW_BYTES = 16 * 1024;
/** Bytes of a tag and a length, which have ten bytes each at most. */
const HEADER_BYTES = 20;

export interface Skeleton {
  /** The graph. Weights inside the file are references into it. */
  readonly bytes: Uint8Array;
  /** Size of the file, and how many of its bytes were read. */
  readonly fileBytes: number;
  readonly readBytes: number;
}

/** Throws BAD_INPUT if the file is of another kind, MODEL_CORRUPT if it is damaged or cut short. */
export async function readSkeleton(file: string): Promise<Skeleton> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const walk = new Walk(handle, size, path.basename(file));
    const kind = foreignKind(await walk.bytes(0, Math.min(KIND_BYTES, size)));
    if (kind !== undefined) throw new ManyhandsError("BAD_INPUT", `"${path.basename(file)}" ${kind}.`);
    return { bytes: await walk.model(), fileBytes: size, readBytes: walk.readBytes };
  } finally {
    await handle.close();
  }
}

interface Field {
  readonly number: number;
  readonly wire: number;
  /** Offsets at which the field starts, its value starts, and both end. */
  readonly start: number;
  readonly value: number;
  readonly end: number;
}

class Walk {
  readonly #handle: FileHandle;
  readonly #size: number;
  readonly #file: string;
  #window: Uint8Array = new Uint8Array(0);
  #windowAt = 0;
  readBytes = 0;

  constructor(handle: FileHandle, size: number, file: string) {
    this.#handle = handle;
    this.#size = size;
    this.#file = file;
  }

  async model(): Promise<Uint8Array> {
    const rest: Uint8Array[] = [];
    const graphs: Uint8Array[] = [];
    const initializer: TensorProto[] = [];
    for await (const field of this.#fields(0, this.#size)) {
      if (field.number !== FIELD.graph || field.wire !== WIRE_BYTES) {
        rest.push(await this.bytes(field.start, field.end));
        continue;
      }
      for await (const inner of this.#fields(field.value, field.end)) {
        if (inner.number === FIELD.initializer && inner.wire === WIRE_BYTES) initializer.push(await this.#tensor(inner));
        else graphs.push(await this.bytes(inner.start, inner.end));
      }
    }
    const model = this.#parse(ModelProtoSchema, rest);
    if (graphs.length === 0) return writeOnnx(model);
    const graph = create(GraphProtoSchema, { ...this.#parse(GraphProtoSchema, graphs), initializer });
    return writeOnnx(create(ModelProtoSchema, { ...model, graph }));
  }

  async #tensor({ value, end }: Field): Promise<TensorProto> {
    const fields: Uint8Array[] = [];
    let raw: Field | undefined;
    for await (const field of this.#fields(value, end)) {
      const isLarge = field.number === FIELD.rawData && field.wire === WIRE_BYTES && field.end - field.value > INLINE_MAX_BYTES;
      if (isLarge) raw = field;
      else fields.push(await this.bytes(field.start, field.end));
    }
    const tensor = this.#parse(TensorProtoSchema, fields);
    return raw === undefined ? tensor : asExternal(tensor, { file: this.#file, offset: raw.value, length: raw.end - raw.value });
  }

  async *#fields(start: number, end: number): AsyncGenerator<Field> {
    for (let at = start; at < end;) {
      const header = await this.bytes(at, Math.min(at + HEADER_BYTES, this.#size));
      const tag = this.#varint(header, 0);
      const wire = tag.value % 8;
      const length = wire === 0 || wire === WIRE_BYTES ? this.#varint(header, tag.end) : undefined;
      const value = at + (wire === WIRE_BYTES ? (length?.end ?? 0) : tag.end);
      const size =
        wire === WIRE_BYTES ? length?.value : wire === 0 ? (length?.end ?? 0) - tag.end : wire === 1 ? 8 : wire === 5 ? 4 : undefined;
      if (size === undefined || value + size > end) throw this.#broken();
      yield { number: Math.floor(tag.value / 8), wire, start: at, value, end: value + size };
      at = value + size;
    }
  }

  #varint(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
    let value = 0;
    for (let index = at; index < bytes.length && index < at + 10; index++) {
      const byte = bytes[index] ?? 0;
      value += (byte & 0x7f) * 2 ** (7 * (index - at));
      if (byte < 0x80) return { value, end: index + 1 };
    }
    throw this.#broken();
  }

  /** Resolves with a copy of the bytes `[start, end)`, through a window over the file. */
  async bytes(start: number, end: number): Promise<Uint8Array> {
    if (start < this.#windowAt || end > this.#windowAt + this.#window.byteLength) {
      const window = new Uint8Array(Math.max(end - start, Math.min(WINDOW_BYTES, this.#size - start)));
      const { bytesRead } = await this.#handle.read(window, 0, window.byteLength, start);
      this.#window = window.subarray(0, bytesRead);
      this.#windowAt = start;
      this.readBytes += bytesRead;
      if (bytesRead < end - start) throw this.#broken();
    }
    return this.#window.slice(start - this.#windowAt, end - this.#windowAt);
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

  #broken(): ManyhandsError {
    return new ManyhandsError("MODEL_CORRUPT", `"${this.#file}" is no ONNX file, or it is damaged or cut short`);
  }
}
