// Small values that this browser remembers between visits: in localStorage, or in memory if that is blocked.
import * as v from "valibot";

/** The part of the Storage interface that is used. */
export type TextStore = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Reads and writes JSON values. Never throws: if storage is blocked, a reload forgets them, and no more happens. */
export class LocalStore {
  readonly #open: () => TextStore;
  readonly #prefix: string;
  /** Texts that were written since the page was opened. */
  readonly #written = new Map<string, string>();

  /** `open` is called each time, since merely touching `localStorage` throws if storage is blocked. */
  constructor(open: () => TextStore, prefix = "manyhands.") {
    this.#open = open;
    this.#prefix = prefix;
  }

  /** Returns the value under `key`, or `otherwise` if there is none that `schema` can read. */
  read<S extends v.GenericSchema>(key: string, schema: S, otherwise: v.InferOutput<S>): v.InferOutput<S> {
    const text = this.#get(this.#prefix + key);
    if (text === undefined) return otherwise;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return otherwise; // not ours: the next write replaces it
    }
    const read = v.safeParse(schema, value);
    return read.success ? read.output : otherwise;
  }

  write(key: string, value: unknown): void {
    const text = JSON.stringify(value);
    this.#written.set(this.#prefix + key, text);
    try {
      this.#open().setItem(this.#prefix + key, text);
    } catch {
      // Blocked or full: the copy in memory serves until the page closes.
    }
  }

  remove(key: string): void {
    this.#written.delete(this.#prefix + key);
    try {
      this.#open().removeItem(this.#prefix + key);
    } catch {
      // Blocked: nothing was kept there.
    }
  }

  #get(key: string): string | undefined {
    const written = this.#written.get(key);
    if (written !== undefined) return written;
    try {
      return this.#open().getItem(key) ?? undefined;
    } catch {
      return undefined; // blocked storage reads as empty
    }
  }
}
