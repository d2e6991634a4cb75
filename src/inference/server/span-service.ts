// The serving side of a peer: accepts links for one loaded span, reads their frames, and cuts links that break the
// protocol. Runs in the same thread as its engine. `requester/hop-link.ts` is the other side.
import type { Link } from "../../mesh/ports/link.ts";
import { decodeFrame } from "../../protocol/frame.ts";
import { readSessionHeader, type SessionHeader, type StepFrame } from "../../protocol/session-frames.ts";
import { withDeadline } from "../../shared/abort.ts";
import { type ErrorCode, errorCode, ManyhandsError } from "../../shared/errors.ts";
import { Emitter, type Observable } from "../../shared/events.ts";
import type { PeerId } from "../../shared/ids.ts";
import { PeerPlaces } from "../../shared/peer-places.ts";
import type { SpanTally } from "../../shared/span-tally.ts";
import type { ServedSession, ServedStep } from "./served-session.ts";
import { SessionQueries } from "./session-queries.ts";
import { isBreach, SpanSessions, type SpanSessionsOptions } from "./span-sessions.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which a link must send its first frame: a route's slowest prefill may come before it. */
  firstFrameMs: 60_000,
  /** Links that one peer may hold here at once: two for each session that it takes part in, and some to reconnect. */
  linksPerPeer: 64,
  /** Milliseconds for the last frame on a link that is cut. */
  lastFrameMs: 500,
});

/** All of it is plain data: a service in a worker passes it on to its page. */
export interface SpanServiceEvents {
  "span:served": ServedStep;
  /** A frame broke the protocol, and its link was closed. */
  "frame:refused": { readonly peer: PeerId; readonly code: ErrorCode };
  /** A requester was given the hashes of the span's inputs and outputs in its session. */
  "session:tallied": SpanTally;
  "sessions:changed": { readonly open: number; readonly reservedPositions: number };
}

export type SpanServiceOptions = SpanSessionsOptions;

/** Serves one span. Give `accept` the links that `mesh.handle(sessionProtocol(…), …)` brings. */
export class SpanService implements Observable<SpanServiceEvents> {
  readonly #options: SpanServiceOptions;
  readonly #sessions: SpanSessions;
  readonly #queries: SessionQueries;
  readonly #links = new PeerPlaces(DEFAULTS.linksPerPeer);
  readonly #emitter = new Emitter<SpanServiceEvents>();

  constructor(options: SpanServiceOptions) {
    this.#options = options;
    this.#sessions = new SpanSessions(options, () =>
      this.#emitter.emit("sessions:changed", { open: this.openSessions, reservedPositions: this.reservedPositions }),
    );
    this.#queries = new SessionQueries({ ...options, onTallied: (tally) => this.#emitter.emit("session:tallied", tally) });
    void options.engine.died.then(() => this.#drop());
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

  /**
   * Opens no sessions from now on. Resolves once the last one has ended; when the signal aborts, it ends all of them.
   */
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

  /** As `retire`, and asks the requesters to put another peer in this span's place. Until they have, it serves on. */
  async leave(signal: AbortSignal): Promise<void> {
    this.#sessions.sayLeaving(false);
    await this.retire(signal);
  }

  /** For a page that closes this instant: says so to every requester, and waits for nothing. */
  vanish(): void {
    this.#sessions.retire();
    this.#sessions.sayLeaving(true);
  }

  /** Ends every session. */
  async stop(): Promise<void> {
    this.#sessions.retire();
    await this.#sessions.endAll();
  }

  /**
   * Serves one link until it closes. Never throws: a breach of the protocol is counted, and costs the peer this link.
   */
  accept(link: Link): void {
    const leave = this.#links.acquire(link.remote);
    if (leave === undefined) this.#cut(link, new ManyhandsError("SESSION_REFUSED", "too many links from one peer"));
    else void this.#serve(link).finally(leave);
  }

  async #serve(link: Link): Promise<void> {
    let session: ServedSession | undefined;
    const idle = new AbortController();
    this.#options.clock.sleep(DEFAULTS.firstFrameMs, idle.signal).then(
      () => link.abort(new ManyhandsError("TIMEOUT", "the link was opened and not used")),
      () => {}, // the first frame came in time
    );
    try {
      for await (const bytes of link.frames) {
        idle.abort();
        const { header, payload } = decodeFrame(bytes);
        const frame = readSessionHeader(header);
        const isFirst: boolean = session === undefined;
        session ??= await this.#sessions.bind(link, frame);
        if (session === undefined || (frame.kind === "open" && isFirst)) continue;
        if (frame.session !== session.open.session) throw new ManyhandsError("SESSION_FOREIGN", "a link serves one session");
        if (frame.kind === "close" && session.requester === link) break;
        await this.#receive(session, link, frame, payload);
      }
    } catch (error) {
      await this.#fail(session, link, error);
    } finally {
      idle.abort();
      if (session?.requester === link) await this.#sessions.end(session);
      else session?.feederClosed(link, undefined);
    }
  }

  /** Receives a frame of an open session. Throws the rule that it breaks. */
  async #receive(session: ServedSession, link: Link, frame: SessionHeader, payload: Uint8Array): Promise<void> {
    if (session.ended) return;
    if (frame.kind === "step" && session.isFirst === (session.requester === link)) {
      const step = this.#step(session, link, frame, payload);
      // The requester's link also steers, and that must not wait behind a step. Any other link waits, which holds its
      // writer back.
      if (session.requester === link) step.catch((error: unknown) => this.#fail(session, link, error));
      else await step;
      return;
    }
    if (session.requester !== link) throw misplaced(frame);
    session.activeMs = this.#options.clock.now();
    // None of these is awaited: probes are answered while the next peer is called or a log is read.
    switch (frame.kind) {
      case "probe":
        void session.signOfLife(frame.id);
        return;
      case "relink":
        this.#sessions.relink(session, frame).catch((error: unknown) => this.#fail(session, link, error));
        return;
      case "tally":
      case "replay":
      case "sample":
        void this.#queries.reply(session, frame);
        return;
      default:
        throw misplaced(frame);
    }
  }

  async #step(session: ServedSession, link: Link, frame: StepFrame, payload: Uint8Array): Promise<void> {
    try {
      const served = await session.serve(frame, payload, link);
      if (served) this.#emitter.emit("span:served", served);
    } catch (error) {
      if (isBreach(error)) throw error;
      // A failure of this span: the link that brought the step did nothing wrong.
      await this.#sessions.fail(session, error);
    }
  }

  /**
   * A link failed or broke the protocol. The requester's link takes the session with it; without any other, the session
   * waits for a neighbour.
   */
  async #fail(session: ServedSession | undefined, link: Link, error: unknown): Promise<void> {
    if (session?.requester === link) await this.#refuse(session, error);
    else if (session && errorCode(error) !== "PEER_LOST") session.feederClosed(link, error);
    this.#cut(link, error);
  }

  /** Says why, before the link is cut, to a requester that still reads. */
  async #refuse(session: ServedSession, error: unknown): Promise<void> {
    const late = (): Error => new ManyhandsError("TIMEOUT", "the requester does not read");
    await withDeadline({ clock: this.#options.clock, ms: DEFAULTS.lastFrameMs, onTimeout: late }, session.signal, () =>
      session.refuse(error),
    ).catch(() => {}); // the link is cut all the same
  }

  async #drop(): Promise<void> {
    this.#sessions.retire();
    await this.#sessions.failAll(new ManyhandsError("PEER_LOST", "the span is no longer served here"));
  }

  #cut(link: Link, error: unknown): void {
    const code = errorCode(error) ?? "FRAME_MALFORMED";
    if (code !== "PEER_LOST") {
      this.#emitter.emit("frame:refused", { peer: link.remote, code });
      this.#options.log.warn("refused a frame and closed its link", { peer: link.remote, code, error: String(error) });
    }
    link.abort(error instanceof Error ? error : new ManyhandsError(code, "the link broke the protocol"));
  }
}

const misplaced = ({ kind }: SessionHeader): ManyhandsError =>
  new ManyhandsError("FRAME_UNEXPECTED", `"${kind}" has no place on this link now`);
