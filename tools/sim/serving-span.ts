// What a peer of a simulated swarm tells the directory.
import type { PeerAnnouncement } from "../../src/protocol/directory-frames.ts";
import type { ModelId, Span } from "../../src/shared/ids.ts";

/** A page that serves `span`, idle, at a millisecond a layer. */
export const servingSpan = (model: ModelId, span: Span): PeerAnnouncement => ({
  model,
  target: span,
  serving: [span],
  backend: "wasm",
  layerMs: 1,
  sessions: 0,
  tokensServed: 0,
  host: "page",
});
