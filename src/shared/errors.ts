// The one error class of the project: a closed list of codes that callers act on, and a sentence for a person.

/** What went wrong, as something that a caller can act on. A code exists only if some caller does act on it. */
export type ErrorCode =
  | "BAD_INPUT" // a person or program asked for something that makes no sense; the message says what to change
  | "PROMPT_TOO_LONG" // the prompt leaves no room for an answer in the model's context
  | "MODEL_CORRUPT" // bytes of a model do not match their SHA-256, or are cut short
  | "MODEL_UNSUPPORTED" // a graph cannot be cut or run; the message says what to export instead
  | "MODEL_UNAVAILABLE" // bytes of a model could not be fetched from any source
  | "FRAME_MALFORMED" // no schema reads the frame
  | "FRAME_UNEXPECTED" // a well-formed frame comes at a time, or from a side, that the protocol does not allow
  | "SIZE_MISMATCH" // a payload does not fit its header
  | "FRAME_TOO_LARGE" // a frame is over the protocol's limits
  | "SESSION_UNKNOWN" // a frame is for a session that is not open here
  | "SESSION_FOREIGN" // a frame is for somebody else's session
  | "SESSION_REFUSED" // there is no room (cache budget, session count), or another span is served here
  | "PREFIX_MISMATCH" // the tokens before a step are not those that the cache holds
  | "POSITION_MISMATCH" // a step does not follow the last one
  | "REPLAY_MISMATCH" // a log that is sent again differs from the first time
  | "VERSION_MISMATCH" // a peer speaks another version of the protocol
  | "PEER_LOST" // a peer of the route left in the middle of an answer
  | "PEER_UNREACHABLE" // no link to a peer could be opened
  | "NO_ROUTE" // the peers present do not cover all layers
  | "RELAY_UNREACHABLE" // the relay does not reply
  | "LEDGER_UNAVAILABLE" // the ledger cannot write now; the sender keeps its receipts and sends them again
  | "ENGINE_FAILED" // the runtime failed while loading or running a span
  | "TASK_FAILED" // a task fails wherever it runs, or its results never agree
  | "TASK_REFUSED" // this volunteer does not compute the task: because of its kind, its form or its tiles
  | "INPUT_UNAVAILABLE" // the tiles that a task names could not be fetched
  | "BROWSER_UNSUPPORTED" // WebRTC, WebAssembly, workers or storage are missing
  | "TIMEOUT"; // no progress within the time that the caller gave

/** Every error that crosses a module's border. `cause` stays local and is never sent to a peer. */
export class ManyhandsError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "ManyhandsError";
    this.code = code;
  }
}

/** The code of any thrown value; undefined if it is not a ManyhandsError. */
export function errorCode(error: unknown): ErrorCode | undefined {
  return error instanceof ManyhandsError ? error.code : undefined;
}

/** A sentence for a log or a person from any thrown value. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
