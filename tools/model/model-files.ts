// Port: the files of a model that is added, wherever they are; and its implementation for a folder on disk.
import { createReadStream, existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { ModelOrigin } from "../../src/model/tiles/manifest.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";

/** Paths are relative to the root of the source, with slashes. */
export interface ModelFiles {
  /**
   * Returns where tabs can fetch the same bytes: the folder of `file`. Null for files that are only on this machine.
   */
  origin(file: string): ModelOrigin | null;
  /** Resolves with the names of all files; undefined if the source does not list them. */
  list(): Promise<readonly string[] | undefined>;
  /** Resolves with all bytes of a small file; undefined if it does not exist. */
  read(file: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /**
   * Yields the bytes of a file from start to end. Throws MODEL_UNAVAILABLE if it does not exist, MODEL_CORRUPT if it
   * ends early.
   */
  stream(file: string): AsyncIterable<Uint8Array>;
}

export class FolderFiles implements ModelFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  origin(): null {
    return null;
  }

  list(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async read(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const place = path.join(this.#folder, file);
    return existsSync(place) ? new Uint8Array(await readFile(place)) : undefined;
  }

  async *stream(file: string): AsyncGenerator<Uint8Array> {
    const place = path.join(this.#folder, file);
    const found = await stat(place).catch(() => undefined); // not there: said below
    if (!found?.isFile()) throw new ManyhandsError("MODEL_UNAVAILABLE", `${place} does not exist, and the model's weights should be in it`);
    yield* createReadStream(place, { highWaterMark: STREAM_BYTES });
  }
}

/** Bytes read at once. */
const STREAM_BYTES = 1024 * 1024;
