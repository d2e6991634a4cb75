// Completes and checks the settings that a person or a program gives for an answer.
import type { GenerateOptions } from "./generate-event.ts";
import { ManyhandsError } from "../shared/errors.ts";

/** The settings of a prompt that names none: they give a story that stays on its subject. */
export const DEFAULT_OPTIONS: GenerateOptions = Object.freeze({
  maxTokens: 200,
  temperature: 0.7,
  topK: 40,
  topP: 0.95,
  repetitionPenalty: 1.1,
  seed: undefined,
  stop: [],
  drafts: true,
  wire: "float32",
  overflow: "drop-oldest",
});

/** The most stop strings, and the most characters of each: longer than any template's end of a turn. */
const STOPS = Object.freeze({ count: 16, length: 200 });

const RANGES = Object.freeze({
  maxTokens: { min: 1, max: 100_000, whole: true },
  temperature: { min: 0, max: 5, whole: false },
  topK: { min: 0, max: 1024, whole: true },
  topP: { min: 0.01, max: 1, whole: false },
  repetitionPenalty: { min: 1, max: 2, whole: false },
});

/** Returns `options` over the defaults. Throws BAD_INPUT, which names the setting, its range and the given value. */
export function completeOptions(options: Partial<GenerateOptions>): GenerateOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const complete: GenerateOptions = { ...DEFAULT_OPTIONS, ...given };
  for (const [name, range] of Object.entries(RANGES)) {
    const value = complete[name as keyof typeof RANGES]; // the keys of RANGES are settings
    if (!(value >= range.min && value <= range.max) || (range.whole && !Number.isInteger(value))) {
      throw new ManyhandsError(
        "BAD_INPUT",
        `${name} is ${value}; it must be ${range.whole ? "a whole number " : ""}from ${range.min} to ${range.max}.`,
      );
    }
  }
  if (complete.wire !== "float32" && complete.wire !== "float16")
    throw new ManyhandsError("BAD_INPUT", `wire is ${String(complete.wire)}; it must be float32 or float16.`);
  if (complete.seed !== undefined && !(Number.isSafeInteger(complete.seed) && complete.seed >= 0))
    throw new ManyhandsError("BAD_INPUT", `seed is ${complete.seed}; it must be a whole number from 0.`);
  if (complete.stop.length > STOPS.count || complete.stop.some((text) => text === "" || text.length > STOPS.length))
    throw new ManyhandsError("BAD_INPUT", `stop may hold ${STOPS.count} strings of 1 to ${STOPS.length} characters.`);
  return complete;
}
