// The forms of all kinds of jobs, in the order in which the page offers them.
import type { KindForm } from "./form.ts";
import { hashForm } from "./hash-form.ts";
import { mapForm } from "./map-form.ts";
import { modelForm } from "./model-form.ts";
import { multiplyForm, sortForm, sumForm } from "./number-forms.ts";
import { renderForm } from "./render-form.ts";

export const FORMS: readonly KindForm[] = Object.freeze([
  renderForm,
  mapForm,
  sumForm,
  sortForm,
  multiplyForm,
  hashForm,
  modelForm,
] as readonly KindForm[]);
