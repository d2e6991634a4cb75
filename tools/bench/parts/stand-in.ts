// A peer that only the directory knows: placement then gives a real tab the layers that are left.
import type { Relay } from "../../../relay/relay.ts";
import type { ModelId, PeerId, Span } from "../../../src/shared/ids.ts";
import { servingSpan } from "../../sim/serving-span.ts";

/** Milliseconds between heartbeats: well inside the directory's expiry. */
const HEARTBEAT_MS = 3000;

/** Announces that `peer` serves `span`, on behalf of `owner`, for as long as this process lives. */
export function announceStandIn(relay: Relay, owner: object, peer: PeerId, model: ModelId, span: Span): void {
  const announce = (): unknown =>
    relay.directory.announce(peer, owner, { ...servingSpan(model, span), layerMs: null, host: "volunteer" }, performance.now());
  announce();
  setInterval(announce, HEARTBEAT_MS).unref();
}
