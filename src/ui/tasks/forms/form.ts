// A form for one kind of task, as data: its fields and their words, the values that it starts with, and how it is read.
import type { Node, TaskDataByKind, TaskValueByKind } from "../../../node/face.ts";

export type KindName = keyof TaskDataByKind;

/** The contents of a form, by field: `files` for fields that hold a file, `values` for the others. */
export interface Filled {
  readonly values: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, File | undefined>>;
}

interface Described {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  /** Whether the field is shown, given the values of the others. A field without it is always shown. */
  readonly when?: (values: Filled["values"]) => boolean;
}
export type Field =
  | (Described & { readonly kind: "text"; readonly rows: number; readonly placeholder?: string; readonly isCode?: boolean })
  | (Described & { readonly kind: "file"; readonly accept?: string })
  | (Described & { readonly kind: "choice"; readonly options: readonly (readonly [value: string, label: string])[] })
  | (Described & { readonly kind: "number"; readonly min: number; readonly max: number });

/** A fault in words, and the field that has it. */
export interface Wrong {
  readonly field: string;
  readonly message: string;
}

/** Makes the data of a job after the node has stored what they refer to, as a model's tiles. */
export type DataMaker<Kind extends KindName> = (node: Pick<Node, "keepModel">) => Promise<TaskDataByKind[Kind]>;

export interface Handed<Kind extends KindName> {
  readonly data: TaskDataByKind[Kind] | DataMaker<Kind>;
  /** Names the job in the list. */
  readonly label: string;
  /** The kind of the job, if the form's choices make it another kind than the form's own. */
  readonly kind?: KindName;
}

/** The job that a form describes, or what is wrong with the form. */
export type Reading<Kind extends KindName> = Handed<Kind> | { readonly wrong: Wrong };

export interface Example {
  readonly label: string;
  readonly fill: () => Partial<Filled>;
}

/** A result as text. */
export interface ValueText {
  readonly text: string;
  readonly lineCount: number;
  readonly fileName: string;
  readonly type: "text/plain" | "application/json";
}

export interface KindForm<Kind extends KindName = KindName> {
  readonly kind: Kind;
  /** Among the forms: the lowest comes first. */
  readonly place: number;
  /** Names the kind in the choice of kinds. */
  readonly title: string;
  readonly about: string;
  /** The words on the button. */
  readonly verb: string;
  readonly fields: readonly Field[];
  readonly start: Filled["values"];
  readonly examples: readonly Example[];
  /** Returns the values after field `changed` has changed, if others follow from it, as when a choice fills a text. */
  readonly follow?: (changed: string, values: Filled["values"]) => Filled["values"];
  readonly read: (filled: Filled) => Promise<Reading<Kind>>;
  /** A result as text; left out for results that are no text. */
  text?(value: TaskValueByKind[Kind]): ValueText;
}

/** The largest file that the page reads into memory and keeps while the job runs. */
export const FILE_MAX_BYTES = 64 * 1024 * 1024;

export const wrong = (field: string, message: string): { readonly wrong: Wrong } => ({ wrong: { field, message } });

/** Resolves with the text of the file in field `file`, or, if none was chosen, the text of field `text`. */
export async function textOf({ values, files }: Filled, text: string, file: string): Promise<string | { readonly wrong: Wrong }> {
  const chosen = files[file];
  if (chosen === undefined) return values[text] ?? "";
  if (chosen.size > FILE_MAX_BYTES) return wrong(file, tooLarge(chosen));
  return chosen.text();
}

export const exampleFile = (base64: string, name: string): File =>
  new File([Uint8Array.from(atob(base64), (one) => one.charCodeAt(0))], name);

export const tooLarge = (file: File): string =>
  `“${file.name}” has ${Math.ceil(file.size / 1e6).toLocaleString("en")} MB; a page takes files of up to ${Math.floor(FILE_MAX_BYTES / 1e6)} MB.`;

/** Returns `text` in one line, cut to at most `most` characters. */
export const shortly = (text: string, most = 48): string => {
  const line = text.trim().replace(/\s+/g, " ");
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`;
};

/** A result of lines; `name` is that of its file. */
export const plainText = (lines: readonly string[], name: string): ValueText => ({
  text: lines.join("\n"),
  lineCount: lines.length,
  fileName: `${name}.txt`,
  type: "text/plain",
});

/** A list as JSON, with each item on a line of its own. */
export function jsonText(items: readonly unknown[], name: string): ValueText {
  const lines = items.map((item, at) => `  ${JSON.stringify(item)}${at === items.length - 1 ? "" : ","}`);
  return { text: ["[", ...lines, "]"].join("\n"), lineCount: lines.length + 2, fileName: `${name}.json`, type: "application/json" };
}
