// Tiles from a folder on this device that a person opened to the page. Files are read in
// slices, never copied as a whole.
import { errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { FolderFile, FolderHandle } from "./folder-handle.ts";
import type { TileRange, TileRead, TileSource } from "./tile-source.ts";

export class MountedTileSource implements TileSource {
  readonly #folder: FolderHandle;

  constructor(folder: FolderHandle) {
    this.#folder = folder;
  }

  async *read(ranges: readonly TileRange[], signal: AbortSignal): AsyncGenerator<TileRead> {
    const files = new Map<string, FolderFile>();
    for (const [index, { file, offset, length }] of ranges.entries()) {
      signal.throwIfAborted();
      const opened = files.get(file) ?? (await this.#open(file));
      files.set(file, opened);
      if (opened.size < offset + length) throw new ManyhandsError("MODEL_CORRUPT", `"${file}" is cut short`);
      let bytes: Uint8Array<ArrayBuffer>;
      try {
        bytes = new Uint8Array(await opened.slice(offset, offset + length).arrayBuffer());
      } catch (cause) {
        throw new ManyhandsError("MODEL_UNAVAILABLE", `"${file}" was changed or removed while it was read; open the folder again`, {
          cause,
        });
      }
      yield { index, bytes };
    }
  }

  /** The reason why the first unfit one of `files` is missing or has another size; undefined if all are right. */
  async whyUnfit(files: readonly { readonly path: string; readonly size: number }[]): Promise<string | undefined> {
    for (const { path, size } of files) {
      try {
        const found = await this.#open(path);
        if (found.size !== size)
          return `"${path}" in the folder "${this.#folder.name}" is another file: it has ${found.size} bytes, not ${size}`;
      } catch (error) {
        return errorMessage(error);
      }
    }
    return undefined;
  }

  /** Opens folder by folder: a handle takes no paths, so none can lead out of the folder. */
  async #open(file: string): Promise<FolderFile> {
    const parts = file.split("/");
    const name = parts.pop() ?? file;
    try {
      let folder = this.#folder;
      for (const part of parts) folder = await folder.getDirectoryHandle(part);
      return await (await folder.getFileHandle(name)).getFile();
    } catch (cause) {
      throw new ManyhandsError(
        "MODEL_UNAVAILABLE",
        `the folder "${this.#folder.name}" has no "${file}", or may not be read any more; open it again`,
        {
          cause,
        },
      );
    }
  }
}
