// Turns any thrown value into the problem that a person reads.
import { errorCode, errorMessage } from "../shared/errors.ts";
import type { Problem } from "./state.ts";

export function toProblem(error: unknown): Problem {
  return { code: errorCode(error) ?? "ENGINE_FAILED", message: errorMessage(error) };
}
