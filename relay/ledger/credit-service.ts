// The ledger over streams: reads the requests of authenticated peers, replies to each, and asks holders of rare tiles
// for proofs.
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

export const CREDIT_SERVICE_LIMITS = Object.freeze({
  /** Bytes of one request: as many receipts as there may be. */
  requestBytes: 1024 + CREDIT_LIMITS.receipts * RECEIPT_LIMITS.bytes,
  /** Requests a second from one peer in the long run (640 receipts), and at once. */
  perSecond: 20,
  burst: 60,
  /** Requests of one stream that wait for the ledger. Further ones get the reply `busy`. */
  inFlight: 8,
  /** Milliseconds between two challenges to one peer. Up to as much again is added at random. */
  challengeMs: 10 * 60_000,
  /** Milliseconds for the proof: to read a tile from the disk takes a few, to fetch it from another peer takes more. */
  proofMs: 3000,
  /** Milliseconds between two checks for peers whose challenge is due. */
  lookMs: 5000,
  /** Receipts that are recognised by their bytes: those of some minutes of a busy swarm. */
  remembered: 8192,
});

type Bytes = Uint8Array<ArrayBuffer>;

const ALREADY = Object.freeze({ kind: "already" } satisfies Outcome);

interface Client {
  readonly frames: PeerFrames;
  inFlight: number;
  /** When the next challenge is due. */
  challengeAtMs: number;
  /** The challenge that it has not replied to. */
  open: (StorageQuestion & { readonly id: number; readonly untilMs: number }) | undefined;
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

/** Serves PROTOCOLS.credit. `start` starts the timer. `stop` ends streams and timer, and waits for writes under way. */
export class CreditService {
  readonly #options: CreditServiceOptions;
  readonly #clients = new Set<Client>();
  readonly #rates = new RateLimit<PeerId>(CREDIT_SERVICE_LIMITS);
  readonly #running = new Set<Promise<void>>();
  /**
   * SHA-256 of receipts that are settled. Worker and requester both post a receipt, and the second copy costs nothing.
   */
  readonly #settled = new RecentMap<string, true>(CREDIT_SERVICE_LIMITS.remembered);
  #timer: NodeJS.Timeout | undefined;
  #challenges = 0;

  constructor(options: CreditServiceOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.look(), CREDIT_SERVICE_LIMITS.lookMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const { frames } of this.#clients) frames.stop();
    await Promise.all(this.#running);
  }

  /** Challenges the peers that are due, and forgets full buckets. The timer calls this. */
  look(): void {
    const nowMs = this.#options.clock.now();
    this.#rates.sweep(nowMs);
    for (const client of this.#clients) {
      if (client.challengeAtMs > nowMs) continue;
      client.challengeAtMs = nowMs + CREDIT_SERVICE_LIMITS.challengeMs * (1 + this.#options.random());
      this.#track(this.#challenge(client));
    }
  }

  /** Serves a stream of PROTOCOLS.credit. */
  readonly accept = (stream: PeerStream): void => {
    const challengeAtMs = this.#options.clock.now() + CREDIT_SERVICE_LIMITS.challengeMs * this.#options.random();
    const frames = new PeerFrames(stream, CREDIT_SERVICE_LIMITS.requestBytes, {
      requested: (header, payload) => {
        const request = readCreditRequest(header);
        this.#requested(client, request, cutPayload(payload, request.kind === "post" ? request.sizes : []));
      },
      broke: ({ message }) => this.#options.log.info("a peer broke the credit protocol", { peer: stream.peer, message }),
      gone: () => this.#clients.delete(client),
    });
    const client: Client = { frames, inFlight: 0, challengeAtMs, open: undefined };
    this.#clients.add(client);
  };

  #requested(client: Client, request: CreditRequest, receipts: readonly Bytes[]): void {
    const nowMs = this.#options.clock.now();
    const isBusy = client.inFlight >= CREDIT_SERVICE_LIMITS.inFlight || !this.#rates.take(client.frames.peer, nowMs);
    if (isBusy) this.#reply(client, { kind: "failed", id: request.id, reason: "busy" });
    else this.#track(this.#serve(client, request, receipts));
  }

  async #serve(client: Client, request: CreditRequest, receipts: readonly Bytes[]): Promise<void> {
    client.inFlight++;
    try {
      const reply = await this.#replyTo(client, request, receipts);
      if (reply !== undefined) this.#reply(client, reply);
    } catch (error) {
      this.#options.log.warn("the ledger failed", { code: errorCode(error), message: errorMessage(error) });
      this.#reply(client, { kind: "failed", id: request.id, reason: "unavailable" });
    } finally {
      client.inFlight--;
    }
  }

  async #replyTo(client: Client, request: CreditRequest, receipts: readonly Bytes[]): Promise<CreditReply | undefined> {
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
        const { open } = client;
        if (open?.id !== id) return undefined; // a second reply, or to a challenge that never was
        client.open = undefined;
        const isRight = request.proof !== null && bytesEqual(request.proof, open.expected);
        if (isRight && this.#options.clock.now() <= open.untilMs) await ledger.earnStorage(peer, open.tileHex, open.holders);
        else this.#options.log.info("no proof of storage", { peer, tile: open.tileHex });
        return undefined;
      }
    }
  }

  async #post(receipts: readonly Bytes[]): Promise<readonly Outcome[]> {
    const named = receipts.map((bytes) => ({ bytes, digest: createHash("sha256").update(bytes).digest("base64") }));
    const appraisals = named.map(({ bytes, digest }) => (this.#settled.has(digest) ? ALREADY : this.#appraise(bytes)));
    const sound = appraisals.filter((appraisal): appraisal is Appraised => appraisal.kind === "sound");
    const posted = sound.length > 0 ? [...(await this.#options.ledger.post(sound))] : [];
    // `post` returns one outcome for each, in order.
    const outcomes = appraisals.map((appraisal) => (appraisal.kind === "sound" ? (posted.shift() as Outcome) : appraisal));
    for (const [index, { digest }] of named.entries()) if (outcomes[index]?.kind !== "refused") this.#settled.set(digest, true);
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

  async #challenge(client: Client): Promise<void> {
    try {
      const question = await this.#options.storage.ask(client.frames.peer);
      if (question === undefined || !this.#clients.has(client)) return;
      const id = ++this.#challenges;
      client.open = { ...question, id, untilMs: this.#options.clock.now() + CREDIT_SERVICE_LIMITS.proofMs };
      const { tile, start, end, nonce } = question;
      this.#reply(client, { kind: "challenge", id, tile, start, end, nonce });
    } catch (error) {
      this.#options.log.warn("no storage challenge could be made", { message: errorMessage(error) });
    }
  }

  #reply({ frames }: Client, reply: CreditReply): void {
    if (!frames.isWritable) return;
    if (frames.isBehind) frames.abort(new Error("too slow"));
    else frames.send(frameRecord(encodeFrame(reply)));
  }

  #track(run: Promise<void>): void {
    this.#running.add(run);
    void run.finally(() => this.#running.delete(run));
  }
}
