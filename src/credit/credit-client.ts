// The relay's ledger, as a peer sees it over one stream: sends numbered requests, matches the replies to them, and
// proves storage when the relay asks for it.
import type { Link } from "../mesh/ports/link.ts";
import { type Account, type CreditReply, type CreditRequest, type Outcome, readCreditReply } from "../protocol/credit-frames.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame.ts";
import { withDeadline } from "../shared/abort.ts";
import type { Clock } from "../shared/clock.ts";
import { concatBytes } from "../shared/bytes.ts";
import { errorMessage, ManyhandsError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { type Challenge, proveTile } from "./storage-proof.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds for a reply. A ledger that writes to a slow disk takes tens of them. */
  replyMs: 15_000,
});

type ReplyOf<Kind extends CreditReply["kind"]> = Extract<CreditReply, { readonly kind: Kind }>;
type RequestBody = CreditRequest extends infer Each ? (Each extends CreditRequest ? Omit<Each, "id"> : never) : never;

interface Waiting {
  readonly resolve: (reply: CreditReply) => void;
  readonly reject: (error: Error) => void;
}

export interface CreditClientOptions {
  /** A fresh link to the relay over PROTOCOLS.credit. The client owns it. */
  readonly link: Link;
  /** Tiles that this peer holds, by SHA-256. `get` resolves with undefined for a tile that is not here. */
  readonly shelf: { get(hash: Uint8Array): Promise<Uint8Array | undefined> };
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Log;
}

/**
 * Methods throw LEDGER_UNAVAILABLE if the ledger is busy, cannot write or does not reply, RELAY_UNREACHABLE if the
 * stream has ended, or the signal's reason.
 */
export class CreditClient {
  readonly #options: CreditClientOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #done: Promise<void>;
  #last = 0;
  #over: Error | undefined;

  constructor(options: CreditClientOptions) {
    this.#options = options;
    this.#done = this.#read();
  }

  /** Resolves when the stream has ended. Never rejects. */
  get closed(): Promise<void> {
    return this.#done;
  }

  /**
   * Posts at most `CREDIT_LIMITS.receipts` receipts, each in canonical bytes. Returns an outcome for each, once those
   * that were posted are on the ledger's disk.
   */
  async post(receipts: readonly Uint8Array[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const sizes = receipts.map(({ byteLength }) => byteLength);
    const { outcomes } = await this.#ask("posted", { kind: "post", sizes }, signal, concatBytes(receipts));
    if (outcomes.length !== receipts.length)
      throw this.#end(new ManyhandsError("FRAME_MALFORMED", "the number of outcomes is not that of the receipts"));
    return outcomes;
  }

  async account(signal: AbortSignal): Promise<Account> {
    return (await this.#ask("account", { kind: "account" }, signal)).account;
  }

  /** Reserves microcredits. `reservation`: 32 hex digits that the caller draws and uses once. */
  async reserve(reservation: string, amount: number, forMs: number, signal: AbortSignal): Promise<ReplyOf<"reserved">["priority"]> {
    return (await this.#ask("reserved", { kind: "reserve", reservation, amount, forMs }, signal)).priority;
  }

  async release(reservation: string, signal: AbortSignal): Promise<void> {
    await this.#ask("released", { kind: "release", reservation }, signal);
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    await this.#options.link.close();
    await this.#done;
  }

  async #ask<Kind extends CreditReply["kind"]>(
    wanted: Kind,
    request: RequestBody,
    signal: AbortSignal,
    payload?: Uint8Array,
  ): Promise<ReplyOf<Kind>> {
    const id = ++this.#last;
    const onTimeout = (): Error => new ManyhandsError("LEDGER_UNAVAILABLE", "the ledger does not reply");
    try {
      const reply = await withDeadline({ clock: this.#options.clock, ms: DEFAULTS.replyMs, onTimeout }, signal, async (limit) => {
        const replied = new Promise<CreditReply>((resolve, reject) => {
          if (this.#over) reject(this.#over);
          else this.#waiting.set(id, { resolve, reject });
        });
        replied.catch(() => undefined); // returned below, unless sending fails first
        await this.#options.link.send(encodeFrame({ ...request, id }, payload), limit);
        return replied;
      });
      if (reply.kind === "failed") throw new ManyhandsError("LEDGER_UNAVAILABLE", `the ledger is ${reply.reason}`);
      if (reply.kind !== wanted) throw this.#end(new ManyhandsError("FRAME_MALFORMED", "a reply to another request"));
      return reply as ReplyOf<Kind>; // its kind was just compared
    } finally {
      this.#waiting.delete(id);
    }
  }

  async #read(): Promise<void> {
    const { link, log } = this.#options;
    let reason = new ManyhandsError("RELAY_UNREACHABLE", "the stream to the ledger ended");
    try {
      for await (const frame of link.frames) {
        const reply = readCreditReply(decodeFrame(frame).header);
        if (reply.kind === "challenge") await this.#prove(reply);
        else this.#waiting.get(reply.id)?.resolve(reply);
      }
    } catch (cause) {
      log.debug("the stream to the ledger ended", { message: errorMessage(cause) });
      reason = new ManyhandsError("RELAY_UNREACHABLE", "the stream to the ledger was lost", { cause });
      link.abort(reason);
    }
    this.#over = reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
  }

  async #prove(challenge: Challenge): Promise<void> {
    const proof = await proveTile(challenge, this.#options.shelf);
    await this.#options.link.send(encodeFrame({ kind: "proof", id: challenge.id, proof: proof ?? null } satisfies CreditRequest));
  }

  #end(error: ManyhandsError): ManyhandsError {
    this.#options.link.abort(error);
    return error;
  }
}
