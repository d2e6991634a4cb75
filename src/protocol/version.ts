// Protocol ids and the hard limits that every decoder checks before it allocates.
import type { ModelId, Span } from "../shared/ids.ts";

/** Raised with every change of a shape that crosses a wire; written into CHANGELOG.md. */
export const PROTOCOL_VERSION = 5;

export const PROTOCOLS = Object.freeze({
  /** Tab to relay: what a peer holds, and who else holds what. */
  directory: "/manyhands/directory/1",
  /** Peer to peer: the negotiation of a direct connection. */
  rtc: "/manyhands/rtc/3",
  /** Peer to peer: sessions over spans of layers; `sessionProtocol` names one span's. */
  session: "/manyhands/session/2",
  /** Tab to relay: receipts, the account, reservations, storage challenges. */
  credit: "/manyhands/credit/2",
  /** Requester to whoever computed for it, or passed on what others computed: claims, countersignatures, receipts. */
  receipt: "/manyhands/receipt/1",
  /** Requester to volunteer: tasks lent, committed to, revealed. */
  task: "/manyhands/task/1",
});

/**
 * What a link to a served span is opened with: the span is a part of the name, so that a link reaches the worker that
 * holds it before anything is read from it, and is refused where nobody serves that span.
 */
export function sessionProtocol(model: ModelId, span: Span): string {
  return `${PROTOCOLS.session}/${model}/${span.start}-${span.end}`;
}

export const LIMITS = Object.freeze({
  /** Bytes of one frame, header and payload. 256 positions of two f32 tensors 4,096 wide are 8 MiB. */
  frameBytes: 9 * 1024 * 1024,
  /** Bytes of a frame's CBOR header: a step of `stepPositions` carries 16 bytes of running hash for each. */
  headerBytes: 64 * 1024,
  /** New positions in one step. */
  stepPositions: 512,
  /** Positions of one step after which logits may be wanted: a token and a draft. */
  logitRows: 17,
  /** Positions whose outputs are asked for at once. */
  sampledPositions: 8,
  /** Candidates in a frame of logits. */
  topLogits: 1024,
  /** Spans in a route: no supported model has more layers. */
  routeSpans: 128,
  /** Layers of a model. */
  layers: 512,
  /** Peers in a directory snapshot. */
  directoryPeers: 4096,
  /** Peers to which one peer tells its round trips: what a snapshot of that many peers has room for. */
  neighbours: 8,
  /** Characters of the name of a determinism class: runtime, version, backend, what was done to the weights. */
  classLength: 256,
  /** Characters of a name that a person or operator chose. */
  nameLength: 80,
});
