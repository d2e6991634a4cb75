// Writes manifest.cbor (and a skeleton, if weights are inside the ONNX file) into a model's folder, and prints the
// model's id.
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import type { ModelFacts } from "../../src/model/build-manifest.ts";
import { MANIFEST_FILE } from "../../src/model/tiles/manifest.ts";
import { bytesEqual } from "../../src/shared/bytes.ts";
import type { ModelId } from "../../src/shared/ids.ts";
import { manifestOfFolder } from "./model-folder.ts";

/** Makes the manifest of `folder`. Files that already have the same bytes are not written again. */
export async function makeManifest(folder: string, given: Partial<ModelFacts> = {}): Promise<ModelId> {
  const built = await manifestOfFolder(folder, given);
  await writeIfChanged(path.join(folder, built.graph.path), built.graph.bytes);
  await writeIfChanged(path.join(folder, MANIFEST_FILE), built.bytes);
  return built.id;
}

async function writeIfChanged(file: string, bytes: Uint8Array): Promise<void> {
  if (existsSync(file) && bytesEqual(new Uint8Array(await readFile(file)), bytes)) return;
  await writeFile(file, bytes);
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { name: { type: "string" }, licence: { type: "string" }, source: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  const [folder] = positionals;
  if (folder === undefined || values.help) {
    console.log(
      "node tools/model/make-manifest.ts FOLDER [--name NAME] [--licence LICENCE] [--source URL]\n\nThe folder holds an ONNX decoder with a KV cache and, if it has them, genai_config.json, tokenizer.json, tokenizer_config.json\nand a README.md that opens with `license:` and `source:` between two lines of `---`.",
    );
    process.exitCode = values.help ? 0 : 2;
  } else {
    const { name, licence, source } = values;
    console.log(
      await makeManifest(folder, {
        ...(name !== undefined && { name }),
        ...(licence !== undefined && { licence }),
        ...(source !== undefined && { source }),
      }),
    );
  }
}
