// A copy of the bundled model on disk that a test may damage and mend while a relay serves it.
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";

const BUILT = new URL("../../dist/models/tales-2m/", import.meta.url);

export class ModelCopy {
  /** The folder to pass to `--models`. */
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(parent: string): Promise<ModelCopy> {
    const folder = path.join(parent, "copy-of-tales");
    await cp(BUILT, folder, { recursive: true, filter: (source) => !source.endsWith(".gz") });
    return new ModelCopy(folder);
  }

  /** Flips the lowest bit of the byte in the middle of `file`. */
  async flip(file: string): Promise<void> {
    const bytes = await readFile(path.join(this.folder, file));
    const middle = bytes.byteLength >>> 1;
    bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
    await writeFile(path.join(this.folder, file), bytes);
  }

  /** Cuts the second half of `file` off. */
  async cutShort(file: string): Promise<void> {
    const bytes = await readFile(path.join(this.folder, file));
    await writeFile(path.join(this.folder, file), bytes.subarray(0, bytes.byteLength >>> 1));
  }

  remove(file: string): Promise<void> {
    return rm(path.join(this.folder, file));
  }

  /** Puts `file` back as it was built. */
  async mend(file: string): Promise<void> {
    await cp(new URL(file, BUILT), path.join(this.folder, file), { force: true });
  }
}
