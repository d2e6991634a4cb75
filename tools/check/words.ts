// Checks the words of comments, documents and file names against docs/glossary.md, which is also where the refused
// phrases stand.
import fs from "node:fs";
import path from "node:path";
import type { CheckContext, Outcome } from "./check.ts";
import { commentsOf, documentLines, type TextLine } from "./read-comments.ts";

const GLOSSARY = "docs/glossary.md";
/** Columns of a line of comment at most. */
const WIDTH = 120;
/** Documents that quote the phrases, or are records of their time. */
const SPARED = new Set([GLOSSARY, "CHANGELOG.md"]);

/**
 * Words in file names that are no nouns of this field: verbs and adjectives that name a function, and the common
 * words of
 * programming. Nouns of the field belong into the glossary instead.
 */
const COMMON = new Set(
  `add abort app async audit box browser build bundle bytes button buffers check choose choices client clock close code config consent
  contract control controls convert copy count create cost controller db depth dequantize detach draining draw encode errors
  events fetch fields file find first folder form forms footer format frames geometry get half handle has head icons idb ids in infer
  init is item judge kept keeper layout line list load local log lock main make map marks max memory meter migrations min missing ml
  inference multiply near number numbers often on once onnx open options or order output panel page parts pack pb peer pill pipe plain
  plan portable globals pure queue random rate read receive recent record refuse relay remote render result results run save schema
  select sentences service sessions settings sha256 shared size sort start state status stop string strings style styles sum surface
  table take text theme toggle times top tracker turn turns type types up use values vector verify version view wait watch web width
  waiting await acquire live lending joining drafting draft asked elements bar cap group per pb port queries rebalance received pending walk waker upgrade strip location lookup loopback framed cuttable buffer breaks manyhands micro api generate trace sender words write ort wasm gpu webgpu wgsl sqlite database http rtc libp2p bitswap ed25519 float16 floats json`
    .split(/\s+/)
    .filter((word) => word !== ""),
);

interface Refused {
  readonly phrase: string;
  readonly instead: string;
  readonly pattern: RegExp;
}

/** The table under "Phrases that the check refuses". */
export function readRefused(glossary: string): readonly Refused[] {
  const section = glossary.split("## Phrases that the check refuses")[1] ?? "";
  const rows = [...section.matchAll(/^\| (?!phrase|---)(.+?) \| (.+?) \|$/gm)];
  return rows.flatMap(([, phrases = "", instead = ""]) =>
    phrases.split(", ").map((phrase) => ({
      phrase,
      instead,
      pattern: new RegExp(`(?<![\\w'-])${phrase.replaceAll(" ", "\\s+")}(?![\\w'-])`, "i"),
    })),
  );
}

/** What is wrong with one line of comment or prose. */
export function faultsOf({ file, line, text, columns }: TextLine, refused: readonly Refused[]): readonly string[] {
  const phrases = refused
    .filter(({ pattern }) => pattern.test(text))
    .map(({ phrase, instead }) => `${file}:${line}: "${phrase}" is refused by the glossary; write: ${instead}`);
  const isWide = columns !== undefined && columns > WIDTH && !/https?:\/\//.test(text);
  return isWide ? [...phrases, `${file}:${line}: a comment of ${columns} columns, ${WIDTH} at most`] : phrases;
}

/** Words of file names that neither the glossary nor the list of common words knows. */
export function unknownNouns(files: readonly string[], glossary: string): readonly string[] {
  const known = new Set(glossary.toLowerCase().match(/[a-z0-9]+/g));
  const isKnown = (word: string): boolean =>
    COMMON.has(word) || [word, word.replace(/s$/, ""), word.replace(/ies$/, "y"), `${word}s`].some((form) => known.has(form));
  return files.flatMap((file) => {
    const words = path
      .basename(file)
      .replace(/(\.browser)?(\.d)?\.ts$/, "")
      .split(/[-._]/);
    const unknown = words.filter((word) => !isKnown(word));
    return unknown.map((word) => `${file}: "${word}" is in no entry of ${GLOSSARY}: name the file by the glossary, or add the word`);
  });
}

export async function words({ root, files }: CheckContext): Promise<Outcome> {
  const glossary = fs.readFileSync(path.join(root, GLOSSARY), "utf8");
  const refused = readRefused(glossary);
  if (refused.length === 0) return { passed: false, output: `${GLOSSARY} has no table of refused phrases: nothing could be found` };
  const all = await files();
  const code = all.filter((file) => /\.(ts|mjs)$/.test(file) && !file.endsWith("_pb.ts"));
  const documents = all.filter((file) => file.endsWith(".md") && !SPARED.has(file));
  const lines = [...code.flatMap((file) => commentsOf(root, file)), ...documents.flatMap((file) => documentLines(root, file))];
  if (lines.length < 1000) return { passed: false, output: `${lines.length} lines of comment were read: far too few to be all` };
  const faults = [
    ...lines.flatMap((line) => faultsOf(line, refused)),
    ...unknownNouns(
      all.filter((file) => /^(src|relay)\/.*\.ts$/.test(file)),
      glossary,
    ),
  ];
  return { passed: faults.length === 0, output: [...faults, `${lines.length} lines of comment and prose read`].join("\n") };
}
