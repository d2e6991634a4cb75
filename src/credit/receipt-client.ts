// Sends a requester's requests about receipts to other peers, for `receipt-collector.ts`: one link to each peer, opened
// when it is first needed, and one request at a time. `receipt-service.ts` is the other side.
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
  /** Milliseconds for a reply. A peer that takes longer loses its own pay, and delays nobody else. */
  replyMs: 10_000,
});

interface PeerLink {
  readonly link: Promise<{ readonly link: Link; readonly replies: AsyncIterator<Uint8Array> }>;
  /** Settles when the request before has its reply. */
  turn: Promise<unknown>;
}

export class ReceiptClient {
  readonly #mesh: Pick<Mesh, "open">;
  readonly #log: Log;
  readonly #links = new Map<PeerId, PeerLink>();

  constructor(mesh: Pick<Mesh, "open">, log: Log) {
    this.#mesh = mesh;
    this.#log = log;
  }

  /** Returns the reply of kind `wanted`. Returns undefined if the peer does not reply, or declines. Never rejects. */
  async ask<Kind extends ReceiptReply["kind"]>(
    peer: PeerId,
    request: ReceiptRequest,
    wanted: Kind,
  ): Promise<Extract<ReceiptReply, { readonly kind: Kind }> | undefined> {
    const link = this.#links.get(peer) ?? this.#open(peer);
    const asking = link.turn.then(() => this.#ask(link, request));
    link.turn = asking.catch(() => {}); // logged below
    try {
      const reply = await asking;
      if (reply.kind === wanted) return reply as Extract<ReceiptReply, { readonly kind: Kind }>; // just compared
      if (reply.kind === "declined") this.#log.debug("a peer declined to sign", { peer, request: request.kind, why: reply.why });
    } catch (error) {
      this.#log.debug("a peer did not reply about a receipt", { peer, request: request.kind, error: errorMessage(error) });
    }
    return undefined;
  }

  /** Ends all links. */
  async close(): Promise<void> {
    const links = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(
      links.map(async ({ link, turn }) => {
        await turn;
        await (await link).link.close();
      }),
    ).catch(() => {}); // a link that never opened, or is gone
  }

  #open(peer: PeerId): PeerLink {
    const link = this.#mesh
      .open(peer, PROTOCOLS.receipt, AbortSignal.timeout(DEFAULTS.replyMs))
      .then((opened) => ({ link: opened, replies: opened.frames[Symbol.asyncIterator]() }));
    link.catch(() => {}); // `#ask` reports it
    const opening: PeerLink = { link, turn: Promise.resolve() };
    this.#links.set(peer, opening);
    return opening;
  }

  async #ask(peerLink: PeerLink, request: ReceiptRequest): Promise<ReceiptReply> {
    const { link, replies } = await peerLink.link;
    const limit = AbortSignal.timeout(DEFAULTS.replyMs);
    try {
      await link.send(encodeFrame(request), limit);
      const { value, done } = await abortable(replies.next(), limit);
      if (done === true) throw new ManyhandsError("PEER_LOST", "the peer closed the link");
      return readReceiptReply(decodeFrame(value).header);
    } catch (error) {
      // A late reply would be taken for the reply to the next request.
      link.abort(new ManyhandsError("TIMEOUT", "the peer did not reply in time", { cause: error }));
      throw error;
    }
  }
}
