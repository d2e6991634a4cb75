// One session as a span serves it: checks that a step names its past, runs it, hands the result on.
import type { Engine } from "../engine/contract.ts";
import type { Link } from "../mesh/link.ts";
import { encodeFrame } from "../protocol/frame.ts";
import { isRefusalCode, type OpenFrame, type RefusedFrame, type StepFrame } from "../protocol/session-frames.ts";
import { boundaryBytesPerPosition } from "../protocol/span-plan.ts";
import { ManyhandsError, errorMessage } from "../shared/errors.ts";
import type { PeerId } from "../shared/ids.ts";
import { encodeLogits } from "./logits-payload.ts";
import { PrefixLog } from "./prefix-log.ts";

/** What a step cost and for whom: what the page counts, and later what is paid. */
export interface ServedStep {
  readonly requester: PeerId;
  readonly positions: number;
  readonly computeMs: number;
}

export class ServedSession {
  readonly engine: Engine;
  readonly open: OpenFrame;
  /** The requester's link: opens, is answered, and its closing ends the session. */
  readonly requester: Link;
  readonly #next: Link | undefined;
  readonly #prefixes: PrefixLog;
  #ended = false;

  constructor(engine: Engine, open: OpenFrame, requester: Link, next: Link | undefined) {
    this.engine = engine;
    this.open = open;
    this.requester = requester;
    this.#next = next;
    this.#prefixes = new PrefixLog(open.root);
  }

  /** Whether steps come over the requester's own link rather than from the span before. */
  get isFirst(): boolean {
    return this.open.start === 0;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Throws FRAME_MALFORMED or PREFIX_MISMATCH for a step that does not fit, before anything is computed. */
  check(step: StepFrame, payload: Uint8Array): void {
    const expected = this.isFirst ? 4 * step.count : boundaryBytesPerPosition(this.engine.plan.boundaryIn) * step.count;
    if (payload.byteLength !== expected)
      throw new ManyhandsError(
        "FRAME_MALFORMED",
        `a step of ${step.count} positions carries ${expected} bytes here, not ${payload.byteLength}`,
      );
    if (step.position + step.count > this.open.maxPositions)
      throw new ManyhandsError("FRAME_MALFORMED", `the session was opened for ${this.open.maxPositions} positions`);
    const inOrder = step.truncate ? step.position <= this.#prefixes.positions : step.position === this.#prefixes.positions;
    if (!inOrder || !this.#prefixes.matches(step.position, step.prefix)) {
      throw new ManyhandsError(
        "PREFIX_MISMATCH",
        `this span holds ${this.#prefixes.positions} positions of the session, the step follows another past`,
      );
    }
  }

  /** Runs a checked step and hands the result to the next span, or to the requester from the last. */
  async run(step: StepFrame, payload: Uint8Array): Promise<ServedStep> {
    const { session } = this.open;
    const dropped = step.position < this.#prefixes.positions;
    // The log moves before the engine does, so that a second step is checked against what will be true when it runs.
    this.#prefixes.truncate(step.position);
    this.#prefixes.append(step.chain);
    if (dropped) await this.engine.truncate(session, step.position);
    const bytes = payload.slice();
    const output = await this.engine.step({
      session,
      position: step.position,
      count: step.count,
      tokens: this.isFirst ? new Int32Array(bytes.buffer) : undefined,
      hidden: this.isFirst ? undefined : bytes,
      topK: this.open.topK,
    });
    const timings = [...step.timings, { start: this.open.start, end: this.open.end, computeMs: output.computeMs, waitMs: output.waitMs }];
    if (output.logits) {
      await this.requester.send(
        encodeFrame(
          { kind: "logits", session, position: output.position, topK: output.logits.ids.length, timings },
          encodeLogits(output.logits),
        ),
      );
    } else {
      await this.#next?.send(encodeFrame({ ...step, timings }, output.hidden));
    }
    return { requester: this.requester.remote, positions: step.count, computeMs: output.computeMs };
  }

  /** Tells the requester why the session cannot go on here, if it can still be told. */
  async refuse(error: unknown): Promise<void> {
    try {
      await this.requester.send(encodeFrame(refusal(this.open.session, error)));
    } catch {
      // The requester is gone: there is nobody left to tell.
    }
  }

  /** Frees the cache and closes the links. Idempotent. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await Promise.allSettled([this.engine.close(this.open.session), this.#next?.close(), this.requester.close()]);
  }
}

/** The frame that says why `session` is refused. Inner causes never leave this peer. */
export function refusal(session: OpenFrame["session"], error: unknown): RefusedFrame {
  // Any other code is told as ENGINE_FAILED.
  const code = error instanceof ManyhandsError && isRefusalCode(error.code) ? error.code : "ENGINE_FAILED";
  return { kind: "refused", session, code, message: errorMessage(error).slice(0, 400) };
}
