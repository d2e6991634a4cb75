// The forms of all kinds that a person can hand over, in the order in which they are offered.
import type { KindForm } from "./form.ts";

/** Each `*-form.ts` of this folder exports its forms as `FORMS`: a new kind's form is found here without being named. */
const FOUND = import.meta.glob<readonly KindForm[]>(["./*-form.ts", "!./task-form.ts"], { eager: true, import: "FORMS" });

export const FORMS: readonly KindForm[] = Object.freeze(
  Object.values(FOUND)
    .flat()
    .toSorted((a, b) => a.place - b.place),
);
