// The steps that one side of a session has sent to the next span, kept so that they can be sent again to a replacement.
import type { Link } from "../../mesh/ports/link.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import { HASH_BYTES, type SpanTiming } from "../../protocol/session-frames.ts";
import { sliceRows } from "../../protocol/boundary-rows.ts";
import type { BoundaryTensor } from "../../protocol/span-plan.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { SessionId } from "../../shared/ids.ts";
import type { BudgetedOutput, OutputBudget } from "./output-budget.ts";

/** A step's header, except for the fields that depend on whether it is sent for the first time. */
export interface StepHead {
  readonly position: number;
  readonly count: number;
  readonly prefix: Uint8Array;
  readonly chain: Uint8Array;
  readonly truncate: boolean;
  /** Part of a replay: later spans may have it already. */
  readonly replay: boolean;
  readonly logitRows: number;
  readonly timings: readonly SpanTiming[];
}

export interface LoggedStep {
  readonly head: StepHead;
  readonly payload: Uint8Array<ArrayBuffer>;
}

const HOLE = "the log of this span's outputs is no longer whole";

/** Returns the head of a step's first `count` positions, with the logits that were wanted of these. */
function cutHead(head: StepHead, count: number): StepHead {
  const logitRows = Math.max(0, head.logitRows - (head.count - count));
  return { ...head, count, chain: head.chain.slice(0, count * HASH_BYTES), logitRows };
}

interface Entry extends BudgetedOutput {
  readonly head: StepHead;
}

export interface OutboxOptions {
  readonly session: SessionId;
  /** Tensors of the payload, so that a step can be cut between its positions. */
  readonly boundary: readonly BoundaryTensor[];
  readonly budget: OutputBudget;
  /** The link to the next span closed, or the log cannot be sent again; `error` says why. */
  readonly onLost: (error: unknown) => void;
}

/** Sends every step once and in order over its present link. A new link gets all of them again, in the same chunks. */
export class Outbox {
  readonly #options: OutboxOptions;
  #entries: Entry[] = [];
  #indexes = 0;
  #link: Link | undefined;
  /** The entry to send next. */
  #cursor = 0;
  /** Entries before this one were sent over an earlier link, or could have been. */
  #replayUntil = 0;
  #flushing: Promise<void> | undefined;
  #freed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get link(): Link | undefined {
    return this.#link;
  }

  /** Positions in the log. */
  get positions(): number {
    const last = this.#entries.at(-1)?.head;
    return last === undefined ? 0 : last.position + last.count;
  }

  /** Whether something is still to be sent to a link that is there. */
  get isBehind(): boolean {
    return this.#link !== undefined && this.#cursor < this.#entries.length;
  }

  /** Adds the next step to the log; `flush` sends it. */
  append(head: StepHead, payload: Uint8Array<ArrayBuffer>): void {
    if (this.#freed) return;
    this.#entries.push({ index: this.#indexes++, head, payload });
    this.#options.budget.add(payload.byteLength);
  }

  /** Forgets the positions after `position`. A step on both sides of it keeps its first positions. */
  truncate(position: number): void {
    const at = this.#entries.findIndex(({ head }) => head.position + head.count > position);
    if (at < 0) return;
    const { session, budget, boundary } = this.#options;
    const dropped = this.#entries.splice(at);
    const [first] = dropped;
    if (first !== undefined && first.head.position < position) {
      const { head } = first;
      const count = position - head.position;
      // An output that is in the store is not cut: the log then has a hole, which a replay reports.
      const payload = first.payload && sliceRows(boundary, first.payload, head.count, 0, count);
      this.#entries.push({ index: this.#indexes++, head: cutHead(head, count), payload });
      budget.add(payload?.byteLength ?? 0);
    }
    budget.free(session, dropped, first?.index ?? 0);
    this.#cursor = Math.min(this.#cursor, this.#entries.length);
    this.#replayUntil = Math.min(this.#replayUntil, this.#entries.length);
  }

  /** Sends everything over `link` from now on, from the first step on. Returns how many positions are sent again. */
  relink(link: Link): number {
    this.unlink(new ManyhandsError("PEER_LOST", "another peer takes this place"));
    this.#link = link;
    this.#cursor = 0;
    this.#replayUntil = this.#entries.length;
    void link.closed.then(() => {
      if (this.#link === link) this.#lose(new ManyhandsError("PEER_LOST", "the next peer of the route left"));
    });
    void this.flush();
    return this.positions;
  }

  /**
   * Yields the steps that hold positions from `from` to `upTo`, oldest first; the last one is cut at `upTo`. Throws
   * ENGINE_FAILED if the log is no longer whole.
   */
  async *steps(upTo: number, from = 0): AsyncGenerator<LoggedStep, void> {
    for (const entry of [...this.#entries]) {
      const { head } = entry;
      if (head.position + head.count <= from) continue;
      if (head.position >= upTo) return;
      const payload = entry.payload ?? (await this.#read(entry));
      if (payload === undefined) throw new ManyhandsError("ENGINE_FAILED", HOLE);
      const count = Math.min(head.count, upTo - head.position);
      if (count === head.count) yield { head, payload };
      else yield { head: cutHead(head, count), payload: sliceRows(this.#options.boundary, payload, head.count, 0, count) };
    }
  }

  /** Sends nothing until there is another link. */
  unlink(reason: Error): void {
    const link = this.#link;
    this.#link = undefined;
    link?.abort(reason);
  }

  /** Resolves once all that can be sent is sent, and the log is within its budget. Never rejects. */
  async flush(): Promise<void> {
    if (this.isBehind) await (this.#flushing ??= this.#pump());
    if (this.#options.budget.isOver) await this.#spill();
  }

  /** Frees the log and closes the link. */
  async free(): Promise<void> {
    if (this.#freed) return;
    this.#freed = true;
    const link = this.#link;
    this.#link = undefined;
    this.#options.budget.free(this.#options.session, this.#entries, 0);
    this.#entries = [];
    this.#cursor = 0;
    await link?.close();
  }

  async #pump(): Promise<void> {
    try {
      for (let link = this.#link; link !== undefined && this.#cursor < this.#entries.length; link = this.#link) {
        const entry = this.#entries[this.#cursor] as Entry; // the cursor was just checked
        const payload = entry.payload ?? (await this.#read(entry));
        if (this.#link !== link || this.#entries[this.#cursor] !== entry) continue; // relinked or truncated meanwhile
        if (payload === undefined) {
          this.#lose(new ManyhandsError("ENGINE_FAILED", HOLE));
          return;
        }
        const isAgain = this.#cursor < this.#replayUntil;
        this.#cursor++;
        const { session } = this.#options;
        const { truncate, replay } = entry.head;
        const header = { kind: "step", session, ...entry.head, truncate: truncate && !isAgain, replay: replay || isAgain };
        try {
          await link.send(encodeFrame(header, payload));
        } catch (error) {
          if (this.#link === link) this.#lose(error);
        }
      }
    } finally {
      this.#flushing = undefined;
    }
  }

  #read(entry: Entry): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#options.budget.read(this.#options.session, entry);
  }

  #lose(error: unknown): void {
    this.unlink(new ManyhandsError("PEER_LOST", "this link is given up"));
    if (!this.#freed) this.#options.onLost(error);
  }

  /** Stores outputs that are sent, or that nobody is there to receive, oldest first: only a replay reads them again. */
  async #spill(): Promise<void> {
    const { budget, session } = this.#options;
    for (const entry of this.#entries.slice(0, this.#link === undefined ? undefined : this.#cursor)) {
      if (!budget.isOver || this.#freed) return;
      await budget.spill(session, entry);
    }
  }
}
