// A link over a data channel of its own: in a page, or in the worker that the channel was transferred to.
import { encodeCredit } from "../../protocol/link-frames.ts";
import { abortable } from "../../shared/abort.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import { FramedLink, type Pipe, type PipeSink } from "../framed-link.ts";
import type { DetachedLink, Link } from "../ports/link.ts";

const DEFAULTS = Object.freeze({
  /** Bytes of one `send` at most: four packets, which the browser's SCTP moves in one burst. */
  sliceBytes: 4600,
  /** Bytes that are handed to the channel ahead of the network: browsers close a channel that holds 16 MB. */
  bufferedBytes: 1024 * 1024,
  /** Bytes in the channel below which more are handed over. */
  lowBytes: 256 * 1024,
});

/** Whether a channel was opened at this end. */
type Origin = "opened" | "arrived";

/** Takes over a data channel in another thread than the one it came to. Of a channel that arrived, the opener speaks first. */
export function openRtcLink(channel: RTCDataChannel, remote: PeerId): Link {
  return new FramedLink(new RtcPipe(channel), remote);
}

/** A link whose channel is left alone for the rest of the task in which it was made, so that it can still be transferred. */
export class RtcLink implements Link {
  readonly remote: PeerId;
  readonly #channel: RTCDataChannel;
  readonly #origin: Origin;
  readonly #onReleased: () => void;
  #framed: FramedLink | undefined;
  #detached = false;

  /** `origin`: opened here, or by the peer, whose first bytes may be there in the next task. */
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
    if (this.#detached) throw new ManyhandsError("PEER_LOST", "this end of the link was given to another thread");
    if (!this.#framed) {
      this.#framed = new FramedLink(new RtcPipe(this.#channel, this.#origin), this.remote);
      void this.#framed.closed.then(this.#onReleased);
    }
    return this.#framed;
  }
}

let transfers: boolean | undefined;

/** Whether this browser moves data channels into workers; tried once with a channel that leads nowhere. */
function canTransfer(): boolean {
  if (transfers !== undefined) return transfers;
  const connection = new RTCPeerConnection();
  const { port1, port2 } = new MessageChannel();
  try {
    const probe = connection.createDataChannel("probe");
    port1.postMessage(probe, [probe]);
    transfers = true;
  } catch {
    transfers = false; // a browser without it throws a DataCloneError: links then stay in the page
  } finally {
    port1.close();
    port2.close();
    connection.close();
  }
  return transfers;
}

/**
 * The end where a channel arrived sends nothing before it got something: what it sends at once may reach the opener in the moment
 * in which its browser does not hand over messages yet, and is lost (Chromium 156: one in forty on a busy machine). So the opener
 * begins with the least of all records.
 */
class RtcPipe implements Pipe {
  readonly #channel: RTCDataChannel;
  readonly #origin: Origin | undefined;
  #isHeard: boolean;
  #sink: PipeSink | undefined;
  #over = false;
  /** Slices that the channel has not taken yet. */
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
    else if (this.#origin === "opened") this.send(encodeCredit(1)); // for nothing: it was sent nothing yet
  }

  get status(): "open" | "ended" {
    const state = this.#channel.readyState;
    return state === "open" || state === "connecting" ? "open" : "ended";
  }

  get full(): boolean {
    return this.#slices.length > 0 || !this.#takes();
  }

  send(record: Uint8Array<ArrayBuffer>): void {
    for (let offset = 0; offset < record.byteLength; offset += DEFAULTS.sliceBytes) {
      const slice = record.subarray(offset, offset + DEFAULTS.sliceBytes);
      if (this.full) this.#slices.push(slice);
      else this.#channel.send(slice);
    }
  }

  /** Waits for the other side's goodbye first: what a channel brings right before its end does not always arrive. */
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

  /** A dead peer never confirms that the channel closed: over is over for us. */
  abort(_reason: Error): void {
    this.#slices = [];
    this.#channel.close();
    queueMicrotask(() => this.#closed());
  }

  #takes(): boolean {
    return this.#isHeard && this.#channel.readyState !== "connecting" && this.#channel.bufferedAmount <= DEFAULTS.bufferedBytes;
  }

  #pump(): void {
    try {
      let sent = 0;
      for (const slice of this.#slices) {
        if (!this.#takes()) break;
        this.#channel.send(slice);
        sent++;
      }
      this.#slices.splice(0, sent);
    } catch {
      return; // the channel closed under us, and says so itself
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
