// Replies to a requester's questions about a session that a span serves: hashes of the inputs and outputs, some of
// these as they were, or the whole log sent to another peer. `audit/audit-span.ts` is the other side.
import type { Engine } from "../../engine/contract.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import type { ReplayFrame, SampleFrame, TallyFrame } from "../../protocol/session-frames.ts";
import { concatBytes } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { SpanTally } from "../../shared/span-tally.ts";
import { sendLog } from "../log/log-replay.ts";
import { wireClass } from "../log/wire-form.ts";
import { openNext } from "./open-next.ts";
import { declining } from "./refusal.ts";
import type { ServedSession } from "./served-session.ts";

const DEFAULTS = Object.freeze({
  /** Questions of one session that are under way at once: two tallies, replays to three auditors, and their samples. */
  questions: 8,
});

export interface SessionQueriesOptions {
  readonly engine: Pick<Engine, "report">;
  readonly mesh: Pick<Mesh, "open">;
  readonly clock: Clock;
  readonly onTallied: (tally: SpanTally) => void;
}

export class SessionQueries {
  readonly #options: SessionQueriesOptions;
  /** Questions under way. */
  readonly #open = new WeakMap<ServedSession, number>();

  constructor(options: SessionQueriesOptions) {
    this.#options = options;
  }

  /** Replies to the requester of `session`. Never rejects: it declines if it cannot reply. */
  async reply(session: ServedSession, frame: TallyFrame | ReplayFrame | SampleFrame): Promise<void> {
    const open = this.#open.get(session) ?? 0;
    this.#open.set(session, open + 1);
    try {
      if (open >= DEFAULTS.questions) throw new ManyhandsError("SESSION_REFUSED", "too many questions at once");
      switch (frame.kind) {
        case "tally":
          await this.#tally(session, frame);
          return;
        case "replay":
          await this.#replay(session, frame);
          return;
        case "sample":
          await this.#sample(session, frame);
          return;
      }
    } catch (error) {
      if (!session.ended) await session.notify(declining(session.open.session, frame.id, error));
    } finally {
      this.#open.set(session, (this.#open.get(session) ?? 1) - 1);
    }
  }

  async #tally(session: ServedSession, { id, from, to }: TallyFrame): Promise<void> {
    if (from >= to || to > session.open.maxPositions) throw new ManyhandsError("POSITION_MISMATCH", "the session has no such positions");
    await session.computed(to);
    const { input, output } = await session.tally({ from, to });
    const { engine, onTallied } = this.#options;
    const { open, requester } = session;
    onTallied({
      session: open.session,
      model: open.model,
      span: { start: open.start, end: open.end },
      requester: requester.remote,
      upstream: session.previous,
      downstream: session.next ?? requester.remote,
      positions: { start: from, end: to },
      input,
      output,
      determinismClass: wireClass(open, engine.report.determinismClass),
      rowInvariant: engine.report.rowInvariant,
      isAudit: session.isAudit,
    });
    await session.notify({ kind: "tallied", session: open.session, id, input, output });
  }

  async #replay(session: ServedSession, { id, to, as, upTo, merge }: ReplayFrame): Promise<void> {
    const { outbox, open, signal } = session;
    if (outbox === undefined) throw new ManyhandsError("FRAME_UNEXPECTED", "the last span has no log of steps to send");
    await session.computed(upTo);
    const link = await openNext(this.#options, to, open, signal);
    try {
      await sendLog(outbox, session.wire.boundaryOut, link, { session: as, upTo, merge }, signal);
      await link.close();
    } catch (error) {
      link.abort(new ManyhandsError("PEER_LOST", "the replay ended"));
      throw error;
    }
    await session.signOfLife(id);
  }

  async #sample(session: ServedSession, { id, positions, inputsOnly }: SampleFrame): Promise<void> {
    const inputs = concatBytes(positions.map((position) => session.inputAt(position)));
    const outputs = inputsOnly ? [] : await Promise.all(positions.map((position) => session.outputAt(position)));
    const type =
      session.outbox === undefined
        ? "logits"
        : session.wire.boundaryOut.some((tensor) => tensor.type === "float16")
          ? "float16"
          : "float32";
    const header = { kind: "sampled", session: session.open.session, id, inputs, type };
    await session.requester.send(encodeFrame(header, concatBytes(outputs)));
  }
}
