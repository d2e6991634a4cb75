// The life line of a direct connection: says what this peer serves, that it is here, and that it goes; notices when the
// other side falls silent. Its frames are in `protocol/life-frames.ts`.
import { decodeLifeFrame, encodeLifeFrame, LIFE_LIMITS, type LifeFrame } from "../../protocol/life-frames.ts";
import type { Clock } from "../../shared/clock.ts";
import { isAbort } from "../../shared/abort.ts";

export const RTC_LIFE = Object.freeze({
  /**
   * Milliseconds of silence after which a ping asks for a sign of life while links run. Of two peers that watch each
   * other only one has to ask.
   */
  beatMs: 500,
  /**
   * Milliseconds without a reply after which a peer is taken to be gone. A busy page with megabytes on the way to it
   * may need one second.
   */
  silentMs: 2500,
  /**
   * Milliseconds for which a peer that does not reply is kept because other packets come from it. Lost packets are sent
   * again a dozen every 0.4 s, and the reply waits for its turn.
   */
  deafMs: 30_000,
  /** Like `silentMs`, if somebody who would notice at once reports that the peer is gone. */
  suspectMs: 400,
  /** Milliseconds for which a page that may be going is watched. The next page may take as long to come. */
  goingMs: 3000,
  /** During that watch, milliseconds beyond two round trips without a reply after which the peer is gone. */
  goneMs: 30,
  /** How many times one wait for a reply looks for it. */
  looks: 8,
});

export interface RtcLifeEvents {
  /** The peer went, was silent for too long, or broke the protocol. */
  readonly onGone: (why: string) => void;
  /** Whether silence matters now. */
  readonly isWatched: () => boolean;
  /** Bytes that have come from the peer so far, over all channels. */
  readonly received: () => Promise<number>;
  /** The peer replied to a ping after `ms` milliseconds. */
  readonly onRoundTrip: (ms: number) => void;
}

export class RtcLife {
  readonly #channel: RTCDataChannel;
  readonly #events: RtcLifeEvents;
  readonly #clock: Clock;
  readonly #ending = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  #serves: ReadonlySet<string> = new Set();
  #heardAt = 0;
  /** What to call when a ping gets its reply, by the ping's id. */
  readonly #waiting = new Map<number, () => void>();
  #pings = 0;
  /** The newest ping, and when it was sent. */
  #newest = { id: 0, sentMs: 0 };
  /** Milliseconds of the shortest round trip. A busy page makes round trips longer, never shorter. */
  #roundTripMs = Infinity;
  #isAttending = false;

  constructor(channel: RTCDataChannel, serves: readonly string[], events: RtcLifeEvents, clock: Clock) {
    this.#channel = channel;
    this.#events = events;
    this.#clock = clock;
    channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => this.#receive(data));
    channel.addEventListener("close", () => events.onGone("the connection closed"));
    const opened = (): void => {
      this.sendServed(serves);
      this.#ping();
      void this.#beat();
    };
    if (channel.readyState === "open") opened();
    else channel.addEventListener("open", opened, { once: true });
  }

  /** Resolves once the peer has said what it serves: the connection is then up in both directions. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Whether the peer serves `protocol`. Asks if the peer's last word was that it does not. */
  async serves(protocol: string): Promise<boolean> {
    if (this.#serves.has(protocol)) return true;
    const id = this.#ping();
    const replied = new Promise<void>((resolve) => this.#waiting.set(id, resolve));
    // Frames come in order, so whatever the peer said about its protocols comes before the reply to this ping.
    await Promise.race([replied, this.#clock.sleep(RTC_LIFE.silentMs, this.#ending.signal)]);
    this.#waiting.delete(id);
    return this.#serves.has(protocol);
  }

  /** Says what is served here from now on. */
  sendServed(protocols: readonly string[]): void {
    this.#send({ kind: "serves", protocols: protocols.slice(0, LIFE_LIMITS.protocols) });
  }

  /** Somebody reports that the peer is gone: it has a moment to show that it is not. */
  async suspect(): Promise<void> {
    await this.#probe(RTC_LIFE.suspectMs);
  }

  going(): void {
    this.#send({ kind: "going" });
  }

  bye(): void {
    this.#send({ kind: "bye" });
  }

  stop(): void {
    this.#ending.abort();
  }

  async #beat(): Promise<void> {
    const { signal } = this.#ending;
    try {
      for (;;) {
        await this.#clock.sleep(RTC_LIFE.beatMs, signal);
        const isHeard = this.#clock.now() - this.#heardAt < RTC_LIFE.beatMs;
        if (this.#events.isWatched() && !isHeard) await this.#probe(RTC_LIFE.silentMs, RTC_LIFE.deafMs);
      }
    } catch (error) {
      if (!signal.aborted) throw error; // once the connection has ended, its statistics may fail as well
    }
  }

  /** Probes again and again for as long as the peer may be going. */
  async #attend(): Promise<void> {
    if (this.#isAttending) return;
    this.#isAttending = true;
    const untilMs = this.#clock.now() + RTC_LIFE.goingMs;
    try {
      while (this.#clock.now() < untilMs) await this.#probe(Math.min(RTC_LIFE.suspectMs, 2 * this.#roundTripMs + RTC_LIFE.goneMs));
    } catch (error) {
      if (!isAbort(error, this.#ending.signal)) throw error;
    }
    this.#isAttending = false;
  }

  /**
   * Asks for a sign of life, and reports the peer as gone if none comes within `patienceMs`. The peer is not blamed if
   * this page was too busy to hear it, nor, for `deafMs`, if other data delays its reply. Packets that come in the
   * second half of the wait show such a delay: the browser's own receipt for the ping would have come in the first
   * half.
   */
  async #probe(patienceMs: number, deafMs = 0): Promise<void> {
    const { signal } = this.#ending;
    const beganMs = this.#clock.now();
    for (;;) {
      const askedMs = this.#clock.now();
      this.#ping();
      let received = Infinity;
      for (let look = 1; look <= RTC_LIFE.looks; look++) {
        await this.#clock.sleep(patienceMs / RTC_LIFE.looks, signal);
        if (this.#heardAt > askedMs) return;
        if (deafMs > 0 && look === RTC_LIFE.looks / 2) received = await this.#events.received();
      }
      const now = this.#clock.now();
      const isBusyHere = now - askedMs >= 1.5 * patienceMs; // timers came late
      const isHeard = now - beganMs < deafMs && (await this.#events.received()) > received;
      if (!isBusyHere && !isHeard) break;
    }
    signal.throwIfAborted(); // it may have ended during the last wait
    this.#events.onGone(`no sign of life for ${patienceMs} ms`);
  }

  #receive(message: unknown): void {
    this.#heardAt = this.#clock.now();
    const frame = decodeLifeFrame(message);
    switch (frame?.kind) {
      case undefined:
        this.#events.onGone("the peer broke the protocol");
        return;
      case "serves":
        this.#serves = new Set(frame.protocols);
        this.#ready.resolve();
        return;
      case "ping":
        this.#send({ kind: "pong", id: frame.id });
        return;
      case "pong":
        if (frame.id === this.#newest.id) {
          const roundTripMs = this.#heardAt - this.#newest.sentMs;
          this.#roundTripMs = Math.min(this.#roundTripMs, roundTripMs);
          this.#events.onRoundTrip(roundTripMs);
        }
        this.#waiting.get(frame.id)?.();
        return;
      case "going":
        void this.#attend();
        return;
      case "bye":
        this.#events.onGone("the peer left");
        return;
    }
  }

  #ping(): number {
    const id = ++this.#pings;
    this.#newest = { id, sentMs: this.#clock.now() };
    this.#send({ kind: "ping", id });
    return id;
  }

  #send(frame: LifeFrame): void {
    if (this.#channel.readyState === "open") this.#channel.send(encodeLifeFrame(frame));
  }
}
