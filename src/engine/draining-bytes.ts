// Weights that are freed as the runtime takes them: one copy in WebAssembly's memory, never two of the whole span.

/**
 * A file of external data that may be read once. ONNX Runtime reads it by `subarray` and copies at once into its own
 * memory, tensor by tensor; the next file's read frees the one before. Without this a span is in memory twice while its
 * session is built.
 */
export class DrainingBytes extends Uint8Array<ArrayBuffer> {
  #queue: DrainingQueue | undefined;

  /** Takes over `data`: its buffer is gone once the next file is read. */
  static over(data: Uint8Array<ArrayBuffer>, queue: DrainingQueue): DrainingBytes {
    const bytes = new DrainingBytes(data.buffer, data.byteOffset, data.byteLength);
    bytes.#queue = queue;
    return bytes;
  }

  // What `subarray` gives is a plain view.
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
 * Gives a buffer's memory back. At once where it may shrink: whoever else holds on to it, as does the message that
 * brought it to this thread until a collection, holds nothing then. Any other is detached and left to the collector.
 */
export function freeBuffer(buffer: ArrayBuffer): void {
  if (buffer.resizable) buffer.resize(0);
  else if (buffer.byteLength > 0) structuredClone(buffer, { transfer: [buffer] });
}

/** Files of one session, in the order in which they are read. */
export class DrainingQueue {
  #last: ArrayBuffer | undefined;

  /** Notes that `buffer` is read now: the one before was copied by now. */
  read(buffer: ArrayBuffer): void {
    if (this.#last === buffer) return;
    this.drain();
    this.#last = buffer;
  }

  /** Frees what was read last. */
  drain(): void {
    if (this.#last) freeBuffer(this.#last);
    this.#last = undefined;
  }
}
