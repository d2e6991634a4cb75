// What a span tells of a session that it serves, when its requester asks: hashes of what went in and came out, some of it as it
// was, or all of it to another peer. `audit-span.ts` is the other side.
import type { Engine } from "../../engine/contract.ts";
import type { Mesh } from "../../mesh/ports/mesh.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import type { ReplayFrame, SampleFrame, TallyFrame } from "../../protocol/session-frames.ts";
import type { Clock } from "../../shared/clock.ts";
import { concatBytes } from "../../shared/bytes.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { SpanTally } from "../../shared/span-tally.ts";
import { sendLog } from "../log/log-replay.ts";
import { openNext } from "./open-next.ts";
import { declining } from "./refusal.ts";
import type { ServedSession } from "./served-session.ts";
import { alive } from "./span-sessions.ts";
import { wireClass } from "../log/wire-form.ts";

const DEFAULTS = Object.freeze({
  /** Questions of one session under way: two tallies, replays to three auditors, and their samples. */
  questions: 8,
});

export interface SpanAnswersDeps {
  readonly engine: Pick<Engine, "report">;
  readonly mesh: Pick<Mesh, "open">;
  readonly clock: Clock;
  readonly onTallied: (tally: SpanTally) => void;
}

export class SessionQueries {
  readonly #deps: SpanAnswersDeps;
  readonly #asked = new WeakMap<ServedSession, number>();

  constructor(deps: SpanAnswersDeps) {
    this.#deps = deps;
  }

  /** Answers the requester of `session`. Never rejects: what cannot be had is declined. */
  async give(session: ServedSession, frame: TallyFrame | ReplayFrame | SampleFrame): Promise<void> {
    const asked = this.#asked.get(session) ?? 0;
    this.#asked.set(session, asked + 1);
    try {
      if (asked >= DEFAULTS.questions) throw new ManyhandsError("SESSION_REFUSED", "too many questions at once");
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
      if (!session.ended) await session.tell(declining(session.open.session, frame.id, error));
    } finally {
      this.#asked.set(session, (this.#asked.get(session) ?? 1) - 1);
    }
  }

  async #tally(session: ServedSession, { id, from, to }: TallyFrame): Promise<void> {
    if (from >= to || to > session.open.maxPositions) throw new ManyhandsError("POSITION_MISMATCH", "the session has no such positions");
    await session.computed(to);
    const { input, output } = await session.tally({ from, to });
    const { engine, onTallied } = this.#deps;
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
    await session.tell({ kind: "tallied", session: open.session, id, input, output });
  }

  async #replay(session: ServedSession, { id, to, as, upTo, merge }: ReplayFrame): Promise<void> {
    const { outbox, open, signal } = session;
    if (outbox === undefined) throw new ManyhandsError("FRAME_UNEXPECTED", "the last span has nobody to send its results to");
    await session.computed(upTo);
    const link = await openNext(this.#deps, to, open, signal);
    try {
      await sendLog(outbox, session.wire.boundaryOut, link, { session: as, upTo, merge }, signal);
      await link.close();
    } catch (error) {
      link.abort(new ManyhandsError("PEER_LOST", "the replay ended"));
      throw error;
    }
    await session.tell(alive(session, id));
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
