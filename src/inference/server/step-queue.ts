// The one queue in which a span's steps wait. Only the oldest step of each session may be computed; of these, decoding
// goes before prompts and prompts go before audits, and among equals the session that was served longest ago comes
// first. One step computes at a time. While its output is sent, a step of another session may compute; the session's
// own next step waits until the output is sent, which holds the session back if its next peer is slow.
import type { Clock } from "../../shared/clock.ts";
import type { SessionId } from "../../shared/ids.ts";

const DEFAULTS = Object.freeze({
  /** Positions up to which a step counts as decoding, drafts included. */
  decodePositions: 8,
  /** Decode steps in a row before a prompt that waits gets a turn: it must not starve beside many answers. */
  decodesInRow: 8,
});

export type Urgency = "decode" | "prompt" | "audit";

/** Returns the urgency of a step of `count` positions. */
export function urgencyOf(count: number, isAudit: boolean): Urgency {
  if (isAudit) return "audit";
  return count <= DEFAULTS.decodePositions ? "decode" : "prompt";
}

/** A step. Its methods are called in this order. */
export interface QueuedStep<Output, Result> {
  readonly session: SessionId;
  readonly urgency: Urgency;
  /** The step is now the oldest of its session. Returns whether to compute it. Throws if the step is wrong. */
  admit(): boolean;
  /** `waitMs`: milliseconds since the step was admitted. */
  compute(waitMs: number): Promise<Output>;
  /** Sends the output. The session's next step is admitted once this has settled. */
  deliver(output: Output): Promise<Result>;
}

interface Entry {
  readonly session: SessionId;
  readonly urgency: Urgency;
  admittedMs: number;
  readonly admit: () => boolean;
  /** Computes and delivers the step. */
  readonly run: () => Promise<void>;
  readonly drop: () => void;
  readonly fail: (error: unknown) => void;
}

export class StepQueue {
  readonly #clock: Pick<Clock, "now">;
  /** The steps of each session, oldest first. A step leaves once it is delivered. */
  readonly #lines = new Map<SessionId, Entry[]>();
  /** Admitted steps that wait to be computed: one of a session at most. */
  readonly #eligible = new Set<Entry>();
  #isComputing = false;
  #decodesInRow = 0;
  #turn = 0;
  /** The turn in which each session was last served. */
  readonly #servedAt = new Map<SessionId, number>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** Resolves with the result of `deliver`, or with undefined if the step is dropped. Throws the step's errors. */
  add<Output, Result>(step: QueuedStep<Output, Result>): Promise<Result | undefined> {
    const { session, urgency } = step;
    const result = Promise.withResolvers<Result | undefined>();
    const entry: Entry = {
      session,
      urgency,
      admittedMs: 0,
      admit: () => step.admit(),
      run: async () => {
        let output: Output;
        try {
          output = await step.compute(this.#clock.now() - entry.admittedMs);
        } finally {
          this.#isComputing = false;
          this.#computeNext();
        }
        result.resolve(await step.deliver(output));
      },
      drop: () => result.resolve(undefined),
      fail: result.reject,
    };
    const line = this.#lines.get(session);
    if (line) line.push(entry);
    else {
      this.#lines.set(session, [entry]);
      this.#admitNext(session);
    }
    return result.promise;
  }

  /** Forgets a session that has ended, and drops its steps. One that computes is finished. */
  forget(session: SessionId): void {
    this.#servedAt.delete(session);
    const line = this.#lines.get(session) ?? [];
    const [oldest] = line;
    const isRunning = oldest !== undefined && !this.#eligible.has(oldest);
    for (const entry of line.splice(isRunning ? 1 : 0)) {
      this.#eligible.delete(entry);
      entry.drop();
    }
    if (!isRunning) this.#lines.delete(session);
  }

  /** Makes the session's oldest step eligible. Steps that are not to be computed leave at once. */
  #admitNext(session: SessionId): void {
    const line = this.#lines.get(session) ?? [];
    for (let [oldest] = line; oldest !== undefined; [oldest] = line) {
      if (this.#admit(oldest)) {
        this.#computeNext();
        return;
      }
      line.shift();
    }
    this.#lines.delete(session);
  }

  #admit(entry: Entry): boolean {
    try {
      if (entry.admit()) {
        entry.admittedMs = this.#clock.now();
        this.#eligible.add(entry);
        return true;
      }
      entry.drop();
    } catch (error) {
      entry.fail(error);
    }
    return false;
  }

  #computeNext(): void {
    const next = this.#isComputing ? undefined : this.#choose();
    if (next === undefined) return;
    const { session, urgency } = next;
    this.#isComputing = true;
    this.#eligible.delete(next);
    this.#servedAt.set(session, ++this.#turn);
    this.#decodesInRow = urgency === "decode" ? this.#decodesInRow + 1 : 0;
    void next
      .run()
      .catch(next.fail)
      .then(() => {
        this.#lines.get(session)?.shift();
        this.#admitNext(session);
      });
  }

  #choose(): Entry | undefined {
    const of = (urgency: Urgency): readonly Entry[] => [...this.#eligible].filter((each) => each.urgency === urgency);
    const [decodes, prompts] = [of("decode"), of("prompt")];
    const isPromptsTurn = decodes.length === 0 || (prompts.length > 0 && this.#decodesInRow >= DEFAULTS.decodesInRow);
    const next = isPromptsTurn ? prompts : decodes;
    let best: Entry | undefined;
    for (const each of next.length > 0 ? next : of("audit")) {
      if (best === undefined || this.#servedTurn(each) < this.#servedTurn(best)) best = each;
    }
    return best;
  }

  #servedTurn({ session }: Entry): number {
    return this.#servedAt.get(session) ?? 0;
  }
}
