// The announcement of a peer of a simulated swarm.
import type { PeerAnnouncement } from "../../src/protocol/directory-frames.ts";
import type { ModelId, Span } from "../../src/shared/ids.ts";

/** The announcement of an idle page that serves `span` at a millisecond a layer. */
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
