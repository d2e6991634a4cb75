// Accepts the links of requesters that collect receipts, and sends them the replies of `receipt-responder.ts`.
// `receipt-client.ts` is the other side.
import type { Link } from "../mesh/ports/link.ts";
import { decodeFrame, encodeFrame } from "../protocol/frame.ts";
import { type ReceiptReply, type ReceiptRequest, readReceiptRequest } from "../protocol/receipt-frames.ts";
import { errorCode, ManyhandsError } from "../shared/errors.ts";
import type { PeerId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import { PeerPlaces } from "../shared/peer-places.ts";

const DEFAULTS = Object.freeze({
  /** Links of one peer at once: one for each answer that it just got. */
  linksPerPeer: 4,
  /** Requests on one link: two for each span of a long route, and some to spare. A signature takes a millisecond. */
  requests: 512,
});

export interface ReceiptServiceOptions {
  readonly reply: (requester: PeerId, request: ReceiptRequest) => Promise<ReceiptReply>;
  readonly log: Log;
}

export class ReceiptService {
  readonly #options: ReceiptServiceOptions;
  readonly #links = new PeerPlaces(DEFAULTS.linksPerPeer);

  constructor(options: ReceiptServiceOptions) {
    this.#options = options;
  }

  /** Serves one link until it closes. Never throws: a breach of the protocol costs the peer its link. */
  accept(link: Link): void {
    const leave = this.#links.acquire(link.remote);
    if (leave === undefined) link.abort(new ManyhandsError("SESSION_REFUSED", "too many links from one peer"));
    else void this.#serve(link).finally(leave);
  }

  async #serve(link: Link): Promise<void> {
    let requests = 0;
    try {
      for await (const bytes of link.frames) {
        if (++requests > DEFAULTS.requests) throw new ManyhandsError("FRAME_UNEXPECTED", "too many requests on one link");
        const request = readReceiptRequest(decodeFrame(bytes).header);
        await link.send(encodeFrame(await this.#options.reply(link.remote, request)));
      }
      await link.close();
    } catch (error) {
      const code = errorCode(error) ?? "FRAME_MALFORMED";
      if (code !== "PEER_LOST")
        this.#options.log.warn("refused a request about receipts", { peer: link.remote, code, error: String(error) });
      link.abort(error instanceof Error ? error : new ManyhandsError(code, "the link broke the protocol"));
    }
  }
}
