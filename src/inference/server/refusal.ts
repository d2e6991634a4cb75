// How a span says that a session cannot go on, or has lost a neighbour. Inner causes never leave this peer.
import { type DeclinedFrame, isRefusalCode, type OpenFrame, type RefusedFrame, type StrandedFrame } from "../../protocol/session-frames.ts";
import { ManyhandsError, errorMessage } from "../../shared/errors.ts";

/** Characters of a message that may cross. */
const MESSAGE_LENGTH = 400;

/** Any code that may not cross is told as ENGINE_FAILED. */
const codeOf = (error: unknown): RefusedFrame["code"] =>
  error instanceof ManyhandsError && isRefusalCode(error.code) ? error.code : "ENGINE_FAILED";

/** The frame that says why `session` is over here. */
export function refusal(session: OpenFrame["session"], error: unknown): RefusedFrame {
  return { kind: "refused", session, code: codeOf(error), message: errorMessage(error).slice(0, MESSAGE_LENGTH) };
}

/** The frame that says why `session` waits here for another neighbour. */
export function stranding(session: OpenFrame["session"], side: "previous" | "next", error: unknown): StrandedFrame {
  return { kind: "stranded", session, side, code: codeOf(error), message: errorMessage(error).slice(0, MESSAGE_LENGTH) };
}

/** The frame that says why what was asked under `id` cannot be had. */
export function declining(session: OpenFrame["session"], id: number, error: unknown): DeclinedFrame {
  return { kind: "declined", session, id, code: codeOf(error), message: errorMessage(error).slice(0, MESSAGE_LENGTH) };
}
