// A span's part of an answer computed again by another peer: the upstream neighbour sends its log once more, in one pass where
// the bits allow it, and the auditor says what it got. Nobody on the way learns what is expected.
import type { Mesh } from "../../mesh/ports/mesh.ts";
import { HASH_BYTES } from "../../protocol/session-frames.ts";
import { bytesEqual, toHex } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { asSessionId, type SessionId } from "../../shared/ids.ts";
import { isClose } from "./close-rows.ts";
import { HopLink, type Sampled } from "../requester/hop-link.ts";
import { sendLog } from "../log/log-replay.ts";
import type { Auditor } from "./plan-audit.ts";
import { hashBytes, TOKEN_BOUNDARY } from "../log/row-hashes.ts";
import type { Commitment, PositionRange, SessionRecord } from "../requester/session-record.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which an auditor must take the session. */
  openMs: 10_000,
  /** Milliseconds for all of it: an audit waits for everything else that the auditor computes. */
  auditMs: 120_000,
  /** Positions whose outputs are compared where bytes cannot be. */
  samples: 4,
});

export interface AuditSpanDeps {
  readonly mesh: Pick<Mesh, "self" | "open">;
  readonly clock: Clock;
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
}

export interface AuditResult extends Commitment {
  /** Names the audit at the auditor. */
  readonly session: SessionId;
  readonly isClose: boolean | undefined;
}

/** Has hop `index` computed again. Throws what the auditor or the upstream neighbour fails with, or the signal's reason. */
export async function recompute(
  { mesh, clock, random }: AuditSpanDeps,
  record: SessionRecord,
  index: number,
  { peer, isSameClass }: Auditor,
  range: PositionRange,
  signal: AbortSignal,
): Promise<AuditResult> {
  const audited = record.hops[index];
  if (audited === undefined) throw new ManyhandsError("BAD_INPUT", "no such hop");
  const { span } = audited.hop;
  const upstream = record.hops[index - 1];
  const session = asSessionId(toHex(random(new Uint8Array(HASH_BYTES))));
  const listener = { onLogits: () => {}, onStranded: () => {}, onLeaving: () => {}, onLost: () => {} };
  const link = new HopLink({ mesh, clock, session, model: record.model, listener }, { peer, span });
  const ended = new AbortController();
  try {
    const terms = { ...record.terms, maxPositions: range.to, audit: true as const };
    await link.open(terms, upstream?.hop.peer ?? mesh.self, null, DEFAULTS.openMs, signal);
    if (link.error !== undefined || link.link === undefined) throw link.error ?? new ManyhandsError("PEER_LOST", "the auditor left");
    const log = { session, upTo: range.to, merge: link.isRowInvariant && audited.isRowInvariant };
    const until = AbortSignal.any([signal, ended.signal]);
    const sent =
      upstream === undefined
        ? sendLog(record.outbox, TOKEN_BOUNDARY, link.link, log, until)
        : upstream.replay({ to: { peer, end: span.end }, as: session, upTo: log.upTo, merge: log.merge }, DEFAULTS.auditMs, until);
    const [{ input, output }] = await Promise.all([link.tally(range.from, range.to, DEFAULTS.auditMs, until), sent]);
    if (isSameClass) return { session, input, output, isClose: undefined };
    return { session, input, output, isClose: await compare(record, index, link, drawPositions(record, index, range, random), until) };
  } finally {
    ended.abort(new ManyhandsError("PEER_LOST", "the audit ended"));
    await link.close();
  }
}

/** The last position, by which everything before it shows, and some others. */
function drawPositions(
  record: SessionRecord,
  index: number,
  { from, to }: PositionRange,
  random: AuditSpanDeps["random"],
): readonly number[] {
  const isLast = index === record.hops.length - 1;
  const among = isLast
    ? record.logits.positions.filter((position) => position >= from && position < to)
    : Array.from({ length: to - from }, (_, offset) => from + offset);
  const drawn = Array.from(random(new Uint8Array(DEFAULTS.samples - 1)), (byte) => among[Math.floor((byte / 256) * among.length)]);
  return [...new Set([...drawn, among.at(-1)])].filter((position) => position !== undefined).toSorted((a, b) => a - b);
}

/** Whether auditor and audited are close at `positions`. What the audited gives has to be what the next span got. */
async function compare(
  record: SessionRecord,
  index: number,
  auditor: HopLink,
  positions: readonly number[],
  signal: AbortSignal,
): Promise<boolean> {
  if (positions.length === 0) return true;
  const next = record.hops[index + 1];
  const ask = (hop: HopLink, inputsOnly = false): Promise<Sampled> => hop.sample(positions, inputsOnly, DEFAULTS.auditMs, signal);
  const [again, first, got] = await Promise.all([
    ask(auditor),
    next && record.hops[index] && ask(record.hops[index]),
    next && ask(next, true),
  ]);
  const size = again.outputs.byteLength / positions.length;
  return positions.every((position, at) => {
    const theirs = again.outputs.subarray(at * size, (at + 1) * size);
    if (first === undefined || got === undefined) {
      const row = record.logits.at(position);
      return row !== undefined && isClose("logits", row, theirs);
    }
    const row = first.outputs.subarray(at * size, (at + 1) * size);
    return bytesEqual(hashBytes(row), got.inputs.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)) && isClose(first.type, row, theirs);
  });
}
