// Reads JSON that a person wrote, or says what is wrong with it. Pure.
import { wrong, type Wrong } from "./form.ts";

export function readJson(text: string, field: string): { readonly value: unknown } | { readonly wrong: Wrong } {
  if (text.trim() === "") return wrong(field, "There is nothing here yet: write JSON, or take the example.");
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return wrong(field, `This is not JSON: ${error instanceof Error ? error.message : "it breaks off"}.`);
  }
}
