// How a session's hidden states cross from span to span: as the graph has them, or as half floats, which are half the bytes and
// round. Rounded states are what everybody hashes, logs and sends again, so that replays and audits are as exact as ever.
import type { OpenFrame } from "../../protocol/session-frames.ts";
import { type BoundaryTensor, rowBytes, type SpanPlan } from "../../protocol/span-plan.ts";
import { concatBytes } from "../../shared/bytes.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { packHalves, unpackHalves } from "../../shared/half-floats.ts";

/** `float32`: as the graph has them, float16 where that is its own type. `float16`: all of them as half floats. */
export type WireType = "float32" | "float16";

export interface WireForm {
  /** What the payload of a step holds that comes in. */
  readonly boundaryIn: readonly BoundaryTensor[];
  /** And of one that goes out. */
  readonly boundaryOut: readonly BoundaryTensor[];
  /** What the engine takes, of a payload of `count` positions. */
  decode(payload: Uint8Array<ArrayBuffer>, count: number): Uint8Array<ArrayBuffer>;
  /** What crosses, of an engine's `count` positions. Throws ENGINE_FAILED where a value lies outside the range of half floats. */
  encode(hidden: Uint8Array<ArrayBuffer>, count: number): Uint8Array<ArrayBuffer>;
}

type Boundaries = Pick<SpanPlan, "boundaryIn" | "boundaryOut">;

export function wireForm({ wire }: Pick<OpenFrame, "wire">, { boundaryIn, boundaryOut }: Boundaries): WireForm {
  if (wire === undefined) return { boundaryIn, boundaryOut, decode: (payload) => payload, encode: (hidden) => hidden };
  return {
    boundaryIn: boundaryIn.map(asHalves),
    boundaryOut: boundaryOut.map(asHalves),
    decode: (payload, count) => byTensor(boundaryIn, payload, (tensor) => rowBytes(asHalves(tensor)) * count, unpackHalves),
    encode: (hidden, count) => byTensor(boundaryOut, hidden, (tensor) => rowBytes(tensor) * count, packed),
  };
}

/** The determinism class of what a peer of class `own` computes in a session. */
export const wireClass = ({ wire }: Pick<OpenFrame, "wire">, own: string): string => (wire === undefined ? own : `${own}/f16`);

const asHalves = (tensor: BoundaryTensor): BoundaryTensor => ({ ...tensor, type: "float16" });

/** Converts what is float32 in the graph, and leaves what is float16 there. */
function byTensor(
  boundary: readonly BoundaryTensor[],
  bytes: Uint8Array<ArrayBuffer>,
  bytesOf: (tensor: BoundaryTensor) => number,
  convert: (bytes: Uint8Array) => Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const tensor of boundary) {
    const part = bytes.subarray(at, at + bytesOf(tensor));
    parts.push(tensor.type === "float16" ? part : convert(part));
    at += part.byteLength;
  }
  return concatBytes(parts);
}

function packed(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const halves = packHalves(bytes);
  if (halves === undefined)
    throw new ManyhandsError(
      "ENGINE_FAILED",
      "this model's hidden states are too large for half floats: ask with exact numbers between tabs",
    );
  return halves;
}
