// The result of a job as text: to be read, copied and saved. Pure.
import type { TaskKindName } from "../../node/face.ts";
import type { ValueText } from "./forms/form.ts";
import { FORMS } from "./forms/forms.ts";

export type { ValueText } from "./forms/form.ts";

/** Returns the value of a job of `kind` as text; undefined for a picture. */
export function valueText(kind: TaskKindName, value: unknown): ValueText | undefined {
  const form = FORMS.find((each) => each.kind === kind);
  return form?.text?.(value as never); // the node's value has the type that belongs to `kind`
}
