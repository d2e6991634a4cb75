// Asks volunteers that a requester lends to for their hands under statements on each other's work, and hands out receipts.
import type { ToRequester } from "../../protocol/task-frames.ts";
import type { Clock } from "../../shared/clock.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { VolunteerView } from "./volunteer-view.ts";
import type { Bytes } from "../task-kind.ts";

export const DEFAULTS = Object.freeze({
  /** Milliseconds for a signature: the volunteer's page may be busy for a moment. */
  answerMs: 15_000,
  /** Questions out at once: past them work is paid unchecked rather than asked about. */
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

  came(peer: VolunteerView): void {
    this.#peers.set(peer.peer, peer);
  }

  left(peer: VolunteerView): void {
    if (this.#peers.get(peer.peer) !== peer) return; // a newer link stands in its place
    this.#peers.delete(peer.peer);
    for (const ask of this.#asks.values()) if (ask.peer === peer.peer) ask.resolve(undefined);
  }

  answered(peer: VolunteerView, answers: Extract<ToRequester, { kind: "witnessed" }>["answers"]): void {
    for (const { ask: number, signature } of answers) {
      const ask = this.#asks.get(number);
      if (ask?.peer === peer.peer) ask.resolve(signature ?? undefined);
    }
  }

  /** The peer's signature under a statement in canonical bytes, unchecked; undefined where it does not give it, or is gone. */
  async ask(peer: PeerId, statement: Bytes): Promise<Bytes | undefined> {
    const sender = this.#peers.get(peer)?.sender;
    if (sender === undefined || this.#asks.size >= DEFAULTS.asks) return undefined;
    const number = ++this.#last;
    const over = new AbortController();
    try {
      return await new Promise<Bytes | undefined>((resolve) => {
        this.#asks.set(number, { peer, resolve });
        this.#clock.sleep(DEFAULTS.answerMs, over.signal).then(
          () => resolve(undefined),
          () => {}, // answered
        );
        sender.queue({ kind: "witness", asks: [{ ask: number, sizeBytes: statement.byteLength }] }, [statement]);
        sender.flush();
      });
    } finally {
      over.abort();
      this.#asks.delete(number);
    }
  }

  /** Hands a worker the receipt of its work; one that is gone goes without, and the requester's copy pays it all the same. */
  tell(peer: PeerId, receipt: Bytes): void {
    const sender = this.#peers.get(peer)?.sender;
    sender?.queue({ kind: "receipt", sizes: [receipt.byteLength] }, [receipt]);
    sender?.flush();
  }
}
