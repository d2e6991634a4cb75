// The ledger over streams: reads requests of authenticated peers, answers each, asks holders of rare tiles for proofs.
import { createHash } from "node:crypto";
import { CREDIT_LIMITS, type CreditReply, type CreditRequest, type Outcome, readCreditRequest } from "../../src/protocol/credit-frames.ts";
import { cutPayload, encodeFrame } from "../../src/protocol/frame.ts";
import { decodeReceipt, RECEIPT_LIMITS } from "../../src/protocol/receipt.ts";
import { bytesEqual } from "../../src/shared/bytes.ts";
import type { Clock } from "../../src/shared/clock.ts";
import { errorCode, errorMessage } from "../../src/shared/errors.ts";
import type { PeerId } from "../../src/shared/ids.ts";
import type { Log } from "../../src/shared/log.ts";
import { RecentMap } from "../../src/shared/recent-map.ts";
import type { ModelCost } from "../../src/credit/price.ts";
import { type Appraisal, appraise, type Appraised } from "./appraise-receipt.ts";
import type { Ledger } from "./ledger.ts";
import type { StorageAudit, StorageQuestion } from "./storage-audit.ts";
import { frameRecord, PeerFrames } from "../streams/peer-frames.ts";
import type { PeerStream } from "../streams/peer-stream.ts";
import { RateLimit } from "../rate-limit.ts";

export const DEFAULTS = Object.freeze({
  /** Bytes of one request: as many receipts as there may be. */
  requestBytes: 1024 + CREDIT_LIMITS.receipts * RECEIPT_LIMITS.bytes,
  /** Requests a second that a peer may make for long: 640 receipts; and at once. */
  perSecond: 20,
  burst: 60,
  /** Requests of one stream that wait for the ledger; more are answered `busy`. */
  inFlight: 8,
  /** Milliseconds between two questions for a tile to one peer, with up to as much again at random. */
  questionMs: 10 * 60_000,
  /** Milliseconds for the answer: reading a tile from the disk takes a few, fetching it from somebody else more. */
  answerMs: 3000,
  /** Milliseconds between looks at who is to be asked. */
  lookMs: 5000,
  /** Receipts that are known again by their bytes: those of some minutes of a busy swarm. */
  remembered: 8192,
});

type Bytes = Uint8Array<ArrayBuffer>;

const ALREADY = Object.freeze({ kind: "already" } satisfies Outcome);

interface Client {
  readonly frames: PeerFrames;
  inFlight: number;
  /** When it is asked for a tile again. */
  askAtMs: number;
  asked: (StorageQuestion & { readonly id: number; readonly untilMs: number }) | undefined;
}

export interface CreditServiceOptions {
  readonly ledger: Ledger;
  readonly costOf: (model: string) => ModelCost | undefined;
  readonly storage: StorageAudit;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** Serves PROTOCOLS.credit; `start` begins the timer, `stop` ends streams, timer and what is being written. */
export class CreditService {
  readonly #options: CreditServiceOptions;
  readonly #clients = new Set<Client>();
  readonly #rates = new RateLimit<PeerId>(DEFAULTS);
  readonly #working = new Set<Promise<void>>();
  /** By SHA-256 of their bytes: worker and requester both post the same receipt, and the second copy costs nothing more. */
  readonly #dealtWith = new RecentMap<string, true>(DEFAULTS.remembered);
  #timer: NodeJS.Timeout | undefined;
  #questions = 0;

  constructor(options: CreditServiceOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), DEFAULTS.lookMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const { frames } of this.#clients) frames.stop();
    await Promise.all(this.#working);
  }

  /** Asks those whose time has come, and forgets old buckets: what the timer does. */
  look(): void {
    const nowMs = this.#options.clock.now();
    this.#rates.sweep(nowMs);
    for (const client of this.#clients) {
      if (client.askAtMs > nowMs) continue;
      client.askAtMs = nowMs + DEFAULTS.questionMs * (1 + this.#options.random());
      this.#track(this.#ask(client));
    }
  }

  /** Takes a stream of PROTOCOLS.credit. */
  readonly accept = (stream: PeerStream): void => {
    const askAtMs = this.#options.clock.now() + DEFAULTS.questionMs * this.#options.random();
    const frames = new PeerFrames(stream, DEFAULTS.requestBytes, {
      requested: (header, payload) => {
        const request = readCreditRequest(header);
        this.#requested(client, request, cutPayload(payload, request.kind === "post" ? request.sizes : []));
      },
      broke: ({ message }) => this.#options.log.info("a peer broke the credit protocol", { peer: stream.peer, message }),
      gone: () => this.#clients.delete(client),
    });
    const client: Client = { frames, inFlight: 0, askAtMs, asked: undefined };
    this.#clients.add(client);
  };

  #requested(client: Client, request: CreditRequest, receipts: readonly Bytes[]): void {
    const isBusy = client.inFlight >= DEFAULTS.inFlight || !this.#rates.take(client.frames.peer, this.#options.clock.now());
    if (isBusy) this.#reply(client, { kind: "failed", id: request.id, reason: "busy" });
    else this.#track(this.#serve(client, request, receipts));
  }

  async #serve(client: Client, request: CreditRequest, receipts: readonly Bytes[]): Promise<void> {
    client.inFlight++;
    try {
      const reply = await this.#answer(client, request, receipts);
      if (reply !== undefined) this.#reply(client, reply);
    } catch (error) {
      this.#options.log.warn("the ledger failed", { code: errorCode(error), message: errorMessage(error) });
      this.#reply(client, { kind: "failed", id: request.id, reason: "unavailable" });
    } finally {
      client.inFlight--;
    }
  }

  async #answer(client: Client, request: CreditRequest, receipts: readonly Bytes[]): Promise<CreditReply | undefined> {
    const { ledger } = this.#options;
    const { peer } = client.frames;
    const { id } = request;
    switch (request.kind) {
      case "post":
        return { kind: "posted", id, outcomes: [...(await this.#post(receipts))] };
      case "account":
        return { kind: "account", id, account: await ledger.account(peer) };
      case "reserve":
        return { kind: "reserved", id, priority: await ledger.reserve(peer, request.reservation, request.amount, request.forMs) };
      case "release":
        await ledger.release(peer, request.reservation);
        return { kind: "released", id };
      case "proof": {
        const { asked } = client;
        if (asked?.id !== id) return undefined; // answered before, or never asked
        client.asked = undefined;
        const isRight = request.proof !== null && bytesEqual(request.proof, asked.expected);
        if (isRight && this.#options.clock.now() <= asked.untilMs) await ledger.earnStorage(peer, asked.tileHex, asked.holders);
        else this.#options.log.info("no proof of storage", { peer, tile: asked.tileHex });
        return undefined;
      }
    }
  }

  async #post(receipts: readonly Bytes[]): Promise<readonly Outcome[]> {
    const named = receipts.map((bytes) => ({ bytes, digest: createHash("sha256").update(bytes).digest("base64") }));
    const appraisals = named.map(({ bytes, digest }) => (this.#dealtWith.has(digest) ? ALREADY : this.#appraise(bytes)));
    const sound = appraisals.filter((appraisal): appraisal is Appraised => appraisal.kind === "sound");
    const posted = sound.length > 0 ? [...(await this.#options.ledger.post(sound))] : [];
    // `post` answers one outcome for each, in order.
    const outcomes = appraisals.map((appraisal) => (appraisal.kind === "sound" ? (posted.shift() as Outcome) : appraisal));
    for (const [index, { digest }] of named.entries()) if (outcomes[index]?.kind !== "refused") this.#dealtWith.set(digest, true);
    return outcomes;
  }

  #appraise(bytes: Bytes): Appraisal {
    const { costOf, now } = this.#options;
    try {
      return appraise(decodeReceipt(bytes), { costOf, nowMs: now() });
    } catch (error) {
      if (errorCode(error) !== "FRAME_MALFORMED") throw error;
      return { kind: "refused", reason: "malformed" };
    }
  }

  async #ask(client: Client): Promise<void> {
    try {
      const question = await this.#options.storage.ask(client.frames.peer);
      if (question === undefined || !this.#clients.has(client)) return;
      const id = ++this.#questions;
      client.asked = { ...question, id, untilMs: this.#options.clock.now() + DEFAULTS.answerMs };
      const { tile, start, end, nonce } = question;
      this.#reply(client, { kind: "challenge", id, tile, start, end, nonce });
    } catch (error) {
      this.#options.log.warn("no question about storage could be put", { message: errorMessage(error) });
    }
  }

  #reply({ frames }: Client, reply: CreditReply): void {
    if (!frames.isWritable) return;
    if (frames.isBehind) frames.abort(new Error("too slow"));
    else frames.send(frameRecord(encodeFrame(reply)));
  }

  #track(work: Promise<void>): void {
    this.#working.add(work);
    void work.finally(() => this.#working.delete(work));
  }
}
