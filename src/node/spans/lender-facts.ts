// What a lending tab tells the directory of itself, and what it reads there of others for the plan. Pure.
import type { EngineReport } from "../../engine/contract.ts";
import type { PeerAnnouncement, PeerRecord } from "../../protocol/directory-frames.ts";
import { cacheBytesPerPosition, type SpanPlan } from "../../protocol/span-plan.ts";
import { isRouted } from "../../route/coverage.ts";
import { type PlacementModel, type PlacementPeer, workOf } from "../../route/layer-rates.ts";
import { type ModelId, type PeerId, type Span, spanLength } from "../../shared/ids.ts";
import type { HostKind } from "../state.ts";

const DEFAULTS = Object.freeze({
  /** Bytes to which free cache is rounded down: an announcement that changes with every session goes to everybody. */
  cacheStepBytes: 16 * 1024 * 1024,
});

export interface LenderFacts {
  readonly model: ModelId;
  readonly host: HostKind;
  readonly target: Span | undefined;
  readonly serving: readonly Span[];
  /** Of the span that is held; undefined while none is. */
  readonly engine: { readonly report: EngineReport; readonly plan: SpanPlan } | undefined;
  readonly maxLayers: number | undefined;
  readonly sessions: number;
  /** Positions that open sessions may fill. */
  readonly reservedPositions: number;
  readonly cacheBudgetBytes: number;
  readonly tokensServed: number;
}

/** What is unknown is left out, not told as zero. */
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
 * Layers that this device has room for, where that is fewer than the model has: only a limit that binds is told, so that
 * those without one share a model between them rather than each load it whole.
 */
export function roomFor(model: { readonly layerCount: number; fit?(span: Span): Span | undefined }): number | undefined {
  const room = model.fit?.({ start: 0, end: model.layerCount });
  return room && spanLength(room) < model.layerCount ? spanLength(room) : undefined;
}

/** The peers of a model as placement takes them; of itself a tab knows the target better than the directory does. */
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

/** A peer tells what its span takes by the layers in it; the head, where it has it, is work as well. */
function workMs({ layerMs, serving: [span] }: PeerRecord, model: PlacementModel): number | undefined {
  if (layerMs === null || span === undefined) return layerMs ?? undefined;
  return (layerMs * spanLength(span)) / workOf(model, span);
}

/** Whether routes still need `left` beside what its holder serves now and what others serve. */
export function isStillNeeded(left: Span, servedNow: readonly Span[], layerCount: number): boolean {
  return !isRouted(servedNow, layerCount) && isRouted([left, ...servedNow], layerCount);
}
