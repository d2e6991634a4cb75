// The sessions that are open at one span: opens, relinks and ends them, and ends those that nobody uses any more.
import type { Engine } from "../../engine/contract.ts";
import type { Link } from "../../mesh/ports/link.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import type { OpenFrame, RelinkFrame, SessionHeader } from "../../protocol/session-frames.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import type { Clock } from "../../shared/clock.ts";
import { type ErrorCode, errorCode, ManyhandsError } from "../../shared/errors.ts";
import type { SessionId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { OutputBudget } from "../log/output-budget.ts";
import { MemoryOutputStore, type OutputStore } from "../log/output-store.ts";
import { openNext } from "./open-next.ts";
import { refusal } from "./refusal.ts";
import { ServedSession } from "./served-session.ts";
import { StepQueue } from "./step-queue.ts";

const DEFAULTS = Object.freeze({
  /**
   * Milliseconds for which a session stays open that nobody steps, probes or mends. A requester that waits for a peer
   * probes.
   */
  idleMs: 300_000,
  /** How many sessions that ended here are remembered, so that their late frames are dropped in silence. */
  remembered: 256,
});

/** Codes that mean that a peer broke the protocol. Any other failure is one of this span or of its circumstances. */
const BREACHES: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>([
  "FRAME_MALFORMED",
  "FRAME_TOO_LARGE",
  "FRAME_UNEXPECTED",
  "SIZE_MISMATCH",
  "POSITION_MISMATCH",
  "PREFIX_MISMATCH",
  "REPLAY_MISMATCH",
  "VERSION_MISMATCH",
  "SESSION_FOREIGN",
  "SESSION_UNKNOWN",
]);
export const isBreach = (error: unknown): boolean => BREACHES.has(errorCode(error));

export interface SpanSessionsOptions {
  /** The span that is served. */
  readonly engine: Engine;
  readonly mesh: Pick<Mesh, "open">;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the log of outputs goes when it exceeds its share of memory. Without one it stays in memory. */
  readonly outputs?: OutputStore;
}

export class SpanSessions {
  readonly #options: SpanSessionsOptions;
  readonly #onChanged: () => void;
  readonly #sessions = new Map<SessionId, ServedSession>();
  readonly #budget: OutputBudget;
  readonly #queue: StepQueue;
  #ended: readonly SessionId[] = [];
  #retired = false;

  constructor(options: SpanSessionsOptions, onChanged: () => void) {
    this.#options = options;
    this.#onChanged = onChanged;
    this.#budget = new OutputBudget(options.outputs ?? new MemoryOutputStore(), options.log);
    this.#queue = new StepQueue(options.clock);
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Positions that the open sessions may fill, all together. */
  get reservedPositions(): number {
    return [...this.#sessions.values()].reduce((sum, { open }) => sum + open.maxPositions, 0);
  }

  get loggedBytes(): number {
    return this.#budget.usedBytes;
  }

  /** Opens no sessions from now on. */
  retire(): void {
    this.#retired = true;
  }

  /**
   * Returns the session that a link's first frame opens or names; undefined if it is refused, or ended a moment ago.
   * Throws a breach.
   */
  async bind(link: Link, frame: SessionHeader): Promise<ServedSession | undefined> {
    if (frame.kind === "open") return this.#open(link, frame);
    const session = this.#sessions.get(frame.session);
    if (!session) {
      if (this.#ended.includes(frame.session)) return undefined;
      throw new ManyhandsError("SESSION_UNKNOWN", "no such session is open here");
    }
    session.feedFrom(link);
    return session;
  }

  /** Gives a session other neighbours, and replies once they are linked. Throws FRAME_UNEXPECTED. */
  async relink(session: ServedSession, { previous, next, id }: RelinkFrame): Promise<void> {
    if (previous !== null) session.setPrevious(previous);
    if (next !== null) {
      const { outbox, open } = session;
      if (outbox === undefined || session.isAudit)
        throw new ManyhandsError("FRAME_UNEXPECTED", "this span sends its results to no other span");
      session.next = next.peer;
      outbox.unlink(new ManyhandsError("PEER_LOST", "another peer takes this place"));
      const relink = ++session.relinks;
      try {
        const link = await openNext(this.#options, next, open, session.signal);
        if (session.ended || session.relinks !== relink) link.abort(new ManyhandsError("PEER_LOST", "this link is no longer needed"));
        else outbox.relink(link);
      } catch (error) {
        if (session.relinks === relink && error instanceof ManyhandsError) await session.strand("next", error);
        return;
      }
    }
    await session.signOfLife(id);
  }

  /** Ends a session for a reason of this span's own, and says so to its requester. */
  async fail(session: ServedSession, error: unknown): Promise<void> {
    if (session.ended) return;
    await session.refuse(error);
    await this.end(session);
  }

  async failAll(reason: Error): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => this.fail(session, reason)));
  }

  async end(session: ServedSession): Promise<void> {
    const { session: id } = session.open;
    if (this.#sessions.get(id) !== session) return;
    this.#sessions.delete(id);
    this.#ended = [...this.#ended, id].slice(-DEFAULTS.remembered);
    await session.end();
    this.#onChanged();
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => this.end(session)));
  }

  /** Says to every requester that this peer leaves. */
  sayLeaving(now: boolean): void {
    for (const session of this.#sessions.values()) void session.notify({ kind: "leaving", session: session.open.session, now });
  }

  async #open(link: Link, open: OpenFrame): Promise<ServedSession | undefined> {
    const { engine, clock } = this.#options;
    let session: ServedSession | undefined;
    try {
      this.#checkOpen(link, open);
      await engine.open(open.session, open.maxPositions);
      const options = {
        engine,
        clock,
        queue: this.#queue,
        budget: this.#budget,
        onBroken: (error: unknown) => void this.#broken(open, error),
      };
      session = new ServedSession(options, open, link);
      const opened = session;
      this.#sessions.set(open.session, session);
      this.#ended = this.#ended.filter((id) => id !== open.session);
      this.#onChanged();
      void link.closed.then(() => this.end(opened));
      void this.#watchIdle(session);
      if (open.next !== null) session.outbox?.relink(await openNext(this.#options, open.next, open, session.signal));
      await link.send(encodeFrame({ kind: "opened", session: open.session, rowInvariant: engine.report.rowInvariant }));
      return session;
    } catch (error) {
      if (isBreach(error)) throw error;
      if (session) await this.fail(session, error);
      else {
        await link.send(encodeFrame(refusal(open.session, error)));
        await link.close();
      }
      return undefined;
    }
  }

  #broken(open: OpenFrame, error: unknown): void {
    const session = this.#sessions.get(open.session);
    if (session) void this.fail(session, error);
  }

  #checkOpen(link: Link, open: OpenFrame): void {
    const { plan } = this.#options.engine;
    if (open.version !== PROTOCOL_VERSION)
      throw new ManyhandsError("VERSION_MISMATCH", `this peer speaks version ${PROTOCOL_VERSION} of the protocol, not ${open.version}`);
    if (this.#sessions.has(open.session)) throw new ManyhandsError("SESSION_FOREIGN", "this session is open already");
    if (this.#retired || plan.model !== open.model || plan.span.start !== open.start || plan.span.end !== open.end)
      throw new ManyhandsError("SESSION_REFUSED", `layers ${open.start} to ${open.end - 1} of this model are not served here`);
    const isLast = plan.logits !== undefined;
    const needsNext = !isLast && open.audit !== true;
    if (needsNext !== (open.next !== null) || (open.start === 0 && open.previous !== link.remote))
      throw new ManyhandsError("FRAME_MALFORMED", "the route does not fit the span");
    if (open.maxPositions > plan.contextLength)
      throw new ManyhandsError("SESSION_REFUSED", `this model reads at most ${plan.contextLength} tokens`);
  }

  /** Ends a session whose requester has gone without a word. */
  async #watchIdle(session: ServedSession): Promise<void> {
    const { clock, log } = this.#options;
    try {
      for (let leftMs: number = DEFAULTS.idleMs; leftMs > 0; leftMs = session.activeMs + DEFAULTS.idleMs - clock.now())
        await clock.sleep(leftMs, session.signal);
    } catch {
      return; // it has ended already
    }
    log.info("a session was not used for too long and is freed", { session: session.open.session });
    await this.fail(session, new ManyhandsError("SESSION_REFUSED", "the session was not used for too long"));
  }
}
