// The records of a link: the same frames come out however the bytes are sliced, and a frame that is too large is
// refused before anything is allocated.
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeCredit, encodeGoodbye, encodeLinkFrame, LinkFrameReader } from "../../../src/protocol/link-frames.ts";
import { LIMITS } from "../../../src/protocol/version.ts";
import { concatBytes } from "../../../src/shared/bytes.ts";
import { errorCode } from "../../../src/shared/errors.ts";

type Event = { readonly frame: readonly number[] } | { readonly credit: number } | "goodbye";

function read(chunks: readonly Uint8Array[], maxFrameBytes?: number): Event[] {
  const events: Event[] = [];
  const sink = {
    frame: (frame: Uint8Array) => void events.push({ frame: [...frame] }),
    credit: (credit: number) => void events.push({ credit }),
    goodbye: () => void events.push("goodbye"),
  };
  const reader = new LinkFrameReader(sink, maxFrameBytes);
  for (const chunk of chunks) reader.push(chunk);
  return events;
}

const encodeEvent = (event: Event): Uint8Array =>
  event === "goodbye" ? encodeGoodbye() : "credit" in event ? encodeCredit(event.credit) : encodeLinkFrame(Uint8Array.from(event.frame));

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => ({ frame: [...bytes] })),
  fc.integer({ min: 1, max: LIMITS.frameBytes + 1024 * 1024 }).map((credit) => ({ credit })),
  fc.constant("goodbye" as const),
);

test("records that are cut anywhere come out as they went in", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 20 }), fc.array(fc.nat({ max: 400 }), { maxLength: 40 }), (events, cuts) => {
      const bytes = concatBytes(events.map(encodeEvent));
      const chunks: Uint8Array[] = [];
      let offset = 0;
      for (const cut of cuts) {
        chunks.push(bytes.subarray(offset, offset + cut));
        offset += cut;
      }
      chunks.push(bytes.subarray(offset));
      expect(read(chunks)).toEqual(events);
    }),
  );
});

test("any bytes are read or refused with one of two codes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        read([bytes], 1000);
      } catch (error) {
        expect(["FRAME_TOO_LARGE", "FRAME_MALFORMED"]).toContain(errorCode(error));
      }
    }),
  );
});

test("reader and writer keep the bound exactly", () => {
  expect(read([encodeLinkFrame(new Uint8Array(10))], 10)).toHaveLength(1);
  expect(() => read([encodeLinkFrame(new Uint8Array(11)).subarray(0, 1)], 10)).toThrow(
    expect.objectContaining({ code: "FRAME_TOO_LARGE" }),
  );
  expect(() => encodeLinkFrame(new Uint8Array(LIMITS.frameBytes + 1))).toThrow(expect.objectContaining({ code: "FRAME_TOO_LARGE" }));
});
