// Small WebAssembly modules, byte by byte, in the form that kind `map` takes.

const leb = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)]);
const section = (id: number, body: readonly number[]): number[] => [id, ...leb(body.length), ...body];
const text = (name: string): number[] => [name.length, ...new TextEncoder().encode(name)];
const body = (code: readonly number[]): number[] => [...leb(code.length + 2), 0, ...code, 0x0b];

/** Returns `(pointer << 32) | length` of the input itself. */
export const IDENTITY = [0x20, 0, 0xad, 0x42, 32, 0x86, 0x20, 1, 0xad, 0x84];
/** `loop … br 0 end unreachable` around `inner`. */
export const forever = (inner: readonly number[] = []): number[] => [0x03, 0x40, ...inner, 0x0c, 0, 0x0b, 0x00];
/** Grows memory by 16 pages. */
export const GROW = [0x41, 16, 0x40, 0, 0x1a];
/** Calls `run` again, for ever. */
export const RECURSE = [0x20, 0, 0x20, 1, 0x10, 1];
/** Returns an output of 2 GiB. */
export const LONG = [0x42, ...[0x80, 0x80, 0x80, 0x80, 0x08]];

export interface ModuleParts {
  readonly run?: readonly number[];
  /** Limits of the memory as bytes: flags, minimum, maximum. */
  readonly memory?: readonly number[];
  readonly before?: readonly number[];
}

/** Exports `memory`, `alloc` (always 1024) and `run`. */
export function wasmModule({ run = IDENTITY, memory = [1, 1, 4], before = [] }: ModuleParts = {}): Uint8Array<ArrayBuffer> {
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 2, 0x7f, 0x7f, 1, 0x7e]),
    ...before,
    ...section(3, [2, 0, 1]),
    ...(memory.length === 0 ? [] : section(5, [1, ...memory])),
    ...section(7, [...(memory.length === 0 ? [2] : [3, ...text("memory"), 2, 0]), ...text("alloc"), 0, 0, ...text("run"), 0, 1]),
    ...section(10, [2, ...body([0x41, ...[0x80, 0x08]]), ...body(run)]),
  ]);
}
