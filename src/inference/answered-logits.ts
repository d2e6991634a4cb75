// The logits that a session was answered with: reads new ones, and holds those of a replay against the first.
import { sha256 } from "@noble/hashes/sha2.js";
import type { TopLogits } from "../engine/contract.ts";
import type { LogitsFrame } from "../protocol/session-frames.ts";
import { bytesEqual, toHex } from "../shared/bytes.ts";
import { ManyhandsError } from "../shared/errors.ts";
import { decodeLogitRows } from "./logits-payload.ts";

export class AnsweredLogits {
  readonly #topK: number;
  readonly #vocabularySize: number;
  /** Rows and hash of the logits, by the running hash that they follow. */
  readonly #known = new Map<string, { readonly rows: number; readonly hash: Uint8Array }>();

  constructor({ topK, vocabularySize }: { readonly topK: number; readonly vocabularySize: number }) {
    this.#topK = topK;
    this.#vocabularySize = vocabularySize;
  }

  /**
   * The rows of an answer of which `logitRows` were asked for; one, where the model gives no more. Throws SIZE_MISMATCH or
   * FRAME_MALFORMED.
   */
  read(frame: LogitsFrame, payload: Uint8Array, logitRows: number): readonly TopLogits[] {
    if (frame.rows !== logitRows && !(frame.rows === 1 && logitRows > 1))
      throw new ManyhandsError("SIZE_MISMATCH", `${frame.rows} rows of logits were not asked for`);
    if (frame.topK !== (logitRows > 0 ? Math.min(this.#topK, this.#vocabularySize) : 0))
      throw new ManyhandsError("SIZE_MISMATCH", `${frame.topK} candidates were not asked for`);
    const rows = decodeLogitRows(payload, frame.rows, frame.topK, this.#vocabularySize);
    this.#known.set(toHex(frame.head), { rows: frame.rows, hash: sha256(payload) });
    return rows;
  }

  /**
   * An answer of a replay has to be what was answered before; what follows a part of a step has no logits. Throws
   * POSITION_MISMATCH for one that nobody asked for, REPLAY_MISMATCH.
   */
  readAgain(frame: LogitsFrame, payload: Uint8Array, acceptedPositions: number): void {
    const known = this.#known.get(toHex(frame.head));
    if (known === undefined && (frame.rows > 0 || frame.position > acceptedPositions))
      throw new ManyhandsError("POSITION_MISMATCH", "logits that nobody asked for");
    if (known?.rows === frame.rows && !bytesEqual(known.hash, sha256(payload)))
      throw new ManyhandsError("REPLAY_MISMATCH", "the logits are not those that were answered before");
  }
}
