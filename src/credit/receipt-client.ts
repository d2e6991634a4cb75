// The desks of other peers as a requester asks them: a link to each, opened when it is first needed, one question at a time.
import type { Link } from "../mesh/ports/link.ts";
import type { Mesh } from "../mesh/ports/mesh.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame.ts";
import { type ReceiptReply, type ReceiptRequest, readReceiptReply } from "../protocol/receipt-frames.ts";
import { PROTOCOLS } from "../protocol/version.ts";
import { abortable } from "../shared/abort.ts";
import { errorMessage, ManyhandsError } from "../shared/errors.ts";
import type { PeerId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds for an answer: who does not give it costs itself its pay, and nobody else a wait. */
  answerMs: 10_000,
});

interface Desk {
  readonly link: Promise<{ readonly link: Link; readonly answers: AsyncIterator<Uint8Array> }>;
  /** Settles when the question before is answered. */
  turn: Promise<unknown>;
}

export class ReceiptClient {
  readonly #mesh: Pick<Mesh, "open">;
  readonly #log: Log;
  readonly #desks = new Map<PeerId, Desk>();

  constructor(mesh: Pick<Mesh, "open">, log: Log) {
    this.#mesh = mesh;
    this.#log = log;
  }

  /** Undefined where the peer does not answer, or declines. Never rejects. */
  async ask<Kind extends ReceiptReply["kind"]>(
    peer: PeerId,
    question: ReceiptRequest,
    wanted: Kind,
  ): Promise<Extract<ReceiptReply, { readonly kind: Kind }> | undefined> {
    const desk = this.#desks.get(peer) ?? this.#open(peer);
    const asked = desk.turn.then(() => this.#ask(desk, question));
    desk.turn = asked.catch(() => {}); // told below
    try {
      const answer = await asked;
      if (answer.kind === wanted) return answer as Extract<ReceiptReply, { readonly kind: Kind }>; // just compared
      if (answer.kind === "declined") this.#log.debug("a peer declined to sign", { peer, question: question.kind, why: answer.why });
    } catch (error) {
      this.#log.debug("a peer did not answer for a receipt", { peer, question: question.kind, error: errorMessage(error) });
    }
    return undefined;
  }

  /** Ends all links. */
  async close(): Promise<void> {
    const desks = [...this.#desks.values()];
    this.#desks.clear();
    await Promise.all(
      desks.map(async ({ link, turn }) => {
        await turn;
        await (await link).link.close();
      }),
    ).catch(() => {}); // one that was never open, or is gone
  }

  #open(peer: PeerId): Desk {
    const link = this.#mesh
      .open(peer, PROTOCOLS.receipt, AbortSignal.timeout(DEFAULTS.answerMs))
      .then((opened) => ({ link: opened, answers: opened.frames[Symbol.asyncIterator]() }));
    link.catch(() => {}); // told to whoever asks
    const desk: Desk = { link, turn: Promise.resolve() };
    this.#desks.set(peer, desk);
    return desk;
  }

  async #ask(desk: Desk, question: ReceiptRequest): Promise<ReceiptReply> {
    const { link, answers } = await desk.link;
    const limit = AbortSignal.timeout(DEFAULTS.answerMs);
    try {
      await link.send(encodeFrame(question), limit);
      const { value, done } = await abortable(answers.next(), limit);
      if (done === true) throw new ManyhandsError("PEER_LOST", "the peer closed the link");
      return readReceiptReply(decodeFrame(value).header);
    } catch (error) {
      // What comes late would be taken for the answer to the next question.
      link.abort(new ManyhandsError("TIMEOUT", "the peer did not answer in time", { cause: error }));
      throw error;
    }
  }
}
