// A mesh whose links are data channels of direct connections, a few to a tab; what cannot be reached so goes by the mesh below.
import { encodeFrame } from "../../protocol/frame.ts";
import { PROTOCOLS } from "../../protocol/version.ts";
import { abortable } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { errorCode, errorMessage, ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { Link } from "../ports/link.ts";
import type { Mesh } from "../ports/mesh.ts";
import type { SignallingMesh } from "../ports/signalling-mesh.ts";
import { RoundTrips } from "./round-trips.ts";
import { RtcConnection, type RtcConnectionDeps } from "./rtc-connection.ts";

const DEFAULTS = Object.freeze({
  /** Connections of one tab: its route neighbours, those it answers for, and room. */
  connections: 10,
  /** Milliseconds to negotiate one: 0.2 s in a room, a few over slow consumer links. */
  negotiateMs: 8_000,
  /** Milliseconds for which a peer that could not be reached directly is not tried again. */
  avoidMs: 60_000,
  /** Milliseconds that a page which is being closed is held for its goodbyes: nobody sees them pass. */
  goodbyeMs: 25,
});

export interface RtcMeshOptions {
  readonly below: Mesh & SignallingMesh;
  /** `stun:` and `turn:` URLs. */
  readonly iceServers: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Decorates `below`; stopping this one stops that one. */
export class RtcMesh implements Mesh {
  /** Of direct connections, as long as they were last up. */
  readonly roundTrips: RoundTrips;
  readonly #options: RtcMeshOptions;
  readonly #handlers = new Map<string, (link: Link) => void>();
  readonly #connections = new Set<RtcConnection>();
  /** One call at a time to each peer, whoever asks. */
  readonly #calls = new Map<PeerId, Promise<RtcConnection>>();
  /** Peers that could not be reached directly, and until when that is believed. */
  readonly #avoid = new Map<PeerId, number>();
  readonly #life = new AbortController();
  readonly #deps: RtcConnectionDeps;
  readonly #unhandle: () => void;

  constructor(options: RtcMeshOptions) {
    this.#options = options;
    const { below, iceServers, clock, log } = options;
    this.roundTrips = new RoundTrips(clock);
    this.#deps = {
      iceServers,
      clock,
      serves: () => [...this.#handlers.keys()],
      onLink: (protocol, link) => {
        const handler = this.#handlers.get(protocol);
        handler?.(link);
        return handler !== undefined;
      },
      onGone: (connection, why) => {
        this.#connections.delete(connection);
        log.debug("a direct connection ended", { peer: connection.remote, why });
      },
      onRoundTrip: (peer, ms) => this.roundTrips.note(peer, ms),
    };
    this.#unhandle = below.handle(PROTOCOLS.rtc, (link) => void this.#answer(link));
  }

  get self(): PeerId {
    return this.#options.below.self;
  }

  async open(peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link> {
    signal.throwIfAborted();
    const { below, clock, log } = this.#options;
    if ((this.#avoid.get(peer) ?? -Infinity) > clock.now()) return below.open(peer, protocol, signal);
    try {
      const connection = this.#connectionTo(peer) ?? (await abortable(this.#call(peer), signal));
      return await abortable(connection.open(protocol), signal); // made in this very task: the link may be detached
    } catch (cause) {
      signal.throwIfAborted();
      // A peer that was reached and does not serve this would not do so over a stream either.
      if (this.#connectionTo(peer) && errorCode(cause) === "PEER_UNREACHABLE") throw cause;
      log.info("no direct connection, going by libp2p", { peer, message: errorMessage(cause) });
      const link = await below.open(peer, protocol, signal);
      this.#avoid.set(peer, clock.now() + DEFAULTS.avoidMs); // it is there, only not directly
      return link;
    }
  }

  handle(protocol: string, onLink: (link: Link) => void): () => void {
    const removeBelow = this.#options.below.handle(protocol, onLink);
    this.#handlers.set(protocol, onLink);
    this.#tell();
    return () => {
      removeBelow();
      if (this.#handlers.get(protocol) !== onLink) return;
      this.#handlers.delete(protocol);
      this.#tell();
    };
  }

  /** Takes somebody's word that `peer` is gone, with a check. */
  suspect(peer: PeerId): void {
    this.#suspectDirect(peer);
    this.#options.below.suspect(peer);
  }

  /** Warns every peer that this page may be replaced in the next moment: `vanish` may come too late to be heard. */
  going(): void {
    for (const connection of this.#connections) connection.going();
  }

  /** Cuts every connection in this very moment, for a page that is being closed. */
  vanish(): void {
    this.#life.abort(new Error("the page is being closed"));
    for (const connection of this.#connections) connection.bye();
    // What was sent leaves by another thread, which ends with the page or with the connection: it gets its moment.
    const { clock } = this.#options;
    if (this.#connections.size > 0) for (const until = clock.now() + DEFAULTS.goodbyeMs; clock.now() < until;);
    for (const connection of [...this.#connections]) connection.leave();
    this.#options.below.vanish();
  }

  async stop(): Promise<void> {
    this.#unhandle();
    this.#life.abort(new Error("the mesh has stopped"));
    for (const connection of [...this.#connections]) connection.leave();
    this.#handlers.clear();
    await this.#options.below.stop();
  }

  #connectionTo(peer: PeerId): RtcConnection | undefined {
    return [...this.#connections].find((connection) => connection.remote === peer);
  }

  #suspectDirect(peer: PeerId): void {
    for (const connection of this.#connections) if (connection.remote === peer) connection.suspect();
  }

  #tell(): void {
    for (const connection of this.#connections) connection.tell(this.#deps.serves());
  }

  #call(peer: PeerId): Promise<RtcConnection> {
    const running = this.#calls.get(peer);
    if (running) return running;
    const call = this.#callOnce(peer).finally(() => this.#calls.delete(peer));
    this.#calls.set(peer, call);
    return call;
  }

  async #callOnce(peer: PeerId): Promise<RtcConnection> {
    if (!this.#makeRoom()) throw new ManyhandsError("PEER_UNREACHABLE", "this tab holds as many connections as it may");
    const signal = AbortSignal.any([this.#life.signal, AbortSignal.timeout(DEFAULTS.negotiateMs)]);
    const link = await this.#options.below.openControl(peer, PROTOCOLS.rtc, signal);
    return this.#keep(await RtcConnection.call(link, this.#deps, signal));
  }

  /** Never throws: a call that fails is the caller's to try again. */
  async #answer(link: Link): Promise<void> {
    try {
      // A peer that calls again has lost what it had, or is another tab with its key.
      this.#suspectDirect(link.remote);
      if (!this.#makeRoom()) {
        await link.send(encodeFrame({ kind: "full" }));
        await link.close();
        return;
      }
      const signal = AbortSignal.any([this.#life.signal, AbortSignal.timeout(DEFAULTS.negotiateMs)]);
      this.#keep(await RtcConnection.answer(link, this.#deps, signal));
    } catch (error) {
      this.#options.log.info("a call for a direct connection failed", { peer: link.remote, message: errorMessage(error) });
    }
  }

  #keep(connection: RtcConnection): RtcConnection {
    this.#connections.add(connection);
    if (this.#life.signal.aborted) connection.leave();
    return connection;
  }

  /** Room for one more; gives up the connection that has been idle for longest. */
  #makeRoom(): boolean {
    if (this.#connections.size < DEFAULTS.connections) return true;
    const [idle] = [...this.#connections].filter(({ links }) => links === 0).toSorted((a, b) => a.idleSince - b.idleSince);
    idle?.leave();
    return idle !== undefined;
  }
}
