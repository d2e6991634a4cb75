// Weights that are freed as the runtime copies them, so that a span is never in memory twice while its session is
// built.

/**
 * A file of external data that may be read once. ONNX Runtime reads it by `subarray` and copies it at once into its own
 * memory, tensor by tensor. Reading the next file frees the one before.
 */
export class DrainingBytes extends Uint8Array<ArrayBuffer> {
  #queue: DrainingQueue | undefined;

  /** Takes over `data`, whose buffer is freed when the next file is read. */
  static over(data: Uint8Array<ArrayBuffer>, queue: DrainingQueue): DrainingBytes {
    const bytes = new DrainingBytes(data.buffer, data.byteOffset, data.byteLength);
    bytes.#queue = queue;
    return bytes;
  }

  // `subarray` returns a plain view.
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Uint8Array;
  }

  override subarray(start?: number, end?: number): Uint8Array<ArrayBuffer> {
    const view = new Uint8Array(this.buffer).subarray(this.byteOffset + (start ?? 0), this.byteOffset + (end ?? this.byteLength));
    this.#queue?.read(this.buffer);
    return view;
  }
}

/**
 * Frees a buffer's memory. A resizable buffer shrinks to nothing at once, even if something else still refers to it,
 * such as the message that brought it to this thread. Any other buffer is detached and left to the garbage collector.
 */
export function freeBuffer(buffer: ArrayBuffer): void {
  if (buffer.resizable) buffer.resize(0);
  else if (buffer.byteLength > 0) structuredClone(buffer, { transfer: [buffer] });
}

/** Files of one session, in the order in which they are read. */
export class DrainingQueue {
  #last: ArrayBuffer | undefined;

  /** Notes that `buffer` is read now, which means that the one before has been copied. */
  read(buffer: ArrayBuffer): void {
    if (this.#last === buffer) return;
    this.drain();
    this.#last = buffer;
  }

  /** Frees the buffer that was read last. */
  drain(): void {
    if (this.#last) freeBuffer(this.#last);
    this.#last = undefined;
  }
}
