// Whether a step names the past that a span holds of its session: what every step is held against before it is computed.
import type { OpenFrame, StepFrame } from "../../protocol/session-frames.ts";
import { type BoundaryTensor, boundaryBytesPerPosition } from "../../protocol/span-plan.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { InputLog } from "./input-log.ts";
import type { PrefixLog } from "../log/prefix-log.ts";

/** What a span holds of a session. */
export interface HeldSession {
  /** As it crosses. */
  readonly boundaryIn: readonly BoundaryTensor[];
  readonly open: OpenFrame;
  readonly prefixes: PrefixLog;
  readonly inputs: InputLog;
}

/**
 * Whether the span holds this step already. Throws SIZE_MISMATCH, SESSION_REFUSED, POSITION_MISMATCH, PREFIX_MISMATCH, or
 * REPLAY_MISMATCH for a step that was held with another input.
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
      `this span holds ${held} positions of the session, the step comes after ${step.position}`,
    );
  if (!prefixes.matches(step.position, step.prefix))
    throw new ManyhandsError("PREFIX_MISMATCH", "the step follows another past than the one that this span holds");
  if (!step.replay) return false;
  const shared = prefixes.shared(step.position, step.chain);
  if (shared > 0 && !inputs.matches(step.position, payload, step.count, shared))
    throw new ManyhandsError("REPLAY_MISMATCH", "what was sent again is not what was sent before");
  // A step that is held in part, or goes on otherwise, is computed as a whole: with the chunk that the log has.
  return shared === step.count;
}
