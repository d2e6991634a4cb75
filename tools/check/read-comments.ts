// Reads the lines of comment out of a source file, and the lines of prose out of a document.
import fs from "node:fs";
import path from "node:path";

export interface TextLine {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly text: string;
  /** Columns of a line that holds a comment and nothing else; undefined for prose and for comments behind code. */
  readonly columns: number | undefined;
}

/** Comments on lines of their own, and those behind code. */
export function commentsOf(root: string, file: string): readonly TextLine[] {
  const found: TextLine[] = [];
  for (const [index, raw] of fs.readFileSync(path.join(root, file), "utf8").split("\n").entries()) {
    const own = /^\s*(?:\/\/|\/\*\*?|\*(?!\/))\s?(.*?)(?:\*\/)?$/.exec(raw);
    const text = own?.[1] ?? behindCode(raw);
    if (text !== undefined && text !== "") found.push({ file, line: index + 1, text, columns: own ? raw.length : undefined });
  }
  return found;
}

/** The comment behind the code of a line. Slashes inside a string are none. */
function behindCode(line: string): string | undefined {
  for (const match of line.matchAll(/\s\/\/\s/g)) {
    const before = line.slice(0, match.index);
    const isInString = ['"', "'", "`"].some((quote) => (before.split(quote).length - 1) % 2 === 1);
    if (!isInString) return line.slice(match.index + 4);
  }
  return undefined;
}

/** Lines of a Markdown document, without its blocks of code and its inline code. */
export function documentLines(root: string, file: string): readonly TextLine[] {
  let isCode = false;
  return fs
    .readFileSync(path.join(root, file), "utf8")
    .split("\n")
    .flatMap((raw, index): TextLine[] => {
      if (raw.startsWith("```")) isCode = !isCode;
      if (isCode) return [];
      return [{ file, line: index + 1, text: raw.replaceAll(/`[^`]*`/g, "`"), columns: undefined }];
    });
}
