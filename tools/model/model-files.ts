// Port: the files of a model that is to be added, wherever they lie; and a folder on disk as one.
import { createReadStream, existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { ModelOrigin } from "../../src/model/tiles/manifest.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";

/** Paths are relative to the root of the source, with slashes. */
export interface ModelFiles {
  /** Where tabs can fetch the same bytes: the folder of `file`. Null for files that lie only here. */
  origin(file: string): ModelOrigin | null;
  /** Names of all files; undefined where the source does not tell. */
  list(): Promise<readonly string[] | undefined>;
  /** A small file, whole; undefined where there is none. */
  read(file: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** A file from its start to its end. Throws MODEL_UNAVAILABLE where there is none, MODEL_CORRUPT where it ends early. */
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
    if (!found?.isFile())
      throw new ManyhandsError("MODEL_UNAVAILABLE", `${place} does not exist, and the model's weights should lie in it`);
    yield* createReadStream(place, { highWaterMark: STREAM_BYTES });
  }
}

/** Bytes read at once. */
const STREAM_BYTES = 1024 * 1024;
