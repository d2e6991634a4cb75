// The serving side of a peer: takes links for one loaded span, reads their frames, and refuses what breaks the protocol. Runs
// wherever its engine does; `route-session.ts` is the other side.
import type { Link } from "../../mesh/ports/link.ts";
import { decodeFrame } from "../../protocol/frame.ts";
import { readSessionHeader, type SessionHeader, type StepFrame } from "../../protocol/session-frames.ts";
import { withDeadline } from "../../shared/abort.ts";
import { type ErrorCode, errorCode, ManyhandsError } from "../../shared/errors.ts";
import { Emitter, type Observable } from "../../shared/events.ts";
import type { PeerId } from "../../shared/ids.ts";
import { PeerPlaces } from "../../shared/peer-places.ts";
import type { SpanTally } from "../../shared/span-tally.ts";
import type { ServedSession } from "./served-session.ts";
import type { ServedStep } from "./served-step.ts";
import { SessionQueries } from "./session-queries.ts";
import { alive, isBreach, SpanSessions, type SpanSessionsDeps } from "./span-sessions.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which a link must send its first frame: a route's slowest prefill may come before it. */
  firstFrameMs: 60_000,
  /** Links that one peer may hold here at once: two for each session it takes part in, and room to reconnect. */
  linksPerPeer: 64,
  /** Milliseconds for the last word on a link that is cut. */
  tellMs: 500,
});

/** Plain data all of it: a service in a worker tells it to its page. */
export interface SpanServiceEvents {
  "span:served": ServedStep;
  /** A frame that broke the protocol; its link was closed. */
  "frame:refused": { readonly peer: PeerId; readonly code: ErrorCode };
  /** What went through at some positions of a session, told to its requester. */
  "session:tallied": SpanTally;
  "sessions:changed": { readonly open: number; readonly reservedPositions: number };
}

export type SpanServiceDeps = SpanSessionsDeps;

/** Serves one span; hand `accept` what `mesh.handle(sessionProtocol(…), …)` brings. */
export class SpanService implements Observable<SpanServiceEvents> {
  readonly #deps: SpanServiceDeps;
  readonly #sessions: SpanSessions;
  readonly #answers: SessionQueries;
  readonly #links = new PeerPlaces(DEFAULTS.linksPerPeer);
  readonly #emitter = new Emitter<SpanServiceEvents>();

  constructor(deps: SpanServiceDeps) {
    this.#deps = deps;
    this.#sessions = new SpanSessions(deps, () =>
      this.#emitter.emit("sessions:changed", { open: this.openSessions, reservedPositions: this.reservedPositions }),
    );
    this.#answers = new SessionQueries({ ...deps, onTallied: (tally) => this.#emitter.emit("session:tallied", tally) });
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
    return this.#sessions.reservedPositions;
  }

  /** Bytes of outputs that the sessions' logs hold in memory. */
  get loggedBytes(): number {
    return this.#sessions.loggedBytes;
  }

  /** Links that are served now. */
  get openLinks(): number {
    return this.#links.taken;
  }

  /** Takes no new sessions; resolves when the last one has ended, or has been ended because the signal aborts. */
  async retire(signal: AbortSignal): Promise<void> {
    this.#sessions.retire();
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

  /** As `retire`, and asks the requesters to put somebody else in this span's place; it serves on until they have. */
  async leave(signal: AbortSignal): Promise<void> {
    this.#sessions.sayLeaving(false);
    await this.retire(signal);
  }

  /** For a page that is going away this instant: tells every requester, waits for nothing. */
  vanish(): void {
    this.#sessions.retire();
    this.#sessions.sayLeaving(true);
  }

  /** Ends every session. */
  async stop(): Promise<void> {
    this.#sessions.retire();
    await this.#sessions.endAll();
  }

  /** Serves one link until it closes. Never throws: what a peer breaks is counted and costs it the link. */
  accept(link: Link): void {
    const leave = this.#links.acquire(link.remote);
    if (leave === undefined) this.#refuseLink(link, new ManyhandsError("SESSION_REFUSED", "too many links from one peer"));
    else void this.#serve(link).finally(leave);
  }

  async #serve(link: Link): Promise<void> {
    let session: ServedSession | undefined;
    const idle = new AbortController();
    this.#deps.clock.sleep(DEFAULTS.firstFrameMs, idle.signal).then(
      () => link.abort(new ManyhandsError("TIMEOUT", "the link was opened and not used")),
      () => {}, // the first frame came in time
    );
    try {
      for await (const bytes of link.frames) {
        idle.abort();
        const { header, payload } = decodeFrame(bytes);
        const frame = readSessionHeader(header);
        const first: boolean = session === undefined;
        session ??= await this.#sessions.bind(link, frame);
        if (session === undefined || (frame.kind === "open" && first)) continue;
        if (frame.session !== session.open.session) throw new ManyhandsError("SESSION_FOREIGN", "a link serves one session");
        if (frame.kind === "close" && session.requester === link) break;
        await this.#take(session, link, frame, payload);
      }
    } catch (error) {
      await this.#fail(session, link, error);
    } finally {
      idle.abort();
      if (session?.requester === link) await this.#sessions.end(session);
      else session?.feederClosed(link, undefined);
    }
  }

  /** Takes a frame of a session that is open. Throws what it breaks. */
  async #take(session: ServedSession, link: Link, frame: SessionHeader, payload: Uint8Array): Promise<void> {
    if (session.ended) return;
    if (frame.kind === "step" && session.isFirst === (session.requester === link)) {
      const step = this.#step(session, link, frame, payload);
      // The requester's link also steers, and that must not wait behind a step. Any other link does, which holds its writer back.
      if (session.requester === link) step.catch((error: unknown) => this.#fail(session, link, error));
      else await step;
      return;
    }
    if (session.requester !== link) throw misplaced(frame);
    session.activeMs = this.#deps.clock.now();
    switch (frame.kind) {
      case "probe":
        void session.tell(alive(session, frame.id));
        return;
      // Not awaited: probes are answered while the next peer is called, and what else is asked is looked up.
      case "relink":
        this.#sessions.relink(session, frame).catch((error: unknown) => this.#fail(session, link, error));
        return;
      case "tally":
      case "replay":
      case "sample":
        void this.#answers.give(session, frame);
        return;
      default:
        throw misplaced(frame);
    }
  }

  async #step(session: ServedSession, link: Link, frame: StepFrame, payload: Uint8Array): Promise<void> {
    try {
      const served = await session.take(frame, payload, link);
      if (served) this.#emitter.emit("span:served", served);
    } catch (error) {
      if (isBreach(error)) throw error;
      // A failure of this span: the link that brought the step did nothing wrong.
      await this.#sessions.fail(session, error);
    }
  }

  /** A link failed or broke the protocol: the requester's takes the session with it, any other leaves it waiting for a neighbour. */
  async #fail(session: ServedSession | undefined, link: Link, error: unknown): Promise<void> {
    if (session?.requester === link) await this.#tellWhy(session, error);
    else if (session && errorCode(error) !== "PEER_LOST") session.feederClosed(link, error);
    this.#refuseLink(link, error);
  }

  /** Says why before the link is cut, to a requester that still reads. */
  async #tellWhy(session: ServedSession, error: unknown): Promise<void> {
    const late = (): Error => new ManyhandsError("TIMEOUT", "the requester does not read");
    await withDeadline({ clock: this.#deps.clock, ms: DEFAULTS.tellMs, onTimeout: late }, session.signal, () =>
      session.refuse(error),
    ).catch(() => {}); // it is cut all the same
  }

  async #drop(): Promise<void> {
    this.#sessions.retire();
    await this.#sessions.failAll(new ManyhandsError("PEER_LOST", "the span is no longer served here"));
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

const misplaced = ({ kind }: SessionHeader): ManyhandsError =>
  new ManyhandsError("FRAME_UNEXPECTED", `"${kind}" has no place on this link now`);
