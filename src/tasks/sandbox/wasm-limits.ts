// Reads the limits of memory and tables from a WebAssembly module before it is compiled. WebAssembly Core 2.0, chapter
// 5.5.
import { badInput } from "../task-kind.ts";

const DEFAULTS = Object.freeze({
  /** Bytes of a page. */
  pageBytes: 65_536,
  /** Elements to which all tables together may grow: 8 bytes each. */
  tableElements: 1_000_000,
});

const MAGIC = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const SECTION = Object.freeze({ import: 2, table: 4, memory: 5 });

/**
 * Returns the bytes to which the module's one memory may grow. Throws BAD_INPUT if it is no module, imports anything,
 * or has no maximum.
 */
export function wasmMemoryBytes(module: Uint8Array): number {
  if (MAGIC.some((byte, at) => module[at] !== byte)) throw badInput("not a WebAssembly module");
  const reader = new Reader(module, MAGIC.length);
  let pages: number | undefined;
  let elements = 0;
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const end = reader.number() + reader.offset;
    if (end > module.byteLength) throw badInput("the module is cut short");
    if (id === SECTION.import && reader.number() > 0) throw badInput("a module has no imports here");
    if (id === SECTION.memory) {
      if (reader.number() !== 1) throw badInput("a module has one memory");
      pages = reader.most();
    }
    if (id === SECTION.table) {
      for (let left = reader.number(); left > 0; left--) {
        reader.byte(); // the type of reference
        elements += reader.most();
        if (elements > DEFAULTS.tableElements) throw badInput("the module's tables are too large");
      }
    }
    reader.offset = end;
  }
  if (pages === undefined) throw badInput("a module has one memory of its own");
  return pages * DEFAULTS.pageBytes;
}

class Reader {
  offset: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.offset = offset;
  }

  get isAtEnd(): boolean {
    return this.offset >= this.#bytes.byteLength;
  }

  byte(): number {
    const byte = this.#bytes[this.offset++];
    if (byte === undefined) throw badInput("the module is cut short");
    return byte;
  }

  /** Reads an unsigned LEB128 of 32 bits. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw badInput("the module has a number that is too long");
  }

  /**
   * Reads limits, and returns their maximum. Flag 0x00 means none, 0x01 means one; any other flag means shared or 64
   * bits.
   */
  most(): number {
    const flags = this.byte();
    if (flags !== 1) throw badInput("memories and tables have a maximum, and are neither shared nor of 64 bits");
    this.number();
    return this.number();
  }
}
