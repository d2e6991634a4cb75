// What this browser remembers between visits, kept in localStorage where that is allowed and in memory where it is not.
import * as v from "valibot";

/** The part of the Storage interface that is used. */
export type TextStore = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** Reads and writes small JSON values. Never throws: a browser that blocks storage forgets on reload, nothing more. */
export class Memory {
  readonly #open: () => TextStore;
  readonly #prefix: string;
  readonly #fallback = new Map<string, string>();

  /** `open` is called each time, since merely touching `localStorage` throws where storage is blocked. */
  constructor(open: () => TextStore, prefix = "manyhands.") {
    this.#open = open;
    this.#prefix = prefix;
  }

  /** The value under `key` when it is there and `schema` reads it, else `otherwise`. */
  read<S extends v.GenericSchema>(key: string, schema: S, otherwise: v.InferOutput<S>): v.InferOutput<S> {
    const text = this.#get(this.#prefix + key);
    if (text === undefined) return otherwise;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return otherwise; // somebody else's text: the next write replaces it
    }
    const read = v.safeParse(schema, value);
    return read.success ? read.output : otherwise;
  }

  write(key: string, value: unknown): void {
    const text = JSON.stringify(value);
    this.#fallback.set(this.#prefix + key, text);
    try {
      this.#open().setItem(this.#prefix + key, text);
    } catch {
      // Blocked or full: the copy in memory serves until the page closes.
    }
  }

  forget(key: string): void {
    this.#fallback.delete(this.#prefix + key);
    try {
      this.#open().removeItem(this.#prefix + key);
    } catch {
      // Blocked: then nothing was kept there either.
    }
  }

  #get(key: string): string | undefined {
    const kept = this.#fallback.get(key);
    if (kept !== undefined) return kept;
    try {
      return this.#open().getItem(key) ?? undefined;
    } catch {
      return undefined; // blocked storage reads as empty
    }
  }
}
