// Asks the volunteers of a requester for their signatures under statements about each other's results, and sends
// receipts.
import type { ToRequester } from "../../protocol/task-frames.ts";
import type { Clock } from "../../shared/clock.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { VolunteerView } from "./volunteer-view.ts";
import type { Bytes } from "../task-kind.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds for a signature: the volunteer's page may be busy for a moment. */
  replyMs: 15_000,
  /** Requests that wait for a reply at once. With more, work is paid as unchecked. */
  asks: 2048,
});

interface Ask {
  readonly peer: PeerId;
  readonly resolve: (signature: Bytes | undefined) => void;
}

export class Witnesses {
  readonly #clock: Clock;
  readonly #peers = new Map<PeerId, VolunteerView>();
  readonly #asks = new Map<number, Ask>();
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(peer: VolunteerView): void {
    this.#peers.set(peer.peer, peer);
  }

  remove(peer: VolunteerView): void {
    if (this.#peers.get(peer.peer) !== peer) return; // a newer link stands in its place
    this.#peers.delete(peer.peer);
    for (const ask of this.#asks.values()) if (ask.peer === peer.peer) ask.resolve(undefined);
  }

  replied(peer: VolunteerView, replies: Extract<ToRequester, { kind: "witnessed" }>["answers"]): void {
    for (const { ask: number, signature } of replies) {
      const ask = this.#asks.get(number);
      if (ask?.peer === peer.peer) ask.resolve(signature ?? undefined);
    }
  }

  /**
   * Resolves with the peer's signature under a statement in canonical bytes, unchecked; with undefined if the peer does
   * not sign, or is gone.
   */
  async ask(peer: PeerId, statement: Bytes): Promise<Bytes | undefined> {
    const sender = this.#peers.get(peer)?.sender;
    if (sender === undefined || this.#asks.size >= DEFAULTS.asks) return undefined;
    const number = ++this.#last;
    const over = new AbortController();
    try {
      return await new Promise<Bytes | undefined>((resolve) => {
        this.#asks.set(number, { peer, resolve });
        this.#clock.sleep(DEFAULTS.replyMs, over.signal).then(
          () => resolve(undefined),
          () => {}, // the peer has replied
        );
        sender.queue({ kind: "witness", asks: [{ ask: number, sizeBytes: statement.byteLength }] }, [statement]);
        sender.flush();
      });
    } finally {
      over.abort();
      this.#asks.delete(number);
    }
  }

  /**
   * Sends a volunteer the receipt of its work. If it is gone, nothing is sent: the requester's copy pays it all the
   * same.
   */
  sendReceipt(peer: PeerId, receipt: Bytes): void {
    const sender = this.#peers.get(peer)?.sender;
    sender?.queue({ kind: "receipt", sizes: [receipt.byteLength] }, [receipt]);
    sender?.flush();
  }
}
