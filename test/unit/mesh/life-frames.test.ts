// Frames of the life line: each kind survives the wire, and anything else is recognised as a breach.
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeLifeFrame, encodeLifeFrame, LIFE_LIMITS, type LifeFrame } from "../../../src/protocol/life-frames.ts";

const frames: readonly LifeFrame[] = [
  { kind: "serves", protocols: ["/a/1", "/b/2"] },
  { kind: "serves", protocols: Array.from({ length: LIFE_LIMITS.protocols }, () => "x".repeat(200)) },
  { kind: "ping", id: 1 },
  { kind: "pong", id: Number.MAX_SAFE_INTEGER },
  { kind: "going" },
  { kind: "bye" },
];

test.each(frames.map((frame) => [frame.kind, frame] as const))("a frame %s is read as it was written", (_kind, frame) => {
  expect(decodeLifeFrame(encodeLifeFrame(frame))).toEqual(frame);
});

test.each<[string, unknown]>([
  ["bytes", new Uint8Array(3)],
  ["text that is not JSON", "bye"],
  ["another kind", `{"kind":"hello"}`],
  ["an extra field", `{"kind":"bye","why":"late"}`],
  ["a negative id", `{"kind":"ping","id":-1}`],
  ["too many protocols", JSON.stringify({ kind: "serves", protocols: Array.from({ length: LIFE_LIMITS.protocols + 1 }, () => "/a") })],
  ["the name of a protocol that is too long", JSON.stringify({ kind: "serves", protocols: ["x".repeat(LIFE_LIMITS.protocolLength + 1)] })],
  ["a frame that is too long", `${" ".repeat(LIFE_LIMITS.frameLength)}{"kind":"bye"}`],
])("no frame: %s", (_name, message) => {
  expect(decodeLifeFrame(message)).toBeUndefined();
});

test("any text is read or refused, and nothing throws", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void decodeLifeFrame(text)));
});
