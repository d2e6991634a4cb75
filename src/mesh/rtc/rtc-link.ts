// A link over a data channel of its own, in a page or in the worker to which the channel was transferred.
import { encodeCredit } from "../../protocol/link-frames.ts";
import { abortable } from "../../shared/abort.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import { FramedLink, type Pipe, type PipeSink } from "../framed-link.ts";
import type { DetachedLink, Link } from "../ports/link.ts";

const DEFAULTS = Object.freeze({
  /** Bytes of one `send` at most: four packets, which the browser's SCTP moves in one burst. */
  sliceBytes: 4600,
  /** Bytes that the channel may buffer ahead of the network. Browsers close a channel that buffers 16 MB. */
  bufferedBytes: 1024 * 1024,
  /** Buffered bytes below which the channel gets more. */
  lowBytes: 256 * 1024,
});

/** Which end opened a channel: this one, or the peer's. */
type Origin = "opened" | "arrived";

/**
 * Takes over a data channel that was transferred to this thread. If the channel arrived, the peer has to send first.
 */
export function openRtcLink(channel: RTCDataChannel, remote: PeerId): Link {
  return new FramedLink(new RtcPipe(channel), remote);
}

/**
 * A link that does not touch its channel for the rest of the task in which it was made: until then it can be
 * transferred.
 */
export class RtcLink implements Link {
  readonly remote: PeerId;
  readonly #channel: RTCDataChannel;
  readonly #origin: Origin;
  readonly #onReleased: () => void;
  #framed: FramedLink | undefined;
  #detached = false;

  /** If the channel arrived, the peer's first bytes may come in the next task. */
  constructor(channel: RTCDataChannel, remote: PeerId, origin: Origin, onReleased: () => void) {
    this.remote = remote;
    this.#channel = channel;
    this.#origin = origin;
    this.#onReleased = onReleased;
    if (origin === "opened") setTimeout(() => this.#detached || this.#link);
    else queueMicrotask(() => this.#detached || this.#link);
  }

  detach(): DetachedLink | undefined {
    if (this.#framed || this.#detached || !canTransfer()) return undefined;
    this.#detached = true;
    return { remote: this.remote, transferable: this.#channel, released: this.#onReleased };
  }

  get frames(): AsyncIterable<Uint8Array> {
    return this.#link.frames;
  }

  get closed(): Promise<void> {
    return this.#link.closed;
  }

  send(frame: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#link.send(frame, signal);
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  abort(reason: Error): void {
    this.#link.abort(reason);
  }

  get #link(): FramedLink {
    if (this.#detached) throw new ManyhandsError("PEER_LOST", "this end of the link was transferred to another thread");
    if (!this.#framed) {
      this.#framed = new FramedLink(new RtcPipe(this.#channel, this.#origin), this.remote);
      void this.#framed.closed.then(this.#onReleased);
    }
    return this.#framed;
  }
}

let transfers: boolean | undefined;

/** Whether this browser transfers data channels to workers. Tries it once, with a channel that leads nowhere. */
function canTransfer(): boolean {
  if (transfers !== undefined) return transfers;
  const connection = new RTCPeerConnection();
  const { port1, port2 } = new MessageChannel();
  try {
    const probe = connection.createDataChannel("probe");
    port1.postMessage(probe, [probe]);
    transfers = true;
  } catch {
    transfers = false; // other browsers throw a DataCloneError, and links then stay in the page
  } finally {
    port1.close();
    port2.close();
    connection.close();
  }
  return transfers;
}

/**
 * The end at which a channel arrived sends nothing before it has received something. A message that it sent at once
 * could reach the opener while the opener's browser does not deliver messages yet, and would be lost (Chromium 156: one
 * in forty on a busy machine). The opener therefore begins with the smallest of all records.
 */
class RtcPipe implements Pipe {
  readonly #channel: RTCDataChannel;
  readonly #origin: Origin | undefined;
  #isHeard: boolean;
  #sink: PipeSink | undefined;
  #over = false;
  /** Slices that the channel has not accepted yet. */
  #slices: Uint8Array<ArrayBuffer>[] = [];
  #onFlushed: (() => void) | undefined;

  constructor(channel: RTCDataChannel, origin?: Origin) {
    this.#channel = channel;
    this.#origin = origin;
    this.#isHeard = origin !== "arrived";
    channel.binaryType = "arraybuffer";
    channel.bufferedAmountLowThreshold = DEFAULTS.lowBytes;
  }

  attach(sink: PipeSink): void {
    this.#sink = sink;
    const channel = this.#channel;
    channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (!(data instanceof ArrayBuffer)) return this.abort(new ManyhandsError("FRAME_MALFORMED", "a link carries bytes, not text"));
      sink.bytes(new Uint8Array(data));
      if (this.#isHeard) return;
      this.#isHeard = true;
      this.#pump();
    });
    channel.addEventListener("open", () => this.#pump());
    channel.addEventListener("bufferedamountlow", () => this.#pump());
    channel.addEventListener("close", () => this.#closed());
    if (channel.readyState === "closed") queueMicrotask(() => this.#closed());
    else if (this.#origin === "opened") this.send(encodeCredit(1)); // the smallest record; no credit is owed yet
  }

  get status(): "open" | "ended" {
    const state = this.#channel.readyState;
    return state === "open" || state === "connecting" ? "open" : "ended";
  }

  get full(): boolean {
    return this.#slices.length > 0 || !this.#accepts();
  }

  send(record: Uint8Array<ArrayBuffer>): void {
    for (let offset = 0; offset < record.byteLength; offset += DEFAULTS.sliceBytes) {
      const slice = record.subarray(offset, offset + DEFAULTS.sliceBytes);
      if (this.full) this.#slices.push(slice);
      else this.#channel.send(slice);
    }
  }

  /** Waits for the other side's goodbye first: a message right before the end of a channel does not always arrive. */
  async close(signal: AbortSignal, parted: Promise<void>): Promise<void> {
    if (this.#slices.length > 0) await abortable(new Promise<void>((resolve) => (this.#onFlushed = resolve)), signal);
    if (this.#over) return;
    const closed = new Promise<void>((resolve) => {
      this.#channel.addEventListener("close", () => resolve(), { once: true });
    });
    await abortable(Promise.race([parted, closed]), signal);
    this.#channel.close();
    await abortable(closed, signal);
  }

  /** Does not wait for the channel's "close" event: a dead peer never confirms that the channel closed. */
  abort(_reason: Error): void {
    this.#slices = [];
    this.#channel.close();
    queueMicrotask(() => this.#closed());
  }

  #accepts(): boolean {
    return this.#isHeard && this.#channel.readyState !== "connecting" && this.#channel.bufferedAmount <= DEFAULTS.bufferedBytes;
  }

  #pump(): void {
    try {
      let sent = 0;
      for (const slice of this.#slices) {
        if (!this.#accepts()) break;
        this.#channel.send(slice);
        sent++;
      }
      this.#slices.splice(0, sent);
    } catch {
      return; // the channel closed in the meantime, and its "close" event follows
    }
    if (this.#slices.length > 0) return;
    this.#onFlushed?.();
    this.#sink?.drained();
  }

  #closed(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onFlushed?.();
    this.#sink?.closed();
  }
}
