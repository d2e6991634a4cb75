// One direct connection to a peer: negotiated over an authenticated link, it then carries a life line and a data
// channel for each link.
import { decodeFrame, encodeFrame } from "../../protocol/frame.ts";
import { readRtcFrame, RTC_LIMITS, type RtcFrame } from "../../protocol/rtc-frames.ts";
import { abortable } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Link } from "../ports/link.ts";
import { RtcLife } from "./rtc-life.ts";
import { RtcLink } from "./rtc-link.ts";

export interface RtcConnectionOptions {
  /** `stun:` and `turn:` URLs. */
  readonly iceServers: readonly string[];
  readonly clock: Clock;
  /** The protocols that this peer serves now. */
  readonly serves: () => readonly string[];
  /** The peer opened a link. Returns whether this peer serves `protocol`. */
  readonly onLink: (protocol: string, link: Link) => boolean;
  readonly onGone: (connection: RtcConnection, why: string) => void;
  /** `peer` replied to a ping after `ms` milliseconds. */
  readonly onRoundTrip: (peer: PeerId, ms: number) => void;
}

export class RtcConnection {
  readonly remote: PeerId;
  readonly #options: RtcConnectionOptions;
  readonly #peer: RTCPeerConnection;
  readonly #life: RtcLife;
  #links = 0;
  #gone = false;
  /** When the last link ended, in the clock's milliseconds. */
  idleSince: number;

  private constructor(remote: PeerId, options: RtcConnectionOptions) {
    this.remote = remote;
    this.#options = options;
    this.idleSince = options.clock.now();
    this.#peer = new RTCPeerConnection({ iceServers: options.iceServers.map((urls) => ({ urls })) });
    this.#peer.addEventListener("datachannel", ({ channel }) => this.#arrived(channel));
    this.#peer.addEventListener("connectionstatechange", () => {
      const { connectionState } = this.#peer;
      if (connectionState === "failed" || connectionState === "closed") this.drop("the connection broke");
    });
    this.#life = new RtcLife(
      this.#peer.createDataChannel("life", { negotiated: true, id: 0 }),
      options.serves(),
      {
        onGone: (why) => this.drop(why),
        isWatched: () => this.#links > 0,
        received: () => bytesReceived(this.#peer),
        onRoundTrip: (ms) => options.onRoundTrip(remote, ms),
      },
      options.clock,
    );
  }

  /** Calls `link.remote` over `link`, and closes `link` then. Throws PEER_UNREACHABLE or the signal's reason. */
  static call(link: Link, options: RtcConnectionOptions, signal: AbortSignal): Promise<RtcConnection> {
    return new RtcConnection(link.remote, options).#negotiate(link, "caller", signal);
  }

  /** Accepts a call that came over `link`. Throws PEER_UNREACHABLE or the signal's reason. */
  static accept(link: Link, options: RtcConnectionOptions, signal: AbortSignal): Promise<RtcConnection> {
    return new RtcConnection(link.remote, options).#negotiate(link, "callee", signal);
  }

  /** How many links run now. */
  get links(): number {
    return this.#links;
  }

  /** Opens a link. Throws PEER_UNREACHABLE if the peer does not serve `protocol` or the connection has ended. */
  async open(protocol: string): Promise<Link> {
    if (!(await this.#life.serves(protocol))) throw new ManyhandsError("PEER_UNREACHABLE", `the peer does not serve ${protocol}`);
    if (this.#gone) throw new ManyhandsError("PEER_UNREACHABLE", "the connection ended");
    return this.#link(this.#peer.createDataChannel("link", { protocol }), "opened");
  }

  /** Says what this peer serves from now on. */
  sendServed(protocols: readonly string[]): void {
    this.#life.sendServed(protocols);
  }

  /** Drops the connection unless the peer gives a sign of life within a moment. */
  suspect(): void {
    void this.#life.suspect().catch(() => {}); // if it ended during the wait, it is dropped already
  }

  /** Says that this page may go at any moment. */
  going(): void {
    this.#life.going();
  }

  /** Says goodbye. `leave` has to follow. */
  bye(): void {
    this.#life.bye();
  }

  /** Says goodbye and cuts everything at once. Idempotent. */
  leave(): void {
    this.bye();
    this.drop("we left");
  }

  /** Ends every link as a loss. Idempotent. */
  drop(why: string): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#life.stop();
    this.#peer.close();
    this.#options.onGone(this, why);
  }

  #link(channel: RTCDataChannel, origin: "opened" | "arrived"): RtcLink {
    this.#links++;
    let released = false;
    return new RtcLink(channel, this.remote, origin, () => {
      if (released) return;
      released = true;
      this.#links--;
      this.idleSince = this.#options.clock.now();
    });
  }

  #arrived(channel: RTCDataChannel): void {
    const link = this.#link(channel, "arrived");
    if (!this.#options.onLink(channel.protocol, link)) link.abort(new ManyhandsError("PEER_UNREACHABLE", "not served here"));
  }

  async #negotiate(link: Link, role: "caller" | "callee", signal: AbortSignal): Promise<RtcConnection> {
    const send = (frame: RtcFrame): void => void link.send(encodeFrame(frame)).catch(() => {}); // the negotiation then fails by itself
    this.#peer.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate && candidate.candidate !== "") send({ kind: "candidate", candidate: candidate.candidate, mid: candidate.sdpMid });
    });
    try {
      if (role === "caller") {
        await this.#peer.setLocalDescription(await this.#peer.createOffer());
        send({ kind: "offer", sdp: this.#peer.localDescription?.sdp ?? "" });
      }
      const reading = this.#read(link, role, send);
      await abortable(Promise.race([this.#life.ready, reading.then(() => this.#life.ready)]), signal);
      if (role === "caller") void link.close();
      return this;
    } catch (cause) {
      this.drop("the negotiation failed");
      link.abort(new ManyhandsError("PEER_UNREACHABLE", "the negotiation failed"));
      signal.throwIfAborted();
      throw cause;
    }
  }

  async #read(link: Link, role: "caller" | "callee", send: (frame: RtcFrame) => void): Promise<void> {
    let candidates = 0;
    for await (const bytes of link.frames) {
      const frame = readRtcFrame(decodeFrame(bytes).header);
      switch (frame.kind) {
        case "offer":
          if (role === "caller") throw new ManyhandsError("FRAME_MALFORMED", "an offer in reply to an offer");
          await this.#peer.setRemoteDescription({ type: "offer", sdp: frame.sdp });
          await this.#peer.setLocalDescription(await this.#peer.createAnswer());
          send({ kind: "answer", sdp: this.#peer.localDescription?.sdp ?? "" });
          break;
        case "answer":
          if (role === "callee") throw new ManyhandsError("FRAME_MALFORMED", "an answer without an offer");
          await this.#peer.setRemoteDescription({ type: "answer", sdp: frame.sdp });
          break;
        case "candidate":
          if (++candidates > RTC_LIMITS.candidates) throw new ManyhandsError("FRAME_TOO_LARGE", "too many candidates");
          await this.#peer.addIceCandidate({ candidate: frame.candidate, sdpMid: frame.mid });
          break;
        case "full":
          throw new ManyhandsError("PEER_UNREACHABLE", "the peer holds as many connections as it may");
      }
    }
  }
}

/** Bytes that came over `peer`, over all channels and with the browser's own confirmations. */
export async function bytesReceived(peer: RTCPeerConnection): Promise<number> {
  let bytes = 0;
  for (const [, report] of await peer.getStats()) {
    if (report.type === "candidate-pair") bytes += report.bytesReceived ?? 0;
  }
  return bytes;
}
