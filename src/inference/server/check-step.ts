// Checks every step before it is computed: does it name the past that this span holds of its session?
import type { OpenFrame, StepFrame } from "../../protocol/session-frames.ts";
import { type BoundaryTensor, boundaryBytesPerPosition } from "../../protocol/span-plan.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PrefixLog } from "../log/prefix-log.ts";
import type { InputLog } from "./input-log.ts";

/** The state of a session at a span. */
export interface HeldSession {
  /** Tensors of the payload, as they cross. */
  readonly boundaryIn: readonly BoundaryTensor[];
  readonly open: OpenFrame;
  readonly prefixes: PrefixLog;
  readonly inputs: InputLog;
}

/**
 * Returns whether the span has this step already. Throws SIZE_MISMATCH, SESSION_REFUSED, POSITION_MISMATCH,
 * PREFIX_MISMATCH, or REPLAY_MISMATCH if the span got another input at these positions before.
 */
export function checkStep({ boundaryIn, open, prefixes, inputs }: HeldSession, step: StepFrame, payload: Uint8Array): boolean {
  const expected = (open.start === 0 ? 4 : boundaryBytesPerPosition(boundaryIn)) * step.count;
  if (payload.byteLength !== expected)
    throw new ManyhandsError(
      "SIZE_MISMATCH",
      `a step of ${step.count} positions carries ${expected} bytes here, not ${payload.byteLength}`,
    );
  if (step.logitRows > step.count)
    throw new ManyhandsError("SIZE_MISMATCH", `a step of ${step.count} positions has no ${step.logitRows} rows of logits`);
  if (step.position + step.count > open.maxPositions)
    throw new ManyhandsError("POSITION_MISMATCH", `the session was opened for ${open.maxPositions} positions`);
  const held = prefixes.positions;
  const mayLookBack = step.truncate || step.replay;
  if (mayLookBack ? step.position > held : step.position !== held)
    throw new ManyhandsError(
      "POSITION_MISMATCH",
      `this span holds ${held} positions of the session, and the step comes after ${step.position}`,
    );
  if (!prefixes.matches(step.position, step.prefix))
    throw new ManyhandsError("PREFIX_MISMATCH", "the step follows another past than the one that this span holds");
  if (!step.replay) return false;
  const shared = prefixes.shared(step.position, step.chain);
  if (shared > 0 && !inputs.matches(step.position, payload, step.count, shared))
    throw new ManyhandsError("REPLAY_MISMATCH", "what was sent again is not what was sent before");
  // A step that the span has only in part is computed as a whole, because the replay's log has it as one chunk.
  return shared === step.count;
}
