// What a lender announces to the directory, and what it reads there about other peers for the placement plan. Pure.
import type { EngineReport } from "../../engine/contract.ts";
import type { PeerAnnouncement, PeerRecord } from "../../protocol/directory-frames.ts";
import { cacheBytesPerPosition, type SpanPlan } from "../../protocol/span-plan.ts";
import { isRouted } from "../../route/coverage.ts";
import { type PlacementModel, type PlacementPeer, workOf } from "../../route/layer-rates.ts";
import { type ModelId, type PeerId, type Span, spanLength } from "../../shared/ids.ts";
import type { HostKind } from "../state.ts";

const DEFAULTS = Object.freeze({
  /** Bytes to which free cache is rounded down: otherwise every session would change the announcement. */
  cacheStepBytes: 16 * 1024 * 1024,
});

export interface LenderFacts {
  readonly model: ModelId;
  readonly host: HostKind;
  readonly target: Span | undefined;
  readonly serving: readonly Span[];
  /** Of the span that this tab holds; undefined while it holds none. */
  readonly engine: { readonly report: EngineReport; readonly plan: SpanPlan } | undefined;
  readonly maxLayers: number | undefined;
  readonly sessions: number;
  /** Positions that open sessions may fill. */
  readonly reservedPositions: number;
  readonly cacheBudgetBytes: number;
  readonly tokensServed: number;
}

/** Returns the announcement. Unknown facts are left out rather than announced as zero. */
export function announcementOf(facts: LenderFacts): PeerAnnouncement {
  const { engine, maxLayers } = facts;
  const takenBytes = engine ? facts.reservedPositions * cacheBytesPerPosition(engine.plan) : 0;
  const freeBytes = Math.max(0, facts.cacheBudgetBytes - takenBytes);
  return {
    model: facts.model,
    target: facts.target ?? null,
    serving: [...facts.serving],
    backend: engine?.report.backend ?? "wasm",
    layerMs: engine?.report.layerMs ?? null,
    sessions: facts.sessions,
    tokensServed: facts.tokensServed,
    host: facts.host,
    ...(maxLayers !== undefined && { maxLayers }),
    ...(engine && {
      determinismClass: engine.report.determinismClass,
      freeCacheBytes: freeBytes - (freeBytes % DEFAULTS.cacheStepBytes),
    }),
  };
}

/**
 * Returns how many layers fit this device, or undefined if the whole model does: a peer announces only a limit that
 * binds, so that peers without one share a model between them rather than each load all of it.
 */
export function maxLayersOf(model: { readonly layerCount: number; fit?(span: Span): Span | undefined }): number | undefined {
  const longest = model.fit?.({ start: 0, end: model.layerCount });
  return longest && spanLength(longest) < model.layerCount ? spanLength(longest) : undefined;
}

/** Returns a model's peers in the form that placement takes. This tab knows its own target before the directory. */
export function placementPeers(
  peers: readonly PeerRecord[],
  model: PlacementModel,
  self: PeerId,
  target: Span | undefined,
): readonly PlacementPeer[] {
  return peers.map((peer) => ({
    peer: peer.peer,
    joined: peer.joined,
    span: (peer.peer === self ? target : peer.target) ?? undefined,
    maxLayers: peer.maxLayers,
    layerMs: workMs(peer, model),
  }));
}

/** A peer announces milliseconds for each layer of its span; if the span has the head, that is work as well. */
function workMs({ layerMs, serving: [span] }: PeerRecord, model: PlacementModel): number | undefined {
  if (layerMs === null || span === undefined) return layerMs ?? undefined;
  return (layerMs * spanLength(span)) / workOf(model, span);
}

/** Whether routes still need the span `left`, which its holder has left, beside all spans that are served now. */
export function isStillNeeded(left: Span, servedNow: readonly Span[], layerCount: number): boolean {
  return !isRouted(servedNow, layerCount) && isRouted([left, ...servedNow], layerCount);
}
