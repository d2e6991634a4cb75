// A mesh over direct connections, of which a tab holds a few. Each link is a data channel. A peer that cannot be
// reached directly is reached over the mesh below.
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
import { RtcConnection, type RtcConnectionOptions } from "./rtc-connection.ts";

const DEFAULTS = Object.freeze({
  /** Connections of one tab: to its neighbours in routes, to the peers that it serves, and a few to spare. */
  connections: 10,
  /** Milliseconds to negotiate one: 0.2 s within one room, a few seconds over slow consumer links. */
  negotiateMs: 8_000,
  /** Milliseconds before a peer that could not be reached directly is tried directly again. */
  avoidMs: 60_000,
  /** Milliseconds for which the goodbyes hold up a page that is being closed. Nobody notices them. */
  goodbyeMs: 25,
});

export interface RtcMeshOptions {
  readonly below: Mesh & SignallingMesh;
  /** `stun:` and `turn:` URLs. */
  readonly iceServers: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Decorates `below`, and stops it as well. */
export class RtcMesh implements Mesh {
  /** To the peers that this tab is or was connected to directly. */
  readonly roundTrips: RoundTrips;
  readonly #options: RtcMeshOptions;
  readonly #handlers = new Map<string, (link: Link) => void>();
  readonly #connections = new Set<RtcConnection>();
  /** Calls under way, one to each peer. All callers of a peer share it. */
  readonly #calls = new Map<PeerId, Promise<RtcConnection>>();
  /** Peers that could not be reached directly, and when to try that again. */
  readonly #avoid = new Map<PeerId, number>();
  readonly #life = new AbortController();
  readonly #connectionOptions: RtcConnectionOptions;
  readonly #unhandle: () => void;

  constructor(options: RtcMeshOptions) {
    this.#options = options;
    const { below, iceServers, clock, log } = options;
    this.roundTrips = new RoundTrips(clock);
    this.#connectionOptions = {
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
    this.#unhandle = below.handle(PROTOCOLS.rtc, (link) => void this.#acceptCall(link));
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
      return await abortable(connection.open(protocol), signal); // the caller gets it in this very task, and may detach it
    } catch (cause) {
      signal.throwIfAborted();
      // A peer that was reached and does not serve the protocol does not serve it over the mesh below either.
      if (this.#connectionTo(peer) && errorCode(cause) === "PEER_UNREACHABLE") throw cause;
      log.info("no direct connection, going by libp2p", { peer, message: errorMessage(cause) });
      const link = await below.open(peer, protocol, signal);
      this.#avoid.set(peer, clock.now() + DEFAULTS.avoidMs); // the peer is there, only not directly
      return link;
    }
  }

  handle(protocol: string, onLink: (link: Link) => void): () => void {
    const removeBelow = this.#options.below.handle(protocol, onLink);
    this.#handlers.set(protocol, onLink);
    this.#sendServed();
    return () => {
      removeBelow();
      if (this.#handlers.get(protocol) !== onLink) return;
      this.#handlers.delete(protocol);
      this.#sendServed();
    };
  }

  /** Somebody reports that `peer` is gone: its connections are cut unless it gives a sign of life within a moment. */
  suspect(peer: PeerId): void {
    this.#suspectDirect(peer);
    this.#options.below.suspect(peer);
  }

  /** Warns every peer that this page may be replaced at any moment: the goodbyes of `vanish` may come too late. */
  going(): void {
    for (const connection of this.#connections) connection.going();
  }

  /** Cuts every connection at once, for a page that is being closed. */
  vanish(): void {
    this.#life.abort(new Error("the page is being closed"));
    for (const connection of this.#connections) connection.bye();
    // Another thread sends the goodbyes, and it ends with the page or with the connection. Give it a moment.
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

  #sendServed(): void {
    for (const connection of this.#connections) connection.sendServed(this.#connectionOptions.serves());
  }

  #call(peer: PeerId): Promise<RtcConnection> {
    const running = this.#calls.get(peer);
    if (running) return running;
    const call = this.#callOnce(peer).finally(() => this.#calls.delete(peer));
    this.#calls.set(peer, call);
    return call;
  }

  async #callOnce(peer: PeerId): Promise<RtcConnection> {
    if (!this.#makeSpace()) throw new ManyhandsError("PEER_UNREACHABLE", "this tab holds as many connections as it may");
    const signal = AbortSignal.any([this.#life.signal, AbortSignal.timeout(DEFAULTS.negotiateMs)]);
    const link = await this.#options.below.openControl(peer, PROTOCOLS.rtc, signal);
    return this.#keep(await RtcConnection.call(link, this.#connectionOptions, signal));
  }

  /** Never throws: if a call fails, it is up to the caller to try again. */
  async #acceptCall(link: Link): Promise<void> {
    try {
      // A peer that calls again has lost its connection, or it is another tab with the same key.
      this.#suspectDirect(link.remote);
      if (!this.#makeSpace()) {
        await link.send(encodeFrame({ kind: "full" }));
        await link.close();
        return;
      }
      const signal = AbortSignal.any([this.#life.signal, AbortSignal.timeout(DEFAULTS.negotiateMs)]);
      this.#keep(await RtcConnection.accept(link, this.#connectionOptions, signal));
    } catch (error) {
      this.#options.log.info("a call for a direct connection failed", { peer: link.remote, message: errorMessage(error) });
    }
  }

  #keep(connection: RtcConnection): RtcConnection {
    this.#connections.add(connection);
    if (this.#life.signal.aborted) connection.leave();
    return connection;
  }

  /**
   * Makes space for one more connection, by ending the one that was idle for longest. Returns whether there is space.
   */
  #makeSpace(): boolean {
    if (this.#connections.size < DEFAULTS.connections) return true;
    const [idle] = [...this.#connections].filter(({ links }) => links === 0).toSorted((a, b) => a.idleSince - b.idleSince);
    idle?.leave();
    return idle !== undefined;
  }
}
