// Reads protobuf fields from a stream of chunks, so that a message can be larger than memory.
import { ManyhandsError } from "../../src/shared/errors.ts";

/** One field: its number, its wire type, and for wire type 2 the length of what follows. */
export interface FieldHeader {
  readonly field: number;
  readonly wire: number;
  /** Bytes of the value. */
  readonly length: number;
  /** The bytes in the stream of the tag and, for wire type 2, of the length; for wire type 0, of the value too. */
  readonly bytes: Uint8Array;
}

const FIXED_BYTES: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
const VARINT_MAX_BYTES = 10;

/** All methods throw MODEL_CORRUPT if the stream ends too early or is no protobuf. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #what: string;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** Bytes read so far. */
  offset = 0;

  /** `what` names the file in errors. */
  constructor(stream: AsyncIterable<Uint8Array>, what: string) {
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#what = what;
  }

  /** Resolves with the next bytes, at most `length`, without consuming them. */
  async peek(length: number): Promise<Uint8Array> {
    while (this.#chunk.byteLength - this.#at < length) {
      const next = await this.#chunks.next();
      if (next.done === true) break;
      this.#chunk = Buffer.concat([this.#chunk.subarray(this.#at), next.value]);
      this.#at = 0;
    }
    return this.#chunk.subarray(this.#at, this.#at + length);
  }

  async isAtEnd(): Promise<boolean> {
    return (await this.peek(1)).byteLength === 0;
  }

  /** Yields the next `length` bytes as they come. */
  async *pass(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0;) {
      const part = (await this.peek(1)).byteLength === 0 ? undefined : this.#chunk.subarray(this.#at, this.#at + left);
      if (part === undefined) throw this.#broken();
      this.#at += part.byteLength;
      this.offset += part.byteLength;
      left -= part.byteLength;
      yield part;
    }
  }

  /** Resolves with a copy of the next `length` bytes. */
  async read(length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of this.pass(length)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** Reads the header of the next field. */
  async field(): Promise<FieldHeader> {
    const bytes: number[] = [];
    const tag = await this.#varint(bytes);
    const [field, wire] = [Number(tag >> 3n), Number(tag & 7n)];
    if (field === 0) throw this.#broken();
    if (wire === 0) await this.#varint(bytes);
    const length = wire === 2 ? Number(await this.#varint(bytes)) : (FIXED_BYTES[wire] ?? 0);
    if (wire > 5 || wire === 3 || wire === 4 || !Number.isSafeInteger(length)) throw this.#broken();
    return { field, wire, length, bytes: Uint8Array.from(bytes) };
  }

  async #varint(into: number[]): Promise<bigint> {
    let value = 0n;
    for (let index = 0; index < VARINT_MAX_BYTES; index++) {
      const [byte] = await this.read(1);
      if (byte === undefined) break;
      into.push(byte);
      value |= BigInt(byte & 0x7f) << BigInt(7 * index);
      if (byte < 0x80) return value;
    }
    throw this.#broken();
  }

  #broken(): ManyhandsError {
    return new ManyhandsError("MODEL_CORRUPT", `"${this.#what}" is no ONNX file, or it is cut short: it does not parse`);
  }
}
