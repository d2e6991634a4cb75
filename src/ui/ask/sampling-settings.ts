// The sampling settings as the page keeps them: their bounds, the presets, and how they become GenerateOptions. Pure.
import * as v from "valibot";
import type { GenerateOptions } from "../../node/face.ts";

/** Each number that a person may set, with its bounds and the step of its field. */
export const FIELDS = {
  maxTokens: { label: "Tokens at most", min: 1, max: 4096, step: 1, hint: "Where the answer ends if the model does not end it." },
  temperature: { label: "Temperature", min: 0, max: 2, step: 0.05, hint: "0 always takes the likeliest token." },
  topK: { label: "Top-k", min: 0, max: 200, step: 1, hint: "Candidates kept; 0 keeps all." },
  topP: { label: "Top-p", min: 0.05, max: 1, step: 0.05, hint: "Share of probability kept; 1 keeps all." },
  repetitionPenalty: { label: "Repetition penalty", min: 0.5, max: 2, step: 0.05, hint: "1 is off." },
} as const;

export type FieldName = keyof typeof FIELDS;
export const FIELD_NAMES = Object.keys(FIELDS) as FieldName[]; // the keys of a frozen literal

/** A seed fits 32 bits, so that it can be read out and typed in again. */
export const SEED_MAX = 0xffff_ffff;

const bounded = (name: FieldName) => v.pipe(v.number(), v.minValue(FIELDS[name].min), v.maxValue(FIELDS[name].max));

export const Settings = v.object({
  maxTokens: v.pipe(bounded("maxTokens"), v.integer()),
  temperature: bounded("temperature"),
  topK: v.pipe(bounded("topK"), v.integer()),
  topP: bounded("topP"),
  repetitionPenalty: bounded("repetitionPenalty"),
  /** Null: a new seed is drawn for each answer. */
  seed: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(SEED_MAX))),
  /** Stop strings, one per line; `\\n` stands for a line break. */
  stop: v.optional(v.pipe(v.string(), v.maxLength(2000)), ""),
  overflow: v.optional(v.picklist(["drop-oldest", "refuse"]), "drop-oldest"),
  /** Whether tokens are guessed ahead where that pays. */
  drafts: v.optional(v.boolean(), true),
  /** The wire form: how hidden states cross from tab to tab. */
  wire: v.optional(v.picklist(["float32", "float16"]), "float32"),
});
export type Settings = v.InferOutput<typeof Settings>;

export type PresetName = "story" | "greedy";

export const PRESETS: Readonly<Record<PresetName, Settings>> = {
  story: {
    maxTokens: 160,
    temperature: 0.8,
    topK: 40,
    topP: 0.95,
    repetitionPenalty: 1.1,
    seed: null,
    stop: "",
    overflow: "drop-oldest",
    drafts: true,
    wire: "float32",
  },
  greedy: {
    maxTokens: 160,
    temperature: 0,
    topK: 0,
    topP: 1,
    repetitionPenalty: 1,
    seed: null,
    stop: "",
    overflow: "drop-oldest",
    drafts: true,
    wire: "float32",
  },
};

/** Returns the preset that the settings equal apart from length and seed; undefined if they equal none. */
export function presetOf(settings: Settings): PresetName | undefined {
  const names = Object.keys(PRESETS) as PresetName[]; // the keys of a frozen literal
  return names.find((name) => FIELD_NAMES.every((field) => field === "maxTokens" || PRESETS[name][field] === settings[field]));
}

/** Returns the settings with one field set to a typed number, within its bounds; unchanged if `typed` is no number. */
export function withField(settings: Settings, name: FieldName, typed: string): Settings {
  const value = Number(typed);
  if (typed.trim() === "" || !Number.isFinite(value)) return settings;
  const { min, max, step } = FIELDS[name];
  const clamped = Math.min(max, Math.max(min, value));
  return { ...settings, [name]: step === 1 ? Math.round(clamped) : clamped };
}

/** Like `withField`, for the seed: with an empty field, a new seed is drawn each time. */
export function withSeed(settings: Settings, typed: string): Settings {
  if (typed.trim() === "") return { ...settings, seed: null };
  const value = Number(typed);
  if (!Number.isFinite(value)) return settings;
  return { ...settings, seed: Math.min(SEED_MAX, Math.max(0, Math.floor(value))) };
}

/** The most stop strings, and characters in each, that the node accepts. */
const STOPS = Object.freeze({ count: 16, length: 200 });

export function generateOptions({ seed, stop, ...settings }: Settings): GenerateOptions {
  const stops = stop
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replaceAll("\\n", "\n").slice(0, STOPS.length));
  return { ...settings, seed: seed ?? undefined, stop: stops.slice(0, STOPS.count) };
}
