// Entry of `npm run model`: adds a model from the hub, a folder or an address; inspects and verifies models.
import { existsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import type { Manifest } from "../../src/model/tiles/manifest.ts";
import { errorMessage, ManyhandsError } from "../../src/shared/errors.ts";
import { formatBytes } from "../../src/ui/parts/format.ts";
import { addModel } from "./add.ts";
import { DEFAULT_HUB, findSource } from "./find-source.ts";
import { verifyFolder } from "./verify.ts";

const HELP = `npm run model -- COMMAND

  add MODEL        makes a model's manifest, with which a relay offers it to tabs. MODEL is
                   a hub id         onnx-community/Qwen3-0.6B-ONNX
                   a folder         ./my-export (with an ONNX decoder that has a KV cache, and its tokenizer.json)
                   an address       https://example.org/models/mine/ or that of an .onnx file
    --revision R     branch, tag or commit of the hub's repository (default main; the manifest names the commit)
    --file F         which ONNX file, if there are several: onnx/model_q4.onnx
    --to DIR         folder to write to (default: the folder itself, else models/NAME)
    --weights        keep the weights in DIR too; without it, tabs fetch them from the model's source
    --name NAME      the model's name (default: the repository's or folder's name)
    --licence TEXT   its licence, if the model card does not say
    --hub URL        another hub of the same layout (default ${DEFAULT_HUB})

  inspect FILE     prints layers, boundaries, operators, sizes and memory of an ONNX file or a model's folder
  verify FOLDER    compares every file and tile of a model's folder with its manifest

Serve the models that were added:  npm start -- --models models
`;

const INSPECT = path.join(import.meta.dirname, "inspect.ts");

async function main([command, ...args]: readonly string[]): Promise<number> {
  if (command === undefined || command === "--help" || command === "-h" || command === "help" || args.includes("--help")) {
    console.log(HELP);
    return command === undefined ? 2 : 0;
  }
  if (command === "add") return add(args);
  if (command === "verify") return verify(args);
  if (command === "inspect") return inspect(args);
  throw new ManyhandsError("BAD_INPUT", `There is no command "${command}". The commands are add, inspect and verify; see --help.`);
}

async function add(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [target] = positionals;
  if (target === undefined || positionals.length > 1)
    throw new ManyhandsError("BAD_INPUT", "`add` needs one model: a hub id, a folder or an address. See --help.");
  const source = await findSource({ target, hub: values.hub ?? DEFAULT_HUB, revision: values.revision, file: values.file });
  const to = values.to ?? source.folder ?? path.join("models", source.name);
  if (source.others.length > 0) console.error(`Using ${source.file}; there are also ${source.others.join(", ")} (choose with --file).`);
  const keepWeights = values.weights === true || (source.folder !== undefined && path.resolve(source.folder) !== path.resolve(to));
  const { id, manifest } = await addModel({
    source,
    to,
    keepWeights,
    given: {
      ...(values.name !== undefined && { name: values.name }),
      ...(values.licence !== undefined && { licence: values.licence }),
    },
    onProgress: progressLine(),
  });
  console.log(describe(manifest));
  console.log(
    `id        ${id}\nfolder    ${to}${manifest.origin === null || keepWeights ? "" : `\nweights   stay at ${manifest.origin.url}`}`,
  );
  if (manifest.licence === "not stated") console.log("The licence is not stated: look it up, and give it with --licence.");
  if (manifest.tokenizer === null) console.log("There is no tokenizer.json: tabs can lend to this model but not ask it.");
  console.log(`Serve it: npm start -- --models ${path.relative(".", to) || "."}`);
  return 0;
}

async function verify(args: readonly string[]): Promise<number> {
  const { positionals } = parse(args);
  const [folder] = positionals;
  if (folder === undefined) throw new ManyhandsError("BAD_INPUT", "`verify` needs the folder of a model that was added. See --help.");
  const { id, manifest, tilesChecked, wrong, elsewhere } = await verifyFolder(folder);
  console.log(`${manifest.name}  ${id}`);
  for (const sentence of wrong) console.log(`  ${sentence}`);
  for (const file of elsewhere) console.log(`  "${file}" is not kept here; tabs fetch it from ${manifest.origin?.url}.`);
  console.log(
    wrong.length === 0
      ? `${tilesChecked} tiles checked, all correct.`
      : `${tilesChecked} tiles checked; ${wrong.length} things are wrong. Fetch those files again, then: npm run model -- add …`,
  );
  return wrong.length === 0 ? 0 : 1;
}

async function inspect(args: readonly string[]): Promise<number> {
  if (!existsSync(INSPECT)) throw new ManyhandsError("BAD_INPUT", "This checkout has no inspect command.");
  const inspector = (await import(INSPECT)) as { run(args: readonly string[]): Promise<number | undefined> }; // its one export
  return (await inspector.run(args)) ?? 0;
}

function describe(manifest: Manifest): string {
  const weights = manifest.tensors.reduce((sum, tensor) => sum + tensor.length, 0);
  return [
    `name      ${manifest.name}`,
    `licence   ${manifest.licence}`,
    `weights   ${formatBytes(weights)} as ${manifest.dtype}, largest layer ${formatBytes(Math.max(...manifest.layerBytes))}`,
    `layers    ${manifest.layerCount}, hidden width ${manifest.hiddenWidth}, vocabulary ${manifest.vocabularySize}`,
    `context   ${manifest.contextLength} tokens`,
    `chat      ${manifest.chatTemplate === null ? "no template: it goes on with a text" : "yes"}`,
  ].join("\n");
}

/** Returns a function that shows on the terminal how much was read, at most five times a second. */
function progressLine(): (file: string, bytes: number) => void {
  let shownMs = 0;
  return (file, bytes) => {
    const nowMs = Date.now();
    if (!process.stderr.isTTY || nowMs - shownMs < 200) return;
    shownMs = nowMs;
    process.stderr.write(`\r\u001B[Kreading ${file}: ${formatBytes(bytes)}\r`);
  };
}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { revision: text, file: text, to: text, name: text, licence: text, hub: text, weights: { type: "boolean" } },
    });
  } catch (cause) {
    throw new ManyhandsError("BAD_INPUT", `${errorMessage(cause).split(". ")[0]}. See --help.`, { cause });
  }
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof ManyhandsError)) throw error;
    console.error(error.message.charAt(0).toUpperCase() + error.message.slice(1));
    process.exitCode = error.code === "BAD_INPUT" ? 2 : 1;
  }
}
