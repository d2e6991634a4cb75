// The frames by which a span says that a session cannot go on, that it has lost a neighbour, or that a question has no
// reply. Inner causes never leave this peer.
import { type DeclinedFrame, isRefusalCode, type OpenFrame, type RefusedFrame, type StrandedFrame } from "../../protocol/session-frames.ts";
import { ManyhandsError, errorMessage } from "../../shared/errors.ts";

/** Characters of a message that may cross. */
const MESSAGE_LENGTH = 400;

/** A code that may not cross becomes ENGINE_FAILED. */
const codeOf = (error: unknown): RefusedFrame["code"] =>
  error instanceof ManyhandsError && isRefusalCode(error.code) ? error.code : "ENGINE_FAILED";

/** Says why `session` is over here. */
export function refusal(session: OpenFrame["session"], error: unknown): RefusedFrame {
  return { kind: "refused", session, code: codeOf(error), message: errorMessage(error).slice(0, MESSAGE_LENGTH) };
}

/** Says why `session` waits here for another neighbour. */
export function stranding(session: OpenFrame["session"], side: "previous" | "next", error: unknown): StrandedFrame {
  return { kind: "stranded", session, side, code: codeOf(error), message: errorMessage(error).slice(0, MESSAGE_LENGTH) };
}

/** Says why question `id` has no other reply. */
export function declining(session: OpenFrame["session"], id: number, error: unknown): DeclinedFrame {
  return { kind: "declined", session, id, code: codeOf(error), message: errorMessage(error).slice(0, MESSAGE_LENGTH) };
}
