// The forms of all kinds of jobs, in the order in which the page offers them.
import type { KindForm } from "./form.ts";

/**
 * Each `*-form.ts` of this folder exports its forms as `FORMS`: the form of a new kind is found without being named
 * here.
 */
const FOUND = import.meta.glob<readonly KindForm[]>(["./*-form.ts", "!./task-form.ts"], { eager: true, import: "FORMS" });

export const FORMS: readonly KindForm[] = Object.freeze(
  Object.values(FOUND)
    .flat()
    .toSorted((a, b) => a.place - b.place),
);
