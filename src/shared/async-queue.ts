// A queue that one reader drains as an async iterable. The writers bound it.

/**
 * Items come out in the order in which they went in. Breaking out of a `for await` leaves the rest for the next loop.
 */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  readonly #onTaken: ((item: T) => void) | undefined;
  #items: T[] = [];
  #head = 0;
  #ended = false;
  #error: Error | undefined;
  readonly #waiting: PromiseWithResolvers<IteratorResult<T>>[] = [];

  /** `onTaken` is called for each item as the reader gets it. */
  constructor(onTaken?: (item: T) => void) {
    this.#onTaken = onTaken;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  /** Adds an item; ignored after `end`. */
  push(item: T): void {
    if (this.#ended) return;
    const reader = this.#waiting.shift();
    if (reader === undefined) {
      this.#items.push(item);
      return;
    }
    reader.resolve({ done: false, value: item });
    this.#onTaken?.(item);
  }

  /** Ends the queue. The items in it still come out; then the iteration ends, or throws `error` once. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    for (const reader of this.#waiting.splice(0)) this.#settle(reader);
  }

  /** Drops the items in the queue. */
  clear(): void {
    this.#items = [];
    this.#head = 0;
  }

  next(): Promise<IteratorResult<T>> {
    if (this.#head < this.#items.length) {
      const value = this.#items[this.#head] as T; // the index was just checked
      this.#items[this.#head++] = undefined as T; // frees the item
      if (this.#head === this.#items.length) this.clear();
      this.#onTaken?.(value);
      return Promise.resolve({ done: false, value });
    }
    const reader = Promise.withResolvers<IteratorResult<T>>();
    if (this.#ended) this.#settle(reader);
    else this.#waiting.push(reader);
    return reader.promise;
  }

  return(): Promise<IteratorResult<T>> {
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #settle(reader: PromiseWithResolvers<IteratorResult<T>>): void {
    const error = this.#error;
    this.#error = undefined;
    if (error === undefined) reader.resolve({ done: true, value: undefined });
    else reader.reject(error);
  }
}
