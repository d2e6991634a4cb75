// One generation over a route, as the requester drives it: opens every span, steps new tokens in, awaits logits.
import type { TopLogits } from "../engine/contract.ts";
import type { Link } from "../mesh/link.ts";
import type { Mesh } from "../mesh/mesh.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame.ts";
import { HASH_BYTES, readSessionHeader, type SessionHeader, type SpanTiming } from "../protocol/session-frames.ts";
import { sessionProtocol } from "../protocol/version.ts";
import type { Hop, Route } from "../route/plan-route.ts";
import { abortable, withDeadline } from "../shared/abort.ts";
import { toHex } from "../shared/bytes.ts";
import { ManyhandsError, errorMessage } from "../shared/errors.ts";
import { asSessionId, type ModelId, type PeerId, type SessionId } from "../shared/ids.ts";
import { decodeLogits } from "./logits-payload.ts";
import { chainTokens, PrefixLog } from "./prefix-log.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which a peer must take a link and open its span. */
  openMs: 10_000,
  /** Milliseconds in which a step must come back: the slowest prefill on a slow peer. */
  stepMs: 120_000,
});

export interface RouteSessionDeps {
  readonly mesh: Pick<Mesh, "self" | "open">;
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
}

export interface RouteSessionOptions {
  readonly model: ModelId;
  readonly route: Route;
  readonly vocabularySize: number;
  /** Candidates to ask for at every step. */
  readonly topK: number;
  /** Positions that the session may come to hold. */
  readonly maxPositions: number;
}

export interface StepAnswer {
  readonly logits: TopLogits;
  /** One for each hop, in order. */
  readonly timings: readonly SpanTiming[];
}

/** What a route failed with, and at which peer, where that is known, so that the next try can go round it. */
export interface RouteFailure {
  readonly error: ManyhandsError;
  readonly peer: PeerId | undefined;
}

export class RouteSession {
  readonly #options: RouteSessionOptions;
  readonly #id: SessionId;
  readonly #links: Link[] = [];
  readonly #prefixes: PrefixLog;
  readonly #opened: (() => void)[] = [];
  readonly #openHops = new Set<number>();
  #pending: { resolve: (answer: StepAnswer) => void; position: number } | undefined;
  #failure: RouteFailure | undefined;
  #fail: (failure: RouteFailure) => void = () => {};
  readonly #failed: Promise<RouteFailure>;
  #closed = false;

  private constructor(options: RouteSessionOptions, id: SessionId, root: Uint8Array) {
    this.#options = options;
    this.#id = id;
    this.#prefixes = new PrefixLog(root);
    this.#failed = new Promise((resolve) => {
      this.#fail = (failure) => {
        this.#failure ??= failure;
        resolve(this.#failure);
      };
    });
  }

  /**
   * Opens `route`'s spans, all at once. Throws PEER_UNREACHABLE, PEER_LOST, SESSION_REFUSED or the signal's reason;
   * `onFailure` hears which peer it was.
   */
  static async open(
    deps: RouteSessionDeps,
    options: RouteSessionOptions,
    signal: AbortSignal,
    onFailure: (failure: RouteFailure) => void,
  ): Promise<RouteSession> {
    const root = deps.random(new Uint8Array(HASH_BYTES));
    const id = asSessionId(toHex(deps.random(new Uint8Array(16))));
    const session = new RouteSession(options, id, root);
    void session.#failed.then(onFailure);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(DEFAULTS.openMs)]);
    try {
      await Promise.all(options.route.map((hop, index) => session.#openHop(deps.mesh, hop, index, root, limit)));
      return session;
    } catch (error) {
      if (limit.aborted && !signal.aborted) {
        const silent = options.route.find((_, index) => !session.#openHops.has(index));
        session.#blame(silent, "PEER_UNREACHABLE", `a peer of the route did not answer within ${DEFAULTS.openMs / 1000} s`, error);
      }
      const failure = session.#failure; // before closing, which ends whatever still waits
      await session.close();
      signal.throwIfAborted();
      throw failure?.error ?? error;
    }
  }

  /** Accepted positions. */
  get positions(): number {
    return this.#prefixes.positions;
  }

  /** Accepts `tokens` after those that are accepted. Throws as `open` does, and TIMEOUT. */
  async step(tokens: readonly number[], signal: AbortSignal): Promise<StepAnswer> {
    signal.throwIfAborted();
    if (this.#failure) throw this.#failure.error;
    const [first] = this.#links;
    const [firstHop] = this.#options.route;
    if (!first || !firstHop || this.#pending) throw new ManyhandsError("BAD_INPUT", "a session takes one step at a time, while it is open");
    const position = this.#prefixes.positions;
    const prefix = this.#prefixes.head.slice();
    const chain = chainTokens(prefix, tokens);
    this.#prefixes.append(chain);
    const answer = new Promise<StepAnswer>((resolve) => {
      this.#pending = { resolve, position: position + tokens.length };
    });
    const payload = new Uint8Array(Int32Array.from(tokens).buffer);
    const header = { kind: "step", session: this.#id, position, count: tokens.length, prefix, chain, truncate: false, timings: [] };
    const tooLate = (): Error => new ManyhandsError("TIMEOUT", `no answer within ${DEFAULTS.stepMs / 1000} s`);
    try {
      return await withDeadline(signal, DEFAULTS.stepMs, tooLate, async (limit) => {
        await first
          .send(encodeFrame(header, payload), limit)
          .catch((cause: unknown) => this.#blame(firstHop, "PEER_LOST", "the first peer of the route left", cause));
        return abortable(Promise.race([answer, this.#failed.then(({ error }) => Promise.reject(error))]), limit);
      });
    } finally {
      this.#pending = undefined;
    }
  }

  /** Tells every span to free the session. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#fail({ peer: undefined, error: new ManyhandsError("PEER_LOST", "the session was closed") });
    await Promise.allSettled(
      this.#links.map(async (link) => {
        await link.send(encodeFrame({ kind: "close", session: this.#id }));
        await link.close();
      }),
    );
  }

  async #openHop(mesh: Pick<Mesh, "self" | "open">, hop: Hop, index: number, root: Uint8Array, signal: AbortSignal): Promise<void> {
    const { route, model, topK, maxPositions } = this.#options;
    let link: Link;
    try {
      link = await mesh.open(hop.peer, sessionProtocol(model, hop.span), signal);
    } catch (cause) {
      this.#blame(hop, "PEER_UNREACHABLE", "a peer of the route could not be reached", cause);
      throw cause;
    }
    if (this.#closed) {
      await link.close();
      return;
    }
    this.#links[index] = link;
    const opened = new Promise<void>((resolve) => {
      this.#opened[index] = resolve;
    });
    void this.#read(link, hop, index);
    const previous = route[index - 1]?.peer ?? mesh.self;
    const after = route[index + 1];
    const next = after ? { peer: after.peer, end: after.span.end } : null;
    await link.send(
      encodeFrame({
        kind: "open",
        session: this.#id,
        model,
        start: hop.span.start,
        end: hop.span.end,
        previous,
        next,
        root,
        topK,
        maxPositions,
      }),
      signal,
    );
    await abortable(Promise.race([opened, this.#failed.then(({ error }) => Promise.reject(error))]), signal);
  }

  async #read(link: Link, hop: Hop, index: number): Promise<void> {
    try {
      for await (const bytes of link.frames) {
        const { header, payload } = decodeFrame(bytes);
        this.#take(readSessionHeader(header), payload, hop, index);
      }
      this.#blame(hop, "PEER_LOST", "a peer of the route left");
    } catch (error) {
      if (error instanceof ManyhandsError && error.code !== "PEER_LOST") link.abort(error);
      this.#blame(hop, "PEER_LOST", `a peer of the route failed: ${errorMessage(error)}`, error);
    }
  }

  #take(frame: SessionHeader, payload: Uint8Array, hop: Hop, index: number): void {
    if (frame.session !== this.#id) throw new ManyhandsError("SESSION_FOREIGN", "the peer answered for another session");
    switch (frame.kind) {
      case "opened":
        this.#openHops.add(index);
        this.#opened[index]?.();
        return;
      case "refused":
        this.#blame(this.#guilty(frame.code, index), frame.code, frame.message);
        return;
      case "logits": {
        const pending = this.#pending;
        if (
          index !== this.#options.route.length - 1 ||
          frame.position !== pending?.position ||
          frame.timings.length !== this.#options.route.length
        ) {
          throw new ManyhandsError("FRAME_MALFORMED", "logits that nobody asked for");
        }
        pending.resolve({ logits: decodeLogits(payload, frame.topK, this.#options.vocabularySize), timings: frame.timings });
        return;
      }
      case "open":
      case "step":
      case "close":
        throw new ManyhandsError("FRAME_MALFORMED", `"${frame.kind}" is not for a requester`);
    }
  }

  /** Who to go round: a span that cannot reach the next one, or lost a neighbour, did nothing wrong itself. */
  #guilty(code: ManyhandsError["code"], index: number): Hop | undefined {
    if (code === "PEER_LOST") return undefined; // either neighbour; the link to the lost one tells which
    return this.#options.route[code === "PEER_UNREACHABLE" ? index + 1 : index];
  }

  #blame(hop: Hop | undefined, code: ManyhandsError["code"], message: string, cause?: unknown): void {
    if (this.#closed) return; // closing a session closes its links: nobody's fault
    this.#fail({ peer: hop?.peer, error: new ManyhandsError(code, message, { cause }) });
  }
}
