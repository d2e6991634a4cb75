// Changes one field of a recorded session frame, in each way that a span refuses with its own code.
import type { ErrorCode } from "../../src/shared/errors.ts";

/** A recorded frame. */
export interface Recorded {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Uint8Array;
}
export type Edit = (frame: Recorded, seed: number) => Recorded;

export const edited = (frame: Recorded, change: Readonly<Record<string, unknown>>): Recorded => ({
  ...frame,
  header: { ...frame.header, ...change },
});
/** Returns a copy with one byte changed. */
export const flipped = (bytes: unknown, seed: number): Uint8Array => {
  const copy = (bytes as Uint8Array).slice(); // the field of a recorded header
  const at = seed % copy.byteLength;
  copy[at] = (copy[at] ?? 0) ^ (1 + (seed % 255));
  return copy;
};

/** Edits of a step, each with its name and the code with which a span must refuse the step. */
export const EDITS: readonly (readonly [string, ErrorCode, Edit])[] = [
  ["another session", "SESSION_FOREIGN", (frame, seed) => edited(frame, { session: (seed % 16 ** 6).toString(16).padStart(32, "e") })],
  [
    "a later position",
    "POSITION_MISMATCH",
    (frame, seed) => edited(frame, { position: (frame.header["position"] as number) + 1 + (seed % 1000) }),
  ],
  ["another past", "PREFIX_MISMATCH", (frame, seed) => edited(frame, { prefix: flipped(frame.header["prefix"], seed) })],
  [
    "a payload cut short",
    "SIZE_MISMATCH",
    (frame, seed) => ({ ...frame, payload: frame.payload.slice(0, seed % frame.payload.byteLength) }),
  ],
  [
    "a payload too long",
    "SIZE_MISMATCH",
    (frame, seed) => ({ ...frame, payload: new Uint8Array(frame.payload.byteLength + 1 + (seed % 100)) }),
  ],
  ["a count without its hashes", "FRAME_MALFORMED", (frame) => edited(frame, { count: (frame.header["count"] as number) + 1 })],
  ["a kind that does not exist", "FRAME_MALFORMED", (frame) => edited(frame, { kind: "leap" })],
  ["an extra field", "FRAME_MALFORMED", (frame, seed) => edited(frame, { extra: seed })],
  [
    "a kind for the other side",
    "FRAME_UNEXPECTED",
    ({ header }) => ({ header: { kind: "opened", session: header["session"], rowInvariant: false }, payload: new Uint8Array() }),
  ],
];
