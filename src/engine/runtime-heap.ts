// Tensors that stay in the runtime's memory from one run to the next: onnxruntime-web copies every output out of it and every
// input into it, which for caches is more traffic with each position.

/** Address in the runtime's memory, or a handle of its C interface; 0 is none. */
type Pointer = number;

/** What is used of the Emscripten module inside onnxruntime-web's WebAssembly builds. */
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
  /** Session, names and values of inputs and how many, names of outputs, how many, their values, options. */
  _OrtRun(...call: RunCall): number | Promise<number>;
}

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

/** The C interface's numbers for element types, and for data that lies in its own memory. */
const ELEMENT = Object.freeze({ float32: { number: 1, bytes: 4 }, float16: { number: 10, bytes: 2 } });
const ON_CPU = 1;

export type HeapElement = keyof typeof ELEMENT;

/** A tensor in the runtime's memory. */
export class HeapTensor {
  readonly type: HeapElement;
  /** Handle for the runtime; 0 once disposed. */
  #handle: Pointer;
  /** Memory of our own under it; 0 where it is the runtime's. */
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

  /** Dimensions and raw bytes: a view that the runtime's next allocation may end. Throws where it was disposed. */
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

/** What a run leaves in the runtime's memory. */
interface Keeping {
  readonly inputs: ReadonlyMap<string, HeapTensor>;
  /** Element types by the names of outputs that stay. */
  readonly outputs: ReadonlyMap<string, HeapElement>;
  readonly kept: Map<string, HeapTensor>;
}

/** One runtime's memory. Runs through it are one at a time, as in the runtime itself (see RuntimeLock). */
export class RuntimeHeap {
  readonly #module: RuntimeModule;
  #keeping: Keeping | undefined;

  /** From now on runs of `module` may keep tensors. */
  constructor(module: RuntimeModule) {
    this.#module = module;
    const run = module._OrtRun.bind(module);
    module._OrtRun = (...call) => this.#run(run, call);
  }

  /** Bytes of the runtime's memory, in use or not: it never shrinks. */
  get bytes(): number {
    return this.#module.HEAPU8.byteLength;
  }

  /**
   * Does `run`, which runs a session once. Its inputs named in `inputs` are read from here, whatever it feeds for them; the
   * outputs named in `outputs` stay here, where it hands over preallocated tensors for them. Rejects as `run`, with nothing kept.
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

  /** A tensor of these dimensions with `bytes` in it. Throws RangeError where there is no memory for it. */
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
      this.#module.setValue(outputs + offset, 0, "*"); // the runtime makes one of the size that it needs
    });
    try {
      return await run(...call);
    } finally {
      for (const { at, given, name, type } of swapped) {
        const handle = Number(this.#module.getValue(at, "*"));
        if (handle !== 0) keeping.kept.set(name, new HeapTensor(this.#module, type, handle));
        this.#module.setValue(at, given, "*"); // found as it was given, it is not copied out
      }
    }
  }

  #each(names: Pointer, count: number, visit: (name: string, offset: number) => void): void {
    const { PTR_SIZE } = this.#module;
    for (let index = 0; index < count; index++) {
      const offset = index * PTR_SIZE;
      visit(this.#module.UTF8ToString(Number(this.#module.getValue(names + offset, "*"))), offset);
    }
  }
}
