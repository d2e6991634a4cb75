// The relay's ledger as a peer asks it: one stream, numbered requests, answers matched to them; proves storage when asked.
import type { Link } from "../mesh/ports/link.ts";
import { type Account, type CreditReply, type CreditRequest, type Outcome, readCreditReply } from "../protocol/credit-frames.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame.ts";
import { withDeadline } from "../shared/abort.ts";
import type { Clock } from "../shared/clock.ts";
import { concatBytes } from "../shared/bytes.ts";
import { errorMessage, ManyhandsError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { answerChallenge, type Challenge } from "./storage-proof.ts";

export const DEFAULTS = Object.freeze({
  /** Milliseconds for an answer: a ledger that writes to a slow disk takes tens. */
  answerMs: 15_000,
});

type Answer<Kind extends CreditReply["kind"]> = Extract<CreditReply, { readonly kind: Kind }>;
type Question = CreditRequest extends infer Each ? (Each extends CreditRequest ? Omit<Each, "id"> : never) : never;

interface Waiting {
  readonly resolve: (reply: CreditReply) => void;
  readonly reject: (error: Error) => void;
}

export interface CreditClientOptions {
  /** A fresh link to the relay over PROTOCOLS.credit; the client owns it. */
  readonly link: Link;
  /** Tiles that this peer holds, by SHA-256; undefined for one it does not have. */
  readonly shelf: { get(hash: Uint8Array): Promise<Uint8Array | undefined> };
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Log;
}

/** Methods throw LEDGER_UNAVAILABLE where the ledger cannot do it now, RELAY_UNREACHABLE where the stream ended, or the signal's reason. */
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

  /** Settles, never rejects, when the stream has ended. */
  get closed(): Promise<void> {
    return this.#done;
  }

  /** At most `CREDIT_LIMITS.receipts`, each in canonical bytes. Once this resolves, what was posted is on the ledger's disk. */
  async post(receipts: readonly Uint8Array[], signal: AbortSignal): Promise<readonly Outcome[]> {
    const sizes = receipts.map(({ byteLength }) => byteLength);
    const { outcomes } = await this.#ask("posted", { kind: "post", sizes }, signal, concatBytes(receipts));
    if (outcomes.length !== receipts.length)
      throw this.#end(new ManyhandsError("FRAME_MALFORMED", "an outcome for each receipt is missing"));
    return outcomes;
  }

  async account(signal: AbortSignal): Promise<Account> {
    return (await this.#ask("account", { kind: "account" }, signal)).account;
  }

  /** Sets microcredits aside. `reservation`: 32 hex digits, drawn by the caller and used once. */
  async reserve(reservation: string, amount: number, forMs: number, signal: AbortSignal): Promise<Answer<"reserved">["priority"]> {
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
    question: Question,
    signal: AbortSignal,
    payload?: Uint8Array,
  ): Promise<Answer<Kind>> {
    const id = ++this.#last;
    const late = (): Error => new ManyhandsError("LEDGER_UNAVAILABLE", "the ledger does not answer");
    try {
      const reply = await withDeadline({ clock: this.#options.clock, ms: DEFAULTS.answerMs, onTimeout: late }, signal, async (limit) => {
        const answer = new Promise<CreditReply>((resolve, reject) => {
          if (this.#over) reject(this.#over);
          else this.#waiting.set(id, { resolve, reject });
        });
        answer.catch(() => undefined); // told below, where sending did not fail first
        await this.#options.link.send(encodeFrame({ ...question, id }, payload), limit);
        return answer;
      });
      if (reply.kind === "failed") throw new ManyhandsError("LEDGER_UNAVAILABLE", `the ledger is ${reply.reason}`);
      if (reply.kind !== wanted) throw this.#end(new ManyhandsError("FRAME_MALFORMED", "an answer to another question"));
      return reply as Answer<Kind>; // by its kind
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
    const proof = await answerChallenge(challenge, this.#options.shelf);
    await this.#options.link.send(encodeFrame({ kind: "proof", id: challenge.id, proof: proof ?? null } satisfies CreditRequest));
  }

  #end(error: ManyhandsError): ManyhandsError {
    this.#options.link.abort(error);
    return error;
  }
}
