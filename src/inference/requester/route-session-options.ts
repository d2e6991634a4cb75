// What a session over a route needs, what it gives, and how it fails: plain data and small ports.
import type { TopLogits } from "../../engine/contract.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import type { SpanTiming } from "../../protocol/session-frames.ts";
import type { Route } from "../../route/plan-route.ts";
import type { Clock } from "../../shared/clock.ts";
import { errorCode, type ManyhandsError } from "../../shared/errors.ts";
import type { ModelId, PeerId } from "../../shared/ids.ts";
import type { GenerateEvent } from "../generate-event.ts";
import type { DetourRequest } from "./plan-detour.ts";
import type { WireType } from "../log/wire-form.ts";

export interface RouteSessionDeps {
  readonly mesh: Pick<Mesh, "self" | "open">;
  readonly clock: Clock;
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  /** Yields what is waited for; returns a route over the survivors and others. Without it a lost peer ends the answer. */
  readonly findDetour?: (request: DetourRequest, signal: AbortSignal) => AsyncGenerator<GenerateEvent, Route>;
  /** Calls `onSilent` when something else than this session (heartbeat, directory) misses `peer`; answers how to stop. */
  readonly watch?: (peer: PeerId, onSilent: () => void) => () => void;
}

export interface RouteSessionOptions {
  readonly model: ModelId;
  readonly route: Route;
  readonly vocabularySize: number;
  /** Candidates to ask for at every step. */
  readonly topK: number;
  /** Positions that the session may come to hold. */
  readonly maxPositions: number;
  /** How hidden states cross; by default as the graph has them. */
  readonly wire?: WireType;
  /** Hears what is waited for, and what was rerouted. */
  readonly onEvent?: (event: GenerateEvent) => void;
}

export interface StepAnswer {
  /** After the last position. */
  readonly logits: TopLogits;
  /** After each position that logits were asked for, the last one last; fewer where the model gives no more. */
  readonly rows: readonly TopLogits[];
  /** One for each hop, in order. */
  readonly timings: readonly SpanTiming[];
}

/** What a route failed with, and at which peer, where that is known, so that the next try can go round it. */
export interface RouteFailure {
  readonly error: ManyhandsError;
  readonly peer: PeerId | undefined;
}

/** Whether another route may be tried after `error`. */
export function isRouteFault(error: unknown): boolean {
  const code = errorCode(error);
  return code === "PEER_LOST" || code === "PEER_UNREACHABLE" || code === "SESSION_REFUSED";
}

export interface StepOptions {
  /** Positions that are kept of those that are accepted: what comes after is dropped first. By default all. */
  readonly keep?: number;
  /** Last positions of the step to return logits after; by default 1. */
  readonly logitRows?: number;
}
