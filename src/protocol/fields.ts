// Schemas of the fields that frames and records have in common, and how a schema reads a value.
import * as v from "valibot";
import { ManyhandsError } from "../shared/errors.ts";
import { asModelId, asPeerId, asSessionId } from "../shared/ids.ts";

/** A whole number from 0 to `max`. */
export const natural = (max: number) => v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(max));

/** A half-open range that is not empty. */
export const range = (max: number) =>
  v.pipe(
    v.strictObject({ start: natural(max), end: natural(max) }),
    v.check(({ start, end }) => start < end, "a range is not empty"),
  );

export const hex32 = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/, "expected 32 hex digits"));
export const sessionId = v.pipe(hex32, v.transform(asSessionId));
export const peerId = v.pipe(v.string(), v.minLength(8), v.maxLength(128), v.transform(asPeerId));
export const modelId = v.pipe(v.string(), v.minLength(8), v.maxLength(128), v.transform(asModelId));
/** SHA-256. */
export const hash = v.pipe(v.instance(Uint8Array), v.length(32));
/** Ed25519. */
export const signature = v.pipe(v.instance(Uint8Array), v.length(64));

/**
 * Reads a value of any origin by a schema. Throws FRAME_MALFORMED; `what` is the name of the thing, with its article.
 */
export function readAs<const Schema extends v.GenericSchema>(schema: Schema, value: unknown, what: string): v.InferOutput<Schema> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  throw new ManyhandsError("FRAME_MALFORMED", `not ${what}: ${result.issues[0].message}`);
}
