// The life line of a direct connection: says what is served, that we are there, and that we go; hears when the other side is silent.
import * as v from "valibot";
import type { Clock } from "../../shared/clock.ts";
import { isAbort } from "../../shared/abort.ts";

export const DEFAULTS = Object.freeze({
  /** Milliseconds between two signs of life that are asked for while links run, where none came by itself: of two that ask each other one has to. */
  beatMs: 500,
  /** Milliseconds without an answer after which a peer is taken to be gone: a page on a busy machine, with megabytes on the way to it, may need one second. */
  silentMs: 2500,
  /** Milliseconds without an answer, though packets come: lost ones are sent again a dozen every 0.4 s, and the answer waits for its turn. */
  deafMs: 30_000,
  /** The same as `silentMs` where somebody else, who sees it at once, says that the peer is gone. */
  suspectMs: 400,
  /** Milliseconds for which a page that says it may be going is watched: as long as the next one may take to come. */
  goingMs: 3000,
  /** Of these, milliseconds beyond two round trips without an answer after which it is gone. */
  goneMs: 30,
  /** Looks for an answer in a wait for one. */
  looks: 8,
});

const LIMITS = Object.freeze({
  /** Characters of a message. */
  messageLength: 64 * 1024,
  /** Protocols that a peer may serve at once: one for each span it holds. */
  protocols: 256,
  protocolLength: 256,
});

const PingId = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));

const Message = v.variant("kind", [
  v.strictObject({
    kind: v.literal("serves"),
    protocols: v.pipe(v.array(v.pipe(v.string(), v.maxLength(LIMITS.protocolLength))), v.maxLength(LIMITS.protocols)),
  }),
  v.strictObject({ kind: v.literal("ping"), id: PingId }),
  v.strictObject({ kind: v.literal("pong"), id: PingId }),
  /** The page may be closed or replaced this moment: its goodbye may not get through. */
  v.strictObject({ kind: v.literal("going") }),
  v.strictObject({ kind: v.literal("bye") }),
]);
type Message = v.InferOutput<typeof Message>;

export interface RtcLifeEvents {
  /** The peer went, was silent for too long, or broke the protocol. */
  readonly onGone: (why: string) => void;
  /** Whether silence matters now. */
  readonly isWatched: () => boolean;
  /** Bytes that have come from the peer by now, for whichever channel. */
  readonly received: () => Promise<number>;
  /** A ping was answered after `ms` milliseconds. */
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
  /** Who waits for the answer to which ping. */
  readonly #asked = new Map<number, () => void>();
  #pings = 0;
  /** The newest ping, and when it was sent. */
  #newest = { id: 0, sentMs: 0 };
  /** Milliseconds of the shortest round trip: a busy page only ever adds to one. */
  #roundTripMs = Infinity;
  #isAttending = false;

  constructor(channel: RTCDataChannel, serves: readonly string[], events: RtcLifeEvents, clock: Clock) {
    this.#channel = channel;
    this.#events = events;
    this.#clock = clock;
    channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => this.#take(data));
    channel.addEventListener("close", () => events.onGone("the connection closed"));
    const opened = (): void => {
      this.tell(serves);
      this.#ping();
      void this.#beat();
    };
    if (channel.readyState === "open") opened();
    else channel.addEventListener("open", opened, { once: true });
  }

  /** Resolves once the peer has said what it serves: the connection is up both ways. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Whether the peer serves `protocol` now; asks where it did not when it last told. */
  async serves(protocol: string): Promise<boolean> {
    if (this.#serves.has(protocol)) return true;
    const id = this.#ping();
    const answered = new Promise<void>((resolve) => this.#asked.set(id, resolve));
    // What it tells comes in order, so that the answer to this very ping ends the doubt.
    await Promise.race([answered, this.#clock.sleep(DEFAULTS.silentMs, this.#ending.signal)]);
    this.#asked.delete(id);
    return this.#serves.has(protocol);
  }

  /** Tells what is served here now. */
  tell(protocols: readonly string[]): void {
    this.#send({ kind: "serves", protocols: protocols.slice(0, LIMITS.protocols) });
  }

  /** Somebody says that the peer is gone: it has a moment to object. */
  async suspect(): Promise<void> {
    await this.#probe(DEFAULTS.suspectMs);
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
        await this.#clock.sleep(DEFAULTS.beatMs, signal);
        const isHeard = this.#clock.now() - this.#heardAt < DEFAULTS.beatMs;
        if (this.#events.isWatched() && !isHeard) await this.#probe(DEFAULTS.silentMs, DEFAULTS.deafMs);
      }
    } catch (error) {
      if (!signal.aborted) throw error; // a connection that ended may answer nothing about itself either
    }
  }

  /** Asks again and again for as long as the peer may be going. */
  async #attend(): Promise<void> {
    if (this.#isAttending) return;
    this.#isAttending = true;
    const untilMs = this.#clock.now() + DEFAULTS.goingMs;
    try {
      while (this.#clock.now() < untilMs) await this.#probe(Math.min(DEFAULTS.suspectMs, 2 * this.#roundTripMs + DEFAULTS.goneMs));
    } catch (error) {
      if (!isAbort(error, this.#ending.signal)) throw error;
    }
    this.#isAttending = false;
  }

  /**
   * Asks for a sign of life. What this page was too busy to hear is not held against the peer, nor, for `deafMs`, an answer
   * that is stuck behind other data: packets that come late in the wait are not the receipt of the question.
   */
  async #probe(patienceMs: number, deafMs = 0): Promise<void> {
    const { signal } = this.#ending;
    const beganMs = this.#clock.now();
    for (;;) {
      const asked = this.#clock.now();
      this.#ping();
      let received = Infinity;
      for (let look = 1; look <= DEFAULTS.looks; look++) {
        await this.#clock.sleep(patienceMs / DEFAULTS.looks, signal);
        if (this.#heardAt > asked) return;
        if (deafMs > 0 && look === DEFAULTS.looks / 2) received = await this.#events.received();
      }
      const now = this.#clock.now();
      const isBusyHere = now - asked >= 1.5 * patienceMs; // timers came late
      const isHeard = now - beganMs < deafMs && (await this.#events.received()) > received;
      if (!isBusyHere && !isHeard) break;
    }
    signal.throwIfAborted(); // it ended while it was asked about
    this.#events.onGone(`no sign of life for ${patienceMs} ms`);
  }

  #take(data: unknown): void {
    this.#heardAt = this.#clock.now();
    const message = readMessage(data);
    switch (message?.kind) {
      case undefined:
        this.#events.onGone("the peer broke the protocol");
        return;
      case "serves":
        this.#serves = new Set(message.protocols);
        this.#ready.resolve();
        return;
      case "ping":
        this.#send({ kind: "pong", id: message.id });
        return;
      case "pong":
        if (message.id === this.#newest.id) {
          const roundTripMs = this.#heardAt - this.#newest.sentMs;
          this.#roundTripMs = Math.min(this.#roundTripMs, roundTripMs);
          this.#events.onRoundTrip(roundTripMs);
        }
        this.#asked.get(message.id)?.();
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

  #send(message: Message): void {
    if (this.#channel.readyState === "open") this.#channel.send(JSON.stringify(message));
  }
}

function readMessage(data: unknown): Message | undefined {
  if (typeof data !== "string" || data.length > LIMITS.messageLength) return undefined;
  try {
    const result = v.safeParse(Message, JSON.parse(data));
    return result.success ? result.output : undefined;
  } catch {
    return undefined; // not JSON: as bad as any other breach
  }
}
