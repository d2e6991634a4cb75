// How a session's hidden states cross from span to span: as the graph has them, or rounded to half floats, which are
// half the bytes. Spans hash, log and replay the rounded states, so that replays and audits stay exact.
import type { OpenFrame } from "../../protocol/session-frames.ts";
import { type BoundaryTensor, rowBytes, type SpanPlan } from "../../protocol/span-plan.ts";
import { concatBytes } from "../../shared/bytes.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { packHalves, unpackHalves } from "../../shared/half-floats.ts";

/** `float32`: as the graph has them, which may be float16. `float16`: all of them as half floats. */
export type WireType = "float32" | "float16";

export interface WireForm {
  /** Tensors in the payload of a step that comes in. */
  readonly boundaryIn: readonly BoundaryTensor[];
  /** Tensors in the payload of a step that goes out. */
  readonly boundaryOut: readonly BoundaryTensor[];
  /** Converts a payload of `count` positions to the input of the engine. */
  decode(payload: Uint8Array<ArrayBuffer>, count: number): Uint8Array<ArrayBuffer>;
  /**
   * Converts an engine's output of `count` positions to a payload. Throws ENGINE_FAILED if half floats cannot hold a
   * value.
   */
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

/** Returns the determinism class of a session's results at a peer of class `own`. */
export const wireClass = ({ wire }: Pick<OpenFrame, "wire">, own: string): string => (wire === undefined ? own : `${own}/f16`);

const asHalves = (tensor: BoundaryTensor): BoundaryTensor => ({ ...tensor, type: "float16" });

/** Converts the tensors that are float32 in the graph, and leaves those that are float16. */
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
