// Has every span of a route commit to its inputs and outputs, before anybody knows which of them will be audited.
import type { Clock } from "../../shared/clock.ts";
import { logRoot } from "../log/log-replay.ts";
import { TOKEN_BOUNDARY } from "../log/row-hashes.ts";
import type { Commitment, PositionRange, SessionRecord } from "../requester/session-record.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds for a span's reply: it hashes the outputs of the whole answer, after its steps for others. */
  tallyMs: 15_000,
});

export interface Commitments {
  readonly range: PositionRange;
  /** Hashes of the tokens and of the logits, as this requester has them. */
  readonly own: { readonly tokens: Uint8Array; readonly logits: Uint8Array };
  /** One for each hop, in order; undefined if it did not reply. */
  readonly hops: readonly (Commitment | undefined)[];
}

/** Throws the signal's reason. */
export async function askCommitments(record: SessionRecord, range: PositionRange, clock: Clock, signal: AbortSignal): Promise<Commitments> {
  const ask = async (hop: SessionRecord["hops"][number]): Promise<Commitment | undefined> => {
    try {
      return await hop.tally(range.from, range.to, DEFAULTS.tallyMs, signal);
    } catch {
      signal.throwIfAborted();
      return undefined; // a span that does not reply is neither audited nor paid
    }
  };
  const [tokens, ...hops] = await Promise.all([logRoot(record.outbox, TOKEN_BOUNDARY, range, clock), ...record.hops.map(ask)]);
  return { range, own: { tokens, logits: record.logits.root(range.from, range.to) }, hops };
}
