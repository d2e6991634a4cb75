// The serving side of a peer: takes links, opens sessions on the spans that are loaded, and refuses what breaks the protocol.
import type { Engine } from "../engine/contract.ts";
import type { Link } from "../mesh/link.ts";
import type { Mesh } from "../mesh/mesh.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame.ts";
import { type OpenFrame, readSessionHeader, type SessionHeader } from "../protocol/session-frames.ts";
import { sessionProtocol } from "../protocol/version.ts";
import type { Clock } from "../shared/clock.ts";
import { type ErrorCode, errorCode, ManyhandsError } from "../shared/errors.ts";
import { Emitter, type Observable } from "../shared/events.ts";
import type { PeerId, SessionId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import { refusal, ServedSession, type ServedStep } from "./served-session.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which a link must send its first frame: a route's slowest prefill may come before it. */
  firstFrameMs: 60_000,
  /** Milliseconds in which the next span must take a link. */
  nextLinkMs: 10_000,
  /** Links that one peer may hold here at once: two for each session it takes part in, and room to reconnect. */
  linksPerPeer: 64,
  /** Sessions that ended here lately and whose late frames are dropped in silence. */
  remembered: 256,
});

export interface SpanServiceEvents {
  "span:served": ServedStep;
  /** A frame that broke the protocol; its link was closed. */
  "frame:refused": { readonly peer: PeerId; readonly code: ErrorCode };
  "sessions:changed": { readonly open: number; readonly reservedPositions: number };
}

export interface SpanServiceDeps {
  /** The span that is served. */
  readonly engine: Engine;
  readonly mesh: Pick<Mesh, "open">;
  readonly clock: Clock;
  readonly log: Log;
}

/** Serves one span; hand `accept` what `mesh.handle(sessionProtocol(…), …)` brings. */
export class SpanService implements Observable<SpanServiceEvents> {
  readonly #deps: SpanServiceDeps;
  readonly #sessions = new Map<SessionId, ServedSession>();
  readonly #ended: SessionId[] = [];
  readonly #linksByPeer = new Map<PeerId, number>();
  readonly #emitter = new Emitter<SpanServiceEvents>();
  readonly #closing = new AbortController();

  #retired = false;

  constructor(deps: SpanServiceDeps) {
    this.#deps = deps;
    void deps.engine.died.then(() => this.#drop());
  }

  on<Name extends keyof SpanServiceEvents>(name: Name, listener: (payload: SpanServiceEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  get openSessions(): number {
    return this.#sessions.size;
  }

  /** Positions that the open sessions may fill, all together. */
  get reservedPositions(): number {
    let positions = 0;
    for (const { open } of this.#sessions.values()) positions += open.maxPositions;
    return positions;
  }

  /** Takes no new sessions; resolves when the last one has ended, or has been ended because the signal aborts. */
  async retire(signal: AbortSignal): Promise<void> {
    this.#retired = true;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stop();
        signal.removeEventListener("abort", done);
        resolve();
      };
      const stop = this.on("sessions:changed", ({ open }) => {
        if (open === 0) done();
      });
      signal.addEventListener("abort", done, { once: true });
      if (signal.aborted || this.openSessions === 0) done();
    });
    await this.#drop();
  }

  /** Ends every session. */
  async stop(): Promise<void> {
    this.#retired = true;
    this.#closing.abort();
    await Promise.all([...this.#sessions.values()].map((session) => this.#end(session)));
  }

  /** Serves one link until it closes. Never throws: what a peer breaks is counted and costs it the link. */
  accept(link: Link): void {
    const links = (this.#linksByPeer.get(link.remote) ?? 0) + 1;
    if (links > DEFAULTS.linksPerPeer) {
      this.#refuseLink(link, new ManyhandsError("SESSION_REFUSED", "too many links from one peer"));
      return;
    }
    this.#linksByPeer.set(link.remote, links);
    void this.#serve(link).finally(() => {
      const left = (this.#linksByPeer.get(link.remote) ?? 1) - 1;
      if (left > 0) this.#linksByPeer.set(link.remote, left);
      else this.#linksByPeer.delete(link.remote);
    });
  }

  async #serve(link: Link): Promise<void> {
    let session: ServedSession | undefined;
    const idle = new AbortController();
    const watchdog = this.#deps.clock.sleep(DEFAULTS.firstFrameMs, idle.signal).then(
      () => link.abort(new ManyhandsError("TIMEOUT", "the link was opened and not used")),
      () => {}, // the first frame came in time
    );
    try {
      for await (const bytes of link.frames) {
        idle.abort();
        const { header, payload } = decodeFrame(bytes);
        const frame = readSessionHeader(header);
        const first: boolean = session === undefined;
        session = session ?? (await this.#bind(link, frame));
        if (!session) continue;
        if (frame.session !== session.open.session) throw new ManyhandsError("SESSION_FOREIGN", "a link serves one session");
        if (frame.kind === "close" && session.requester === link) break;
        if (frame.kind === "open" && first) continue;
        if (frame.kind !== "step" || session.isFirst !== (session.requester === link))
          throw new ManyhandsError("FRAME_MALFORMED", `"${frame.kind}" has no place on this link`);
        session.check(frame, payload);
        await this.#step(session, () => session?.run(frame, payload));
      }
      if (session) await this.#lost(session, link);
    } catch (error) {
      this.#refuseLink(link, error);
      if (session && !session.ended) {
        await session.refuse(error);
        await this.#end(session);
      }
    } finally {
      idle.abort();
      await watchdog;
    }
  }

  /** A failure of this span or the next one ends the session; the link that brought the step did nothing wrong. */
  async #step(session: ServedSession, run: () => Promise<ServedStep> | undefined): Promise<void> {
    try {
      const served = await run();
      if (served) this.#emitter.emit("span:served", served);
    } catch (error) {
      if (session.ended) return;
      await session.refuse(error);
      await this.#end(session);
    }
  }

  /** The session that a link's first frame speaks of. Undefined for one that ended a moment ago. */
  async #bind(link: Link, frame: SessionHeader): Promise<ServedSession | undefined> {
    if (frame.kind === "open") return this.#open(link, frame);
    const session = this.#sessions.get(frame.session);
    if (!session) {
      if (this.#ended.includes(frame.session)) return undefined;
      throw new ManyhandsError("SESSION_UNKNOWN", "no such session is open here");
    }
    if (session.isFirst || session.open.previous !== link.remote)
      throw new ManyhandsError("SESSION_FOREIGN", "this session's steps come from another peer");
    return session;
  }

  async #open(link: Link, open: OpenFrame): Promise<ServedSession | undefined> {
    const { engine } = this.#deps;
    const { plan } = engine;
    try {
      if (this.#sessions.has(open.session)) throw new ManyhandsError("SESSION_FOREIGN", "this session is open already");
      if (this.#retired || plan.model !== open.model || plan.span.start !== open.start || plan.span.end !== open.end)
        throw new ManyhandsError("SESSION_REFUSED", `layers ${open.start} to ${open.end - 1} of this model are not served here`);
      const isLast = plan.logits !== undefined;
      if (isLast !== (open.next === null) || (open.start === 0 && open.previous !== link.remote))
        throw new ManyhandsError("FRAME_MALFORMED", "the route does not fit the span");
      if (open.maxPositions > plan.contextLength)
        throw new ManyhandsError("SESSION_REFUSED", `this model reads at most ${plan.contextLength} tokens`);
      await engine.open(open.session, open.maxPositions);
      const next = open.next === null ? undefined : await this.#openNext(open.next, open);
      const session = new ServedSession(engine, open, link, next);
      this.#sessions.set(open.session, session);
      this.#changed();
      void link.closed.then(() => this.#end(session));
      if (next) void next.closed.then(() => this.#lost(session, next));
      await link.send(encodeFrame({ kind: "opened", session: open.session }));
      return session;
    } catch (error) {
      if (errorCode(error) === "FRAME_MALFORMED" || errorCode(error) === "SESSION_FOREIGN") throw error;
      await link.send(encodeFrame(refusal(open.session, error)));
      await link.close();
      return undefined;
    }
  }

  async #openNext(next: NonNullable<OpenFrame["next"]>, open: OpenFrame): Promise<Link> {
    try {
      return await this.#deps.mesh.open(
        next.peer,
        sessionProtocol(open.model, { start: open.end, end: next.end }),
        AbortSignal.any([AbortSignal.timeout(DEFAULTS.nextLinkMs), this.#closing.signal]),
      );
    } catch (cause) {
      await this.#deps.engine.close(open.session);
      throw new ManyhandsError("PEER_UNREACHABLE", "the next peer of the route could not be reached", { cause });
    }
  }

  /** A link of the session closed: the requester's ends it, any other leaves it without a route. */
  async #lost(session: ServedSession, link: Link): Promise<void> {
    if (session.ended) return;
    if (session.requester !== link) await session.refuse(new ManyhandsError("PEER_LOST", "a neighbour in the route left"));
    await this.#end(session);
  }

  async #end(session: ServedSession): Promise<void> {
    if (!this.#sessions.delete(session.open.session)) return;
    this.#ended.push(session.open.session);
    if (this.#ended.length > DEFAULTS.remembered) this.#ended.shift();
    await session.end();
    this.#changed();
  }

  async #drop(): Promise<void> {
    this.#retired = true;
    for (const session of [...this.#sessions.values()]) {
      await session.refuse(new ManyhandsError("PEER_LOST", "the span is no longer served here"));
      await this.#end(session);
    }
  }

  #changed(): void {
    this.#emitter.emit("sessions:changed", { open: this.#sessions.size, reservedPositions: this.reservedPositions });
  }

  #refuseLink(link: Link, error: unknown): void {
    const code = errorCode(error) ?? "FRAME_MALFORMED";
    if (code !== "PEER_LOST") {
      this.#emitter.emit("frame:refused", { peer: link.remote, code });
      this.#deps.log.warn("refused a frame and closed its link", { peer: link.remote, code, error: String(error) });
    }
    link.abort(error instanceof Error ? error : new ManyhandsError(code, "the link broke the protocol"));
  }
}
