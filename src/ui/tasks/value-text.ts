// The result of a job as text: to be read, copied and saved. Pure.
import type { TaskValueByKind } from "../../node/face.ts";
import { toHex } from "../../shared/bytes.ts";
import { showTensors } from "./forms/tensors.ts";
import type { KindName } from "./forms/form.ts";

export interface ValueText {
  readonly text: string;
  readonly lineCount: number;
  readonly fileName: string;
  readonly type: "text/plain" | "application/json";
}

type Value<Kind extends KindName> = TaskValueByKind[Kind];

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Returns the value of a job of `kind` as text; undefined for a picture. */
export function valueText(kind: KindName, value: unknown): ValueText | undefined {
  // The casts are right because the node's value has the type that belongs to `kind`.
  switch (kind) {
    case "sum":
      return plain([String(value)], "sum");
    case "sort":
      return plain(Array.from(value as ArrayLike<number | string>, writeItem), "sorted");
    case "multiply":
      return plain(rowsOf(value as Value<"multiply">), "product");
    case "hash":
      return plain((value as Value<"hash">).map(toHex), "hashes");
    case "map":
      return json((value as readonly unknown[]).map(readable), "outputs");
    case "ml_inference":
      return json((value as Value<"ml_inference">).map(showTensors), "tensors");
    case "render":
    case "render_gpu":
      return undefined;
  }
}

const plain = (lines: readonly string[], name: string): ValueText => ({
  text: lines.join("\n"),
  lineCount: lines.length,
  fileName: `${name}.txt`,
  type: "text/plain",
});

/** A JSON list with one item per line. */
function json(items: readonly unknown[], name: string): ValueText {
  const lines = items.map((item, at) => `  ${JSON.stringify(item)}${at === items.length - 1 ? "" : ","}`);
  return { text: ["[", ...lines, "]"].join("\n"), lineCount: lines.length + 2, fileName: `${name}.json`, type: "application/json" };
}

/** `String` alone drops the sign of zero. */
const writeItem = (item: number | string): string => (Object.is(item, -0) ? "-0" : String(item));

function rowsOf({ rows, columns, elements }: Value<"multiply">): readonly string[] {
  const all: ArrayLike<number | bigint> = elements;
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => String(all[row * columns + column])).join(" "),
  );
}

/** Bytes, which only modules return, become text if they are UTF-8, else hex; other values stay as they are. */
function readable(value: unknown): unknown {
  if (!(value instanceof Uint8Array)) return value;
  try {
    return utf8.decode(value);
  } catch {
    return toHex(value); // not UTF-8
  }
}
