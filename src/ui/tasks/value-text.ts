// What a result is as text: to be read, copied and saved. Pure.
import type { TaskKindName } from "../../node/face.ts";
import type { ValueText } from "./forms/form.ts";
import { FORMS } from "./forms/forms.ts";

export type { ValueText } from "./forms/form.ts";

/** Undefined for a picture, which is no text. */
export function valueText(kind: TaskKindName, value: unknown): ValueText | undefined {
  const form = FORMS.find((each) => each.kind === kind);
  return form?.text?.(value as never); // the node gives each kind its own value
}
