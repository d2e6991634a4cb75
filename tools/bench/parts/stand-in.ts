// A peer that exists only in the directory, so that placement gives the other layers to a real tab.
import type { Relay } from "../../../relay/relay.ts";
import type { ModelId, PeerId, Span } from "../../../src/shared/ids.ts";
import { servingSpan } from "../../sim/serving-span.ts";

/** Milliseconds between announcements: well below the directory's expiry. */
const ANNOUNCE_MS = 3000;

/** Announces that `peer` serves `span`, on behalf of `owner`, for as long as this process lives. */
export function announceStandIn(relay: Relay, owner: object, peer: PeerId, model: ModelId, span: Span): void {
  const announce = (): unknown =>
    relay.directory.announce(peer, owner, { ...servingSpan(model, span), layerMs: null, host: "volunteer" }, performance.now());
  announce();
  setInterval(announce, ANNOUNCE_MS).unref();
}
