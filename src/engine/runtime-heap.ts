// Keeps cache tensors in the runtime's memory from one run to the next. onnxruntime-web copies every output of a run
// out of that memory and every input into it; caches grow with each position, and so would the copying.
//
// There is no public way to do this, so this file uses the private face of the package, as of version 1.30: the
// Emscripten module inside its WebAssembly build, with the C functions that the package's JavaScript itself calls.
// `wasm-runtime.browser.ts` gets hold of the module, and `test/unit/engine/runtime-heap.test.ts` fails if a new version
// changes any of it. A run works like this:
//
// 1. `span-runner.ts` calls `keep` around the package's `session.run`, with placeholders for the caches: empty tensors
//    as inputs, and empty preallocated tensors as outputs.
// 2. The package copies its inputs in and calls `_OrtRun` of the module, which the constructor has wrapped.
// 3. Before the real call, the wrapper replaces the handles of the placeholder inputs by those of the kept tensors, and
//    the handles of the placeholder outputs by 0, which makes the runtime allocate them.
// 4. After it, the wrapper keeps the handles of the new tensors and puts the placeholders back. The package sees its
//    own preallocated outputs, and copies nothing.

/** An address in the runtime's memory, or a handle of its C interface; 0 is none. */
type Pointer = number;

/** The part of the Emscripten module inside onnxruntime-web's WebAssembly builds that is used here. */
export interface RuntimeModule {
  readonly PTR_SIZE: 4 | 8;
  readonly HEAPU8: Uint8Array;
  getValue(at: Pointer, type: "*" | "i32" | "i64"): number | bigint;
  setValue(at: Pointer, value: number, type: "*" | "i32" | "i64"): void;
  UTF8ToString(at: Pointer): string;
  stackSave(): Pointer;
  stackAlloc(bytes: number): Pointer;
  stackRestore(at: Pointer): void;
  _malloc(bytes: number): Pointer;
  _free(at: Pointer): void;
  _OrtFree(at: Pointer): number;
  _OrtCreateTensor(type: number, data: Pointer, bytes: number, dims: Pointer, rank: number, location: number): Pointer;
  _OrtGetTensorData(tensor: Pointer, type: Pointer, data: Pointer, dims: Pointer, rank: Pointer): number;
  _OrtReleaseTensor(tensor: Pointer): number;
  _OrtRun(...call: RunCall): number | Promise<number>;
}

/** Arguments of `_OrtRun`. Names and tensors are arrays of pointers in the runtime's memory. */
type RunCall = [
  session: Pointer,
  inputNames: Pointer,
  inputs: Pointer,
  inputCount: number,
  outputNames: Pointer,
  outputCount: number,
  outputs: Pointer,
  options: Pointer,
];

/** The C interface's numbers for element types, and its code for tensors whose data is in the CPU's memory. */
const ELEMENT = Object.freeze({ float32: { number: 1, bytes: 4 }, float16: { number: 10, bytes: 2 } });
const ON_CPU = 1;

export type HeapElement = keyof typeof ELEMENT;

/** A tensor in the runtime's memory. */
export class HeapTensor {
  readonly type: HeapElement;
  /** The runtime's handle; 0 once disposed. */
  #handle: Pointer;
  /** The memory that this file allocated for it; 0 if the runtime allocated it. */
  readonly #memory: Pointer;
  readonly #module: RuntimeModule;

  constructor(module: RuntimeModule, type: HeapElement, handle: Pointer, memory: Pointer = 0) {
    this.#module = module;
    this.type = type;
    this.#handle = handle;
    this.#memory = memory;
  }

  get handle(): Pointer {
    return this.#handle;
  }

  /**
   * Returns dimensions and raw bytes: a view, which the runtime's next allocation may end. Throws if it was disposed.
   */
  read(): { readonly dims: readonly number[]; readonly bytes: Uint8Array } {
    const module = this.#module;
    const { PTR_SIZE } = module;
    const stack = module.stackSave();
    try {
      const at = module.stackAlloc(4 * PTR_SIZE);
      const field = (index: number): Pointer => at + index * PTR_SIZE;
      if (this.#handle === 0 || module._OrtGetTensorData(this.#handle, field(0), field(1), field(2), field(3)) !== 0)
        throw new Error("the runtime does not know the tensor");
      const whole = PTR_SIZE === 4 ? "i32" : "i64";
      const dimsAt = Number(module.getValue(field(2), "*"));
      const rank = Number(module.getValue(field(3), whole));
      const dims = Array.from({ length: rank }, (_, index) => Number(module.getValue(dimsAt + index * PTR_SIZE, whole)));
      module._OrtFree(dimsAt);
      const data = Number(module.getValue(field(1), "*"));
      const size = dims.reduce((product, dim) => product * dim, ELEMENT[this.type].bytes);
      return { dims, bytes: module.HEAPU8.subarray(data, data + size) };
    } finally {
      module.stackRestore(stack);
    }
  }

  /** Frees it. Idempotent. */
  dispose(): void {
    if (this.#handle === 0) return;
    this.#module._OrtReleaseTensor(this.#handle);
    if (this.#memory !== 0) this.#module._free(this.#memory);
    this.#handle = 0;
  }
}

/** Which tensors one run reads from the runtime's memory, and which it leaves there. */
interface Keeping {
  /** By the name of the input. */
  readonly inputs: ReadonlyMap<string, HeapTensor>;
  /** Element types, by the name of the output. */
  readonly outputs: ReadonlyMap<string, HeapElement>;
  /** The tensors that the run left, by the name of the output. */
  readonly kept: Map<string, HeapTensor>;
}

/** One runtime's memory. Only one run at a time may use it, as with the runtime itself (see RuntimeLock). */
export class RuntimeHeap {
  readonly #module: RuntimeModule;
  #keeping: Keeping | undefined;

  /** Wraps `module` so that its runs may keep tensors. */
  constructor(module: RuntimeModule) {
    this.#module = module;
    const run = module._OrtRun.bind(module);
    module._OrtRun = (...call) => this.#run(run, call);
  }

  /** Bytes of the runtime's memory, whether in use or not. It never shrinks. */
  get bytes(): number {
    return this.#module.HEAPU8.byteLength;
  }

  /**
   * Calls `run`, which has to run a session once. The session reads its `inputs` from here, whatever `run` feeds for
   * them. Its `outputs` stay here if `run` passes preallocated tensors for them. Rejects as `run` does, and then keeps
   * nothing.
   */
  async keep<T>(
    inputs: Keeping["inputs"],
    outputs: Keeping["outputs"],
    run: () => Promise<T>,
  ): Promise<{ readonly value: T; readonly kept: Map<string, HeapTensor> }> {
    const keeping: Keeping = { inputs, outputs, kept: new Map() };
    this.#keeping = keeping;
    try {
      const value = await run();
      return { value, kept: keeping.kept };
    } catch (error) {
      for (const tensor of keeping.kept.values()) tensor.dispose();
      throw error;
    } finally {
      this.#keeping = undefined;
    }
  }

  /** Makes a tensor of these dimensions that holds `bytes`. Throws RangeError if there is no memory for it. */
  create(type: HeapElement, bytes: Uint8Array, dims: readonly number[]): HeapTensor {
    const module = this.#module;
    const memory = module._malloc(bytes.byteLength);
    if (memory === 0) throw new RangeError(`the runtime has no memory for ${bytes.byteLength} bytes`);
    module.HEAPU8.set(bytes, memory);
    const stack = module.stackSave();
    try {
      const dimsAt = module.stackAlloc(dims.length * module.PTR_SIZE);
      dims.forEach((dim, index) => module.setValue(dimsAt + index * module.PTR_SIZE, dim, module.PTR_SIZE === 4 ? "i32" : "i64"));
      const handle = module._OrtCreateTensor(ELEMENT[type].number, memory, bytes.byteLength, dimsAt, dims.length, ON_CPU);
      return new HeapTensor(module, type, handle, memory);
    } finally {
      module.stackRestore(stack);
    }
  }

  async #run(run: (...call: RunCall) => number | Promise<number>, call: RunCall): Promise<number> {
    const keeping = this.#keeping;
    if (keeping === undefined) return run(...call);
    const [, inputNames, inputs, inputCount, outputNames, outputCount, outputs] = call;
    this.#each(inputNames, inputCount, (name, offset) => {
      const tensor = keeping.inputs.get(name);
      if (tensor !== undefined) this.#module.setValue(inputs + offset, tensor.handle, "*");
    });
    const swapped: { readonly at: Pointer; readonly given: number; readonly name: string; readonly type: HeapElement }[] = [];
    this.#each(outputNames, outputCount, (name, offset) => {
      const type = keeping.outputs.get(name);
      if (type === undefined) return;
      swapped.push({ at: outputs + offset, given: Number(this.#module.getValue(outputs + offset, "*")), name, type });
      this.#module.setValue(outputs + offset, 0, "*"); // none: the runtime allocates one of the size that it needs
    });
    try {
      return await run(...call);
    } finally {
      for (const { at, given, name, type } of swapped) {
        const handle = Number(this.#module.getValue(at, "*"));
        if (handle !== 0) keeping.kept.set(name, new HeapTensor(this.#module, type, handle));
        this.#module.setValue(at, given, "*"); // the package sees the tensor that it passed, and copies nothing
      }
    }
  }

  /** Calls `visit` with each name of an array of names, and the offset of the pointer that belongs to it. */
  #each(names: Pointer, count: number, visit: (name: string, offset: number) => void): void {
    const { PTR_SIZE } = this.#module;
    for (let index = 0; index < count; index++) {
      const offset = index * PTR_SIZE;
      visit(this.#module.UTF8ToString(Number(this.#module.getValue(names + offset, "*"))), offset);
    }
  }
}
