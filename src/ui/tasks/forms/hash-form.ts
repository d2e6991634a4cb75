// The form for SHA-256 of many lines, or of one file.
import { toHex } from "../../../shared/bytes.ts";
import { FILE_MAX_BYTES, type KindForm, plainText, tooLarge, wrong } from "./form.ts";
import { plural } from "../../parts/format.ts";
import { linesOf } from "./numbers-form.ts";

const text = new TextEncoder();

export const hashForm: KindForm<"hash"> = {
  kind: "hash",
  place: 60,
  title: "Hash",
  about: "SHA-256 of each line, or of a file as a tree, so that many tabs can share the work.",
  verb: "Hash it",
  fields: [
    {
      kind: "choice",
      name: "of",
      label: "What is hashed",
      options: [
        ["lines", "Lines of text"],
        ["file", "A file"],
      ],
    },
    {
      kind: "text",
      name: "lines",
      label: "Lines",
      rows: 6,
      isCode: true,
      placeholder: "hello\nworld",
      hint: "One hash per line, over its UTF-8 bytes without the line end.",
      when: ({ of }) => of === "lines",
    },
    {
      kind: "file",
      name: "file",
      label: "File",
      hint: "Its Merkle root as RFC 9162 defines it, over leaves of 64 KiB. The tabs that compute see its pieces.",
      when: ({ of }) => of === "file",
    },
  ],
  start: { of: "lines", lines: "" },
  examples: [{ label: "Three words", fill: () => ({ values: { of: "lines", lines: "many\nhands\nmake" } }) }],
  async read({ values, files }) {
    if (values["of"] === "file") {
      const chosen = files["file"];
      if (chosen === undefined) return wrong("file", "Choose a file first.");
      if (chosen.size > FILE_MAX_BYTES) return wrong("file", tooLarge(chosen));
      return { data: { file: new Uint8Array(await chosen.arrayBuffer()) }, label: `Root of ${chosen.name}` };
    }
    const lines = linesOf(values["lines"] ?? "");
    if (lines.length === 0) return wrong("lines", "Paste some lines first, or take the example.");
    return { data: { items: lines.map((line) => text.encode(line)) }, label: `Hashes of ${plural(lines.length, "line")}` };
  },
  text: (value) => plainText(value.map(toHex), "hashes"),
};

export const FORMS: readonly KindForm[] = [hashForm];
