// Whose step a span computes next: decoding before prompts before audits, and of each the session that was served longest ago.
import type { SessionId } from "../../shared/ids.ts";

const DEFAULTS = Object.freeze({
  /** Positions up to which a step counts as decoding, drafts included: it goes before other sessions' prompts. */
  decodePositions: 8,
  /** Decode steps in a row before a prompt that waits gets a turn: a prompt must not starve beside many answers. */
  decodesInRow: 8,
});

/** An audit's steps come when nothing else waits. */
export type Urgency = "decode" | "prompt" | "audit";

/** Of a step of `count` positions. */
export function urgencyOf(count: number, isAudit: boolean): Urgency {
  if (isAudit) return "audit";
  return count <= DEFAULTS.decodePositions ? "decode" : "prompt";
}

interface Waiting {
  readonly session: SessionId;
  readonly urgency: Urgency;
  readonly start: () => void;
}

/** One step at a time. A session hands in one step and waits for it before the next. */
export class StepTurns {
  #waiting: Waiting[] = [];
  #running = false;
  #decodes = 0;
  #turn = 0;
  /** The turn in which each session was last served. */
  readonly #servedAt = new Map<SessionId, number>();

  /** Settles like `work`, which starts in its turn. */
  async take<T>(session: SessionId, urgency: Urgency, work: () => Promise<T>): Promise<T> {
    if (this.#running) await new Promise<void>((start) => this.#waiting.push({ session, urgency, start }));
    this.#running = true;
    this.#servedAt.set(session, ++this.#turn);
    this.#decodes = urgency === "decode" ? this.#decodes + 1 : 0;
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  /** Forgets a session that has ended. */
  forget(session: SessionId): void {
    this.#servedAt.delete(session);
  }

  #next(): void {
    const chosen = this.#choose();
    if (chosen === undefined) {
      this.#running = false;
      return;
    }
    this.#waiting = this.#waiting.filter((other) => other !== chosen);
    chosen.start();
  }

  #choose(): Waiting | undefined {
    const of = (urgency: Urgency): readonly Waiting[] => this.#waiting.filter((each) => each.urgency === urgency);
    const [decodes, prompts] = [of("decode"), of("prompt")];
    const promptsTurn = decodes.length === 0 || (prompts.length > 0 && this.#decodes >= DEFAULTS.decodesInRow);
    const next = promptsTurn ? prompts : decodes;
    let best: Waiting | undefined;
    for (const each of next.length > 0 ? next : of("audit")) {
      if (best === undefined || this.#age(each) < this.#age(best)) best = each;
    }
    return best;
  }

  #age({ session }: Waiting): number {
    return this.#servedAt.get(session) ?? 0;
  }
}
