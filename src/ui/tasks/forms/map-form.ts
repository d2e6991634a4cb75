// The form for a program over many inputs: a function, or a WebAssembly module.
import { toHex } from "../../../shared/bytes.ts";
import { exampleFile, type Filled, jsonText, type KindForm, shortly, wrong } from "./form.ts";
import { plural } from "../../parts/format.ts";
import { readJson } from "./read-json.ts";

const PRIMES = `(limit, progress) => {
  let count = 0;
  for (let n = 2; n < limit; n++) {
    let isPrime = true;
    for (let d = 2; d * d <= n && isPrime; d++) isPrime = n % d !== 0;
    if (isPrime) count++;
    if (n % 1000 === 0) progress(); // a sign of life
  }
  return { limit, primes: count };
}`;
const WORDS = `(line) => line.toLowerCase().match(/[a-z]+/g)?.length ?? 0`;

/**
 * A module that turns ASCII letters to upper case. It exports `memory` (4 pages at most), `alloc`, which always returns
 * 1024, and `run`, which changes the bytes in place and returns where they are.
 */
const UPPER_CASE =
  "AGFzbQEAAAABDAJgAX8Bf2ACf38BfgMDAgABBQQBAQQEBxgDBm1lbW9yeQIABWFsbG9jAAADcnVuAAEKTQIFAEGACAtFAQJ/AkADQCACIAFPDQEgACACai0AACIDQeEAa0EaSQRAIAAgAmogA0EgazoAAAsgAkEBaiECDAALCyAArUIghiABrYQL";

/** The largest module that the sandbox takes (docs/tasks.md). */
const MODULE_MAX_BYTES = 512 * 1024;

const isJs = ({ language }: Filled["values"]): boolean => language === "js";
const text = new TextEncoder();

export const mapForm: KindForm<"map"> = {
  kind: "map",
  place: 20,
  title: "Run my program",
  about: "A function or a WebAssembly module over a list of inputs, in other tabs' sandboxes: no network, no clock, no storage.",
  verb: "Run it",
  fields: [
    {
      kind: "choice",
      name: "language",
      label: "Written in",
      options: [
        ["js", "JavaScript"],
        ["wasm", "WebAssembly"],
      ],
    },
    {
      kind: "text",
      name: "source",
      label: "Function",
      rows: 9,
      isCode: true,
      hint: "An expression: (input, progress) => output. It may be async; call progress() now and then in long loops.",
      when: isJs,
    },
    {
      kind: "file",
      name: "module",
      label: "Module",
      accept: ".wasm,application/wasm",
      hint: "Without imports; exports memory (with a maximum), alloc(length) and run(pointer, length).",
      when: ({ language }) => language === "wasm",
    },
    {
      kind: "text",
      name: "inputs",
      label: "Inputs, as a JSON list",
      rows: 4,
      isCode: true,
      placeholder: "[1, 2, 3]",
      hint: "A module takes texts, as UTF-8.",
    },
    {
      kind: "number",
      name: "batch",
      label: "Inputs per part",
      min: 1,
      max: 4096,
      hint: "One if an input takes long, more if inputs are quick.",
    },
  ],
  start: { language: "js", source: PRIMES, inputs: "[10000, 50000, 100000, 200000, 300000, 400000]", batch: "1" },
  examples: [
    {
      label: "Count primes",
      fill: () => ({ values: { language: "js", source: PRIMES, inputs: "[10000, 50000, 100000, 200000, 300000, 400000]", batch: "1" } }),
    },
    {
      label: "Count words",
      fill: () => ({
        values: { language: "js", source: WORDS, inputs: '["Many hands make light work", "Once upon a time"]', batch: "64" },
      }),
    },
    {
      label: "Upper case, as a module",
      fill: () => ({
        values: { language: "wasm", inputs: '["many hands", "make light work"]', batch: "64" },
        files: { module: exampleFile(UPPER_CASE, "upper-case.wasm") },
      }),
    },
  ],
  async read({ values, files }) {
    const batch = Number(values["batch"]);
    if (!Number.isInteger(batch) || batch < 1 || batch > 4096) return wrong("batch", "A whole number from 1 to 4,096.");
    const json = readJson(values["inputs"] ?? "", "inputs");
    if ("wrong" in json) return json;
    if (!Array.isArray(json.value)) return wrong("inputs", "Inputs are a list: [ … ].");
    const inputs: readonly unknown[] = json.value;
    if (inputs.length === 0) return wrong("inputs", "The list is empty: there is nothing to run the program on.");
    if (isJs(values)) {
      const source = values["source"]?.trim() ?? "";
      if (source === "") return wrong("source", "Write a function first, or take an example.");
      return {
        data: { program: { language: "js", source }, inputs, batch },
        label: `${shortly(source, 32)} over ${plural(inputs.length, "input")}`,
      };
    }
    return readModule(files["module"], inputs, batch);
  },
  text: (value) => jsonText(value.map(readable), "outputs"),
};

async function readModule(
  file: File | undefined,
  inputs: readonly unknown[],
  batch: number,
): Promise<Awaited<ReturnType<typeof mapForm.read>>> {
  if (file === undefined) return wrong("module", "Choose a .wasm file first, or take the example.");
  if (file.size > MODULE_MAX_BYTES) return wrong("module", `A module has at most ${MODULE_MAX_BYTES / 1024} KiB.`);
  const module = new Uint8Array(await file.arrayBuffer());
  if (!WebAssembly.validate(module)) return wrong("module", `“${file.name}” is not a WebAssembly module.`);
  const at = inputs.findIndex((input) => typeof input !== "string");
  if (at >= 0) return wrong("inputs", `A module takes texts: item ${at + 1} of the list is not one.`);
  return {
    data: { program: { language: "wasm", module }, inputs: inputs.map((input) => text.encode(String(input))), batch },
    label: `${file.name} over ${plural(inputs.length, "input")}`,
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Bytes that a module gave: as text if they are UTF-8, else as hex. */
function readable(value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  try {
    return utf8.decode(value);
  } catch {
    return toHex(value); // bytes that are no text
  }
}

export const FORMS: readonly KindForm[] = [mapForm];
