// `npm run model -- verify`: compares every file and tile of a model's folder with its manifest, and says what is
// wrong.
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { decodeManifest, type Manifest, MANIFEST_FILE, manifestId, TILE_BYTES } from "../../src/model/tiles/manifest.ts";
import { hasSha256 } from "../../src/model/tiles/sha256.ts";
import { bytesEqual } from "../../src/shared/bytes.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";
import type { ModelId } from "../../src/shared/ids.ts";
import { FolderFiles } from "./model-files.ts";
import { hashRanges } from "./tile-hasher.ts";

export interface Verification {
  readonly id: ModelId;
  readonly manifest: Manifest;
  readonly tilesChecked: number;
  /** What is wrong, in a sentence each. */
  readonly wrong: readonly string[];
  /** Data files that are not in the folder, but that tabs can fetch from the model's origin. */
  readonly elsewhere: readonly string[];
}

/** Reads every file once. Throws BAD_INPUT if there is no manifest, MODEL_CORRUPT if it cannot be read. */
export async function verifyFolder(folder: string): Promise<Verification> {
  const place = path.join(folder, MANIFEST_FILE);
  if (!existsSync(place))
    throw new ManyhandsError("BAD_INPUT", `${folder} has no ${MANIFEST_FILE}. Make one with: npm run model -- add ${folder}`);
  const bytes = new Uint8Array(await readFile(place));
  const manifest = decodeManifest(bytes);
  const wrong: string[] = [];
  const elsewhere: string[] = [];
  let tilesChecked = 0;
  for (const file of [manifest.graph, manifest.tokenizer, manifest.tokenizerConfig]) {
    if (file === null) continue;
    const sentence = await checkWhole(folder, file);
    if (sentence !== undefined) wrong.push(sentence);
  }
  for (const [index, { path: file, size }] of manifest.dataFiles.entries()) {
    const found = await stat(path.join(folder, file)).catch(() => undefined); // missing: said below
    if (!found) {
      if (manifest.origin === null) wrong.push(`"${file}" is missing (${size} bytes), and the manifest names no other place for it.`);
      else elsewhere.push(file);
      continue;
    }
    if (found.size !== size) wrong.push(`"${file}" has ${found.size} bytes; it should have ${size}.`);
    const tensors = manifest.tensors.filter((tensor) => tensor.file === index);
    const { tiles } = await hashRanges(new FolderFiles(folder).stream(file), tensors);
    tensors.forEach((tensor, at) => {
      tensor.tiles.forEach((expected, tile) => {
        const got = tiles[at]?.[tile];
        tilesChecked++;
        if (got !== undefined && bytesEqual(got, expected)) return;
        const start = tensor.offset + tile * TILE_BYTES;
        const end = Math.min(tensor.offset + tensor.length, start + TILE_BYTES);
        const what = got === undefined ? "is cut off" : "does not match its SHA-256";
        wrong.push(`"${file}" bytes ${start} to ${end - 1}: tile ${tile + 1} of ${tensor.tiles.length} of "${tensor.name}" ${what}.`);
      });
    });
  }
  return { id: await manifestId(bytes), manifest, tilesChecked, wrong, elsewhere };
}

async function checkWhole(folder: string, file: NonNullable<Manifest["tokenizer"]>): Promise<string | undefined> {
  const place = path.join(folder, file.path);
  if (!existsSync(place)) return `"${file.path}" is missing (${file.size} bytes).`;
  const bytes = new Uint8Array(await readFile(place));
  if (bytes.byteLength !== file.size) return `"${file.path}" has ${bytes.byteLength} bytes; it should have ${file.size}.`;
  return (await hasSha256(bytes, file.sha256)) ? undefined : `"${file.path}" does not match its SHA-256.`;
}
