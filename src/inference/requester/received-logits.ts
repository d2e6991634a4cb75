// The logits that a session has received: reads new ones, and compares those that a replay brings with the first ones.
import type { TopLogits } from "../../engine/contract.ts";
import { HASH_BYTES, type LogitsFrame } from "../../protocol/session-frames.ts";
import { bytesEqual, toHex } from "../../shared/bytes.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { LogitsLog } from "../log/logits-log.ts";
import { decodeLogitRows, splitLogitRows } from "../log/logits-payload.ts";
import { hashBytes } from "../log/row-hashes.ts";

export class ReceivedLogits {
  /** The accepted rows, by position. */
  readonly rows = new LogitsLog();
  readonly #topK: number;
  readonly #vocabularySize: number;
  /** By the running hash after a row: hashes of the rows of its step, from the first one to this one. */
  readonly #known = new Map<string, readonly Uint8Array[]>();

  constructor({ topK, vocabularySize }: { readonly topK: number; readonly vocabularySize: number }) {
    this.#topK = topK;
    this.#vocabularySize = vocabularySize;
  }

  /**
   * Reads the `logitRows` rows that were asked for; one row if the model gives no more. `chain` holds the running
   * hashes of the step. Throws SIZE_MISMATCH or FRAME_MALFORMED.
   */
  read(frame: LogitsFrame, payload: Uint8Array, logitRows: number, chain: Uint8Array): readonly TopLogits[] {
    if (frame.rows !== logitRows && !(frame.rows === 1 && logitRows > 1))
      throw new ManyhandsError("SIZE_MISMATCH", `${frame.rows} rows of logits were not asked for`);
    if (frame.topK !== (logitRows > 0 ? Math.min(this.#topK, this.#vocabularySize) : 0))
      throw new ManyhandsError("SIZE_MISMATCH", `${frame.topK} candidates were not asked for`);
    const decoded = decodeLogitRows(payload, frame.rows, frame.topK, this.#vocabularySize);
    const hashes = this.rows.note(frame.position, splitLogitRows(payload, frame.rows));
    const first = chain.byteLength / HASH_BYTES - hashes.length;
    for (const index of hashes.keys()) {
      const head = chain.subarray((first + index) * HASH_BYTES, (first + index + 1) * HASH_BYTES);
      this.#known.set(toHex(head), hashes.slice(0, index + 1));
    }
    if (hashes.length === 0) this.#known.set(toHex(frame.head), []);
    return decoded;
  }

  /**
   * Compares rows that a replay brings with those that were received before. Throws POSITION_MISMATCH for rows that
   * nobody asked for, or REPLAY_MISMATCH.
   */
  readAgain(frame: LogitsFrame, payload: Uint8Array, acceptedPositions: number): void {
    const known = this.#known.get(toHex(frame.head));
    if (known === undefined && (frame.rows > 0 || frame.position > acceptedPositions))
      throw new ManyhandsError("POSITION_MISMATCH", "logits that nobody asked for");
    const again = splitLogitRows(payload, frame.rows).map(hashBytes);
    const isOther = again.toReversed().some((hash, back) => !bytesEqual(hash, known?.at(-1 - back) ?? hash));
    if (isOther) throw new ManyhandsError("REPLAY_MISMATCH", "the logits are not those that were sent before");
  }
}
