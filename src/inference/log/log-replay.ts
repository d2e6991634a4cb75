// Uses of a session's log beside its own route: sends its steps to an auditor, joined if that changes nothing, and
// hashes them.
import type { Link } from "../../mesh/ports/link.ts";
import { joinRows, sliceRows } from "../../protocol/boundary-rows.ts";
import { encodeFrame } from "../../protocol/frame.ts";
import type { BoundaryTensor } from "../../protocol/span-plan.ts";
import { LIMITS } from "../../protocol/version.ts";
import { concatBytes } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { SessionId } from "../../shared/ids.ts";
import type { LoggedStep, Outbox } from "./outbox.ts";
import { hashRow, rootOf } from "./row-hashes.ts";

const DEFAULTS = Object.freeze({
  /** Positions of a joined step at most: so few that an answer which comes meanwhile hardly waits. */
  joinedPositions: 16,
  /** Bytes that are hashed before other work of this thread may run: 5 ms. */
  hashedBytes: 1024 * 1024,
});

/** How a log is sent. */
export interface ReplayOptions {
  /** The session that the steps name. */
  readonly session: SessionId;
  readonly upTo: number;
  /** Whether steps may be joined. */
  readonly merge: boolean;
}

/** Sends the log over `link`. Throws ENGINE_FAILED if it has a hole, the link's error, or the signal's reason. */
export async function sendLog(
  outbox: Outbox,
  boundary: readonly BoundaryTensor[],
  link: Link,
  { session, upTo, merge }: ReplayOptions,
  signal: AbortSignal,
): Promise<void> {
  const steps = outbox.steps(upTo);
  for await (const { head, payload } of merge ? joined(steps, boundary) : steps) {
    const header = { kind: "step", session, ...head, truncate: false, replay: false, timings: [] };
    await link.send(encodeFrame(header, payload), signal);
  }
}

/** Joins steps as far as the same logits are wanted of them. */
async function* joined(steps: AsyncIterable<LoggedStep>, boundary: readonly BoundaryTensor[]): AsyncGenerator<LoggedStep, void> {
  let held: LoggedStep | undefined;
  for await (const step of steps) {
    if (held !== undefined && isJoinable(held, step)) held = join(held, step, boundary);
    else {
      if (held !== undefined) yield held;
      held = step;
    }
  }
  if (held !== undefined) yield held;
}

/**
 * A step can only ask for logits of its last rows, so all rows of the later step must want them, or none of the
 * earlier.
 */
function isJoinable({ head: a }: LoggedStep, { head: b }: LoggedStep): boolean {
  return (
    a.count + b.count <= DEFAULTS.joinedPositions &&
    a.logitRows + b.logitRows <= LIMITS.logitRows &&
    (a.logitRows === 0 || b.logitRows === b.count)
  );
}

const join = (
  { head: a, payload: first }: LoggedStep,
  { head: b, payload: second }: LoggedStep,
  boundary: readonly BoundaryTensor[],
): LoggedStep => ({
  head: { ...a, count: a.count + b.count, chain: concatBytes([a.chain, b.chain]), logitRows: a.logitRows + b.logitRows },
  payload: joinRows(boundary, a.count, first, b.count, second),
});

/** SHA-256 over the hashes of the logged positions `[from, to)`. Throws ENGINE_FAILED if the log has a hole. */
export async function logRoot(
  outbox: Outbox,
  boundary: readonly BoundaryTensor[],
  { from, to }: { readonly from: number; readonly to: number },
  clock: Clock,
): Promise<Uint8Array<ArrayBuffer>> {
  const hashes: Uint8Array[] = [];
  let bytes = 0;
  for await (const { head, payload } of outbox.steps(to, from)) {
    for (let row = Math.max(0, from - head.position); row < head.count; row++) hashes.push(hashRow(boundary, payload, head.count, row));
    bytes += payload.byteLength;
    if (bytes < DEFAULTS.hashedBytes) continue;
    await clock.sleep(0);
    bytes = 0;
  }
  return rootOf(hashes);
}

/** Returns the bytes of one logged position. Throws ENGINE_FAILED if they are gone. */
export async function logRow(outbox: Outbox, boundary: readonly BoundaryTensor[], position: number): Promise<Uint8Array<ArrayBuffer>> {
  for await (const { head, payload } of outbox.steps(position + 1, position)) {
    const row = position - head.position;
    return sliceRows(boundary, payload, head.count, row, row + 1);
  }
  throw new ManyhandsError("ENGINE_FAILED", "this position is not in the log");
}
