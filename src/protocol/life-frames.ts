// Frames of the life line, which each direct connection carries beside its links. They are JSON text, and few.
import * as v from "valibot";

export const LIFE_LIMITS = Object.freeze({
  /** Characters of a frame. */
  frameLength: 64 * 1024,
  /** Protocols that a peer may serve at once: one for each span it holds. */
  protocols: 256,
  /** Characters of the name of a protocol. */
  protocolLength: 256,
});

const pingId = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));

const LifeFrame = v.variant("kind", [
  /** All protocols that the sender serves from now on. */
  v.strictObject({
    kind: v.literal("serves"),
    protocols: v.pipe(v.array(v.pipe(v.string(), v.maxLength(LIFE_LIMITS.protocolLength))), v.maxLength(LIFE_LIMITS.protocols)),
  }),
  /** Asks for a sign of life. */
  v.strictObject({ kind: v.literal("ping"), id: pingId }),
  /** Replies to the ping with the same id. */
  v.strictObject({ kind: v.literal("pong"), id: pingId }),
  /** The sender's page may be closed or replaced at any moment, and its goodbye may not get through. */
  v.strictObject({ kind: v.literal("going") }),
  /** The sender leaves now. */
  v.strictObject({ kind: v.literal("bye") }),
]);
export type LifeFrame = v.InferOutput<typeof LifeFrame>;

export const encodeLifeFrame = (frame: LifeFrame): string => JSON.stringify(frame);

/** Reads a message of the life line. Returns undefined if it is no frame, which breaks the protocol. */
export function decodeLifeFrame(message: unknown): LifeFrame | undefined {
  if (typeof message !== "string" || message.length > LIFE_LIMITS.frameLength) return undefined;
  try {
    const result = v.safeParse(LifeFrame, JSON.parse(message));
    return result.success ? result.output : undefined;
  } catch {
    return undefined; // text that is not JSON is as much a breach as any other
  }
}
