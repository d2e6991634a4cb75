// Has another peer compute a span's part of an answer again: the upstream neighbour sends its log once more, in fewer
// steps if the bits allow that, and the auditor replies with hashes of its result. No peer learns which result is
// expected.
import type { Mesh } from "../../mesh/ports/mesh.ts";
import { HASH_BYTES } from "../../protocol/session-frames.ts";
import { bytesEqual, toHex } from "../../shared/bytes.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { asSessionId, type SessionId } from "../../shared/ids.ts";
import { sendLog } from "../log/log-replay.ts";
import { hashBytes, TOKEN_BOUNDARY } from "../log/row-hashes.ts";
import { HopLink, type Sampled } from "../requester/hop-link.ts";
import type { Commitment, PositionRange, SessionRecord } from "../requester/session-record.ts";
import { isClose } from "./close-rows.ts";
import type { Auditor } from "./plan-audit.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds in which an auditor must accept the session. */
  openMs: 10_000,
  /** Milliseconds for the whole audit, which waits for everything else that the auditor computes. */
  auditMs: 120_000,
  /** Positions whose outputs are compared if bytes cannot be. */
  samples: 4,
});

export interface AuditSpanOptions {
  readonly mesh: Pick<Mesh, "self" | "open">;
  readonly clock: Clock;
  readonly random: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
}

export interface AuditResult extends Commitment {
  /** Names the audit at the auditor. */
  readonly session: SessionId;
  /** Whether the numbers are close; undefined if the bytes have to be the same. */
  readonly isClose: boolean | undefined;
}

/**
 * Has hop `index` computed again. Throws the error of the auditor or of the upstream neighbour, or the signal's reason.
 */
export async function recompute(
  { mesh, clock, random }: AuditSpanOptions,
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

/** Draws some positions, and adds the last one, which depends on all positions before it. */
function drawPositions(
  record: SessionRecord,
  index: number,
  { from, to }: PositionRange,
  random: AuditSpanOptions["random"],
): readonly number[] {
  const isLast = index === record.hops.length - 1;
  const among = isLast
    ? record.logits.positions.filter((position) => position >= from && position < to)
    : Array.from({ length: to - from }, (_, offset) => from + offset);
  const drawn = Array.from(random(new Uint8Array(DEFAULTS.samples - 1)), (byte) => among[Math.floor((byte / 256) * among.length)]);
  return [...new Set([...drawn, among.at(-1)])].filter((position) => position !== undefined).toSorted((a, b) => a - b);
}

/**
 * Whether the outputs of auditor and audited are close at `positions`. The outputs that the audited span shows must
 * have the hashes that the next span got.
 */
async function compare(
  record: SessionRecord,
  index: number,
  auditor: HopLink,
  positions: readonly number[],
  signal: AbortSignal,
): Promise<boolean> {
  if (positions.length === 0) return true;
  const next = record.hops[index + 1];
  const sample = (hop: HopLink, inputsOnly = false): Promise<Sampled> => hop.sample(positions, inputsOnly, DEFAULTS.auditMs, signal);
  const [again, first, got] = await Promise.all([
    sample(auditor),
    next && record.hops[index] && sample(record.hops[index]),
    next && sample(next, true),
  ]);
  const size = again.outputs.byteLength / positions.length;
  return positions.every((position, at) => {
    const recomputed = again.outputs.subarray(at * size, (at + 1) * size);
    if (first === undefined || got === undefined) {
      const row = record.logits.at(position);
      return row !== undefined && isClose("logits", row, recomputed);
    }
    const row = first.outputs.subarray(at * size, (at + 1) * size);
    const gotHash = got.inputs.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
    return bytesEqual(hashBytes(row), gotHash) && isClose(first.type, row, recomputed);
  });
}
