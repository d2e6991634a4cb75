// Takes the links of requesters that collect receipts, and hands their questions to whoever answers. `desk-client.ts` is the other side.
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
  /** Questions on one link: two for each span of a long route, and some to spare. A signature takes a millisecond. */
  questions: 512,
});

export interface ReceiptServiceDeps {
  readonly answer: (requester: PeerId, question: ReceiptRequest) => Promise<ReceiptReply>;
  readonly log: Log;
}

export class ReceiptService {
  readonly #deps: ReceiptServiceDeps;
  readonly #links = new PeerPlaces(DEFAULTS.linksPerPeer);

  constructor(deps: ReceiptServiceDeps) {
    this.#deps = deps;
  }

  /** Serves one link until it closes. Never throws: what a peer breaks costs it the link. */
  accept(link: Link): void {
    const leave = this.#links.acquire(link.remote);
    if (leave === undefined) link.abort(new ManyhandsError("SESSION_REFUSED", "too many links from one peer"));
    else void this.#serve(link).finally(leave);
  }

  async #serve(link: Link): Promise<void> {
    let asked = 0;
    try {
      for await (const bytes of link.frames) {
        if (++asked > DEFAULTS.questions) throw new ManyhandsError("FRAME_UNEXPECTED", "too many questions on one link");
        const question = readReceiptRequest(decodeFrame(bytes).header);
        await link.send(encodeFrame(await this.#deps.answer(link.remote, question)));
      }
      await link.close();
    } catch (error) {
      const code = errorCode(error) ?? "FRAME_MALFORMED";
      if (code !== "PEER_LOST") this.#deps.log.warn("refused a question about receipts", { peer: link.remote, code, error: String(error) });
      link.abort(error instanceof Error ? error : new ManyhandsError(code, "the link broke the protocol"));
    }
  }
}
