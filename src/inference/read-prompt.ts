// Has a prompt read: over a session that was kept from an answer that began alike, or else over a fresh route. Before
// the first token is shown, a route that fails may be replaced by another one.
import type { TopLogits } from "../engine/contract.ts";
import type { Route } from "../route/plan-route.ts";
import { errorCode } from "../shared/errors.ts";
import type { ModelId, PeerId } from "../shared/ids.ts";
import { hopsOf } from "./answer-progress.ts";
import type { EventBuffer } from "./event-buffer.ts";
import type { GenerateEvent, RouteHop } from "./generate-event.ts";
import type { WireType } from "./log/wire-form.ts";
import { RouteSession, type RouteSessionOptions } from "./requester/route-session.ts";
import { HEADROOM_POSITIONS, type SessionShelf } from "./requester/session-shelf.ts";

const DEFAULTS = Object.freeze({
  /** Positions in a prefill step at most: so few that every span of a short route has a step while a prompt is read. */
  chunkPositions: 32,
  /** Routes that are tried at most. */
  attempts: 3,
});

export interface ReadPromptOptions extends Pick<RouteSessionOptions, "mesh" | "clock" | "random" | "findDetour"> {
  readonly model: { readonly id: ModelId; readonly contextLength: number; readonly vocabularySize: number };
  /** Yields `waiting` events; returns a route that leaves `exclude` out. Throws NO_ROUTE. */
  readonly findRoute: (exclude: ReadonlySet<PeerId>, signal: AbortSignal) => AsyncGenerator<GenerateEvent, Route>;
  /** Keeps sessions for prompts that begin alike. */
  readonly shelf?: SessionShelf;
}

/** The session that an answer needs. */
export interface SessionNeeds {
  /** Positions of prompt and answer together. */
  readonly maxPositions: number;
  readonly topK: number;
  readonly wire: WireType;
}

/** A session whose spans have read the prompt. */
export interface PromptRead {
  readonly session: RouteSession;
  readonly hops: readonly RouteHop[];
  /** After the prompt's last token. */
  readonly logits: TopLogits;
}

/**
 * Throws NO_ROUTE, PEER_LOST, PEER_UNREACHABLE, SESSION_REFUSED, another error of the route, or the signal's reason.
 */
export async function* readPrompt(
  options: ReadPromptOptions,
  prompt: readonly number[],
  needs: SessionNeeds,
  events: EventBuffer,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, PromptRead> {
  const again = yield* readOnKeptSession(options, prompt, needs, events, signal);
  if (again) return again;
  const { model, mesh, clock, random, findDetour, findRoute, shelf } = options;
  const exclude = new Set<PeerId>();
  const maxPositions = Math.min(model.contextLength, needs.maxPositions + (shelf ? HEADROOM_POSITIONS : 0));
  for (let attempt = 1; ; attempt++) {
    const route = yield* findRoute(exclude, signal);
    let session: RouteSession | undefined;
    try {
      session = await RouteSession.open(
        {
          mesh,
          clock,
          random,
          ...(findDetour && { findDetour }),
          model: model.id,
          vocabularySize: model.vocabularySize,
          route,
          ...needs,
          maxPositions,
          onEvent: (event) => events.push(event),
          onFailure: ({ peer }) => {
            if (peer !== undefined) exclude.add(peer);
          },
        },
        signal,
      );
      return yield* prefill(session, prompt, { keep: 0, self: mesh.self, events, signal });
    } catch (error) {
      await session?.close();
      signal.throwIfAborted();
      if (!isRouteFault(error) || attempt >= DEFAULTS.attempts) throw error;
      yield { kind: "waiting", reason: { kind: "retrying" }, progress: undefined };
    }
  }
}

/**
 * Goes on with the session of an answer that began like this one. Returns undefined if there is none, or if its route
 * fails.
 */
async function* readOnKeptSession(
  { model, mesh, shelf }: ReadPromptOptions,
  prompt: readonly number[],
  needs: SessionNeeds,
  events: EventBuffer,
  signal: AbortSignal,
): AsyncGenerator<GenerateEvent, PromptRead | undefined> {
  const kept = shelf?.claim({ model: model.id, prompt, ...needs });
  if (!kept) return undefined;
  const { session, keep } = kept;
  try {
    session.resume((event) => events.push(event));
    return yield* prefill(session, prompt, { keep, self: mesh.self, events, signal });
  } catch (error) {
    await session.close();
    signal.throwIfAborted();
    if (!isRouteFault(error)) throw error;
    return undefined;
  }
}

/** Steps the prompt in, of which the session holds the first `keep` positions. */
async function* prefill(
  session: RouteSession,
  prompt: readonly number[],
  of: { readonly keep: number; readonly self: PeerId; readonly events: EventBuffer; readonly signal: AbortSignal },
): AsyncGenerator<GenerateEvent, PromptRead> {
  let hops = hopsOf(session.route, of.self);
  yield { kind: "routed", hops };
  const reading = session.prefill(chunks(prompt.slice(of.keep), DEFAULTS.chunkPositions), of.signal, of.keep);
  for await (const event of of.events.until(reading)) {
    if (event.kind === "rerouted") hops = event.hops;
    yield event;
  }
  const { logits } = await reading;
  return { session, hops, logits };
}

/** Whether another route may be tried after `error`. */
function isRouteFault(error: unknown): boolean {
  const code = errorCode(error);
  return code === "PEER_LOST" || code === "PEER_UNREACHABLE" || code === "SESSION_REFUSED";
}

/**
 * `tokens` in the fewest chunks of at most `size`, of lengths that differ by one at most: no chunk is left with a
 * single position, for which the runtime's attention would use another kernel.
 */
export function chunks(tokens: readonly number[], size: number): readonly (readonly number[])[] {
  const count = Math.ceil(tokens.length / size);
  return Array.from({ length: count }, (_, index) =>
    tokens.slice(Math.floor((index * tokens.length) / count), Math.floor(((index + 1) * tokens.length) / count)),
  );
}
