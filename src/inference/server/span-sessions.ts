// The sessions that are open at one span: opens, mends and ends them, and lets none stay that nobody wants any more.
import type { Link } from "../../mesh/ports/link.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import type { Engine } from "../../engine/contract.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import type { AliveFrame, OpenFrame, RelinkFrame, SessionHeader } from "../../protocol/session-frames.ts";
import { PROTOCOL_VERSION } from "../../protocol/version.ts";
import type { Clock } from "../../shared/clock.ts";
import { type ErrorCode, errorCode, ManyhandsError } from "../../shared/errors.ts";
import type { SessionId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { openNext } from "./open-next.ts";
import { OutputBudget } from "../log/output-budget.ts";
import { MemoryOutputStore, type OutputStore } from "../log/output-store.ts";
import { refusal } from "./refusal.ts";
import { ServedSession } from "./served-session.ts";
import { StepTurns } from "./step-turns.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds for which a session is kept that nobody steps, probes or mends: a requester that waits for a peer probes. */
  idleMs: 300_000,
  /** Sessions that ended here lately and whose late frames are dropped in silence. */
  remembered: 256,
});

/** What a peer can only get wrong by breaking the protocol; anything else is a failure of this span or its circumstances. */
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

export interface SpanSessionsDeps {
  /** The span that is served. */
  readonly engine: Engine;
  readonly mesh: Pick<Mesh, "open">;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the log of outputs goes past its share of memory; in memory all the same where there is none. */
  readonly outputs?: OutputStore;
}

export class SpanSessions {
  readonly #deps: SpanSessionsDeps;
  readonly #onChanged: () => void;
  readonly #sessions = new Map<SessionId, ServedSession>();
  readonly #budget: OutputBudget;
  readonly #turns = new StepTurns();
  #ended: readonly SessionId[] = [];
  #retired = false;

  constructor(deps: SpanSessionsDeps, onChanged: () => void) {
    this.#deps = deps;
    this.#onChanged = onChanged;
    this.#budget = new OutputBudget(deps.outputs ?? new MemoryOutputStore(), deps.log);
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

  /** Takes no new sessions. */
  retire(): void {
    this.#retired = true;
  }

  /** The session that a link's first frame speaks of. Undefined for one that is refused, or ended a moment ago. Throws a breach. */
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

  /** Gives a session other neighbours; answers when they are linked. Throws FRAME_UNEXPECTED. */
  async relink(session: ServedSession, { previous, next, id }: RelinkFrame): Promise<void> {
    if (previous !== null) session.setPrevious(previous);
    if (next !== null) {
      const { outbox, open } = session;
      if (outbox === undefined || session.isAudit)
        throw new ManyhandsError("FRAME_UNEXPECTED", "the last span hands its result to the requester");
      session.next = next.peer;
      outbox.unlink(new ManyhandsError("PEER_LOST", "another peer takes this place"));
      const turn = ++session.relinks;
      try {
        const link = await openNext(this.#deps, next, open, session.signal);
        if (session.ended || session.relinks !== turn) link.abort(new ManyhandsError("PEER_LOST", "this link is not needed any more"));
        else outbox.relink(link);
      } catch (error) {
        if (session.relinks === turn && error instanceof ManyhandsError) await session.strand("next", error);
        return;
      }
    }
    await session.tell(alive(session, id));
  }

  /** Ends a session for a reason of this span's own, and says so. */
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

  /** Tells every requester that this peer goes. */
  sayLeaving(now: boolean): void {
    for (const session of this.#sessions.values()) void session.tell({ kind: "leaving", session: session.open.session, now });
  }

  async #open(link: Link, open: OpenFrame): Promise<ServedSession | undefined> {
    const { engine, clock } = this.#deps;
    let session: ServedSession | undefined;
    try {
      this.#checkOpen(link, open);
      await engine.open(open.session, open.maxPositions);
      const deps = {
        engine,
        clock,
        turns: this.#turns,
        budget: this.#budget,
        onBroken: (error: unknown) => void this.#broken(open, error),
      };
      session = new ServedSession(deps, open, link);
      const opened = session;
      this.#sessions.set(open.session, session);
      this.#ended = this.#ended.filter((id) => id !== open.session);
      this.#onChanged();
      void link.closed.then(() => this.end(opened));
      void this.#watchIdle(session);
      if (open.next !== null) session.outbox?.relink(await openNext(this.#deps, open.next, open, session.signal));
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
    const { plan } = this.#deps.engine;
    if (open.version !== PROTOCOL_VERSION)
      throw new ManyhandsError("VERSION_MISMATCH", `this peer speaks version ${PROTOCOL_VERSION} of the protocol, not ${open.version}`);
    if (this.#sessions.has(open.session)) throw new ManyhandsError("SESSION_FOREIGN", "this session is open already");
    if (this.#retired || plan.model !== open.model || plan.span.start !== open.start || plan.span.end !== open.end)
      throw new ManyhandsError("SESSION_REFUSED", `layers ${open.start} to ${open.end - 1} of this model are not served here`);
    const isLast = plan.logits !== undefined;
    const wantsNext = !isLast && open.audit !== true;
    if (wantsNext !== (open.next !== null) || (open.start === 0 && open.previous !== link.remote))
      throw new ManyhandsError("FRAME_MALFORMED", "the route does not fit the span");
    if (open.maxPositions > plan.contextLength)
      throw new ManyhandsError("SESSION_REFUSED", `this model reads at most ${plan.contextLength} tokens`);
  }

  /** Ends a session whose requester has gone without a word. */
  async #watchIdle(session: ServedSession): Promise<void> {
    const { clock, log } = this.#deps;
    try {
      for (let leftMs: number = DEFAULTS.idleMs; leftMs > 0; leftMs = session.activeMs + DEFAULTS.idleMs - clock.now())
        await clock.sleep(leftMs, session.signal);
    } catch {
      return; // it ended otherwise
    }
    log.info("a session was not used any more and is freed", { session: session.open.session });
    await this.fail(session, new ManyhandsError("SESSION_REFUSED", "the session was not used for too long"));
  }
}

/** The sign of life that a session gives its requester. */
export function alive(session: ServedSession, id: number): AliveFrame {
  return { kind: "alive", session: session.open.session, id, position: session.positions, busy: session.busy };
}
