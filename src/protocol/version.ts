// Protocol ids and the hard limits that every decoder checks before it allocates.
import type { ModelId, Span } from "../shared/ids.ts";

/** Raised with every change of a shape that crosses a wire. CHANGELOG.md lists each version. */
export const PROTOCOL_VERSION = 5;

export const PROTOCOLS = Object.freeze({
  /** Peer to relay: which spans this peer holds, and which ones the others hold. */
  directory: "/manyhands/directory/1",
  /** Peer to peer: the negotiation of a direct connection. */
  rtc: "/manyhands/rtc/3",
  /** Peer to peer: sessions over spans of layers. `sessionProtocol` gives the protocol id of one span. */
  session: "/manyhands/session/2",
  /** Peer to relay: receipts, the account, reservations, storage challenges. */
  credit: "/manyhands/credit/2",
  /** Requester to the peers that took part in its answers: claims, countersignatures, receipts. */
  receipt: "/manyhands/receipt/1",
  /** Requester to volunteer: tasks are assigned, committed to, revealed. */
  task: "/manyhands/task/1",
});

/**
 * The protocol id for links to a served span. The span is a part of it: a link reaches the worker that holds the span
 * before anything is read from the link, and is refused if no worker holds that span.
 */
export function sessionProtocol(model: ModelId, span: Span): string {
  return `${PROTOCOLS.session}/${model}/${span.start}-${span.end}`;
}

export const LIMITS = Object.freeze({
  /** Bytes of one frame, header and payload. 256 positions of two f32 tensors 4,096 wide are 8 MiB. */
  frameBytes: 9 * 1024 * 1024,
  /** Bytes of a frame's CBOR header: a step of `stepPositions` carries 16 bytes of running hash for each position. */
  headerBytes: 64 * 1024,
  /** New positions in one step. */
  stepPositions: 512,
  /** Positions of one step whose logits may be wanted: a token and a draft. */
  logitRows: 17,
  /** Positions whose outputs may be asked for at once. */
  sampledPositions: 8,
  /** Candidates in a frame of logits. */
  topLogits: 1024,
  /** Spans in a route: no supported model has more layers. */
  routeSpans: 128,
  /** Layers of a model. */
  layers: 512,
  /** Peers in a directory snapshot. */
  directoryPeers: 4096,
  /** Neighbours whose round trips one peer announces: a snapshot of `directoryPeers` peers has room for so many. */
  neighbours: 8,
  /** Characters of the name of a determinism class: runtime, version, backend, conversion of the weights. */
  classLength: 256,
  /** Characters of a name that a person or operator chose. */
  nameLength: 80,
});
