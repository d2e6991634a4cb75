// The mesh of real tabs: libp2p over WebRTC, with calls through a relay. The links of a peer without WebRTC run through
// the relay.
import type { Connection, Stream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { abortable } from "../../shared/abort.ts";
import { type Clock, systemClock } from "../../shared/clock.ts";
import { errorMessage, ManyhandsError } from "../../shared/errors.ts";
import { asPeerId, type PeerId } from "../../shared/ids.ts";
import { type Log, silentLog } from "../../shared/log.ts";
import { ConnectionDoubts } from "./connection-doubts.ts";
import type { RelayStatus } from "../ports/directory.ts";
import { createTabNode, TAB_NODE_LIMITS, type TabNode } from "./libp2p-node.ts";
import { settleInitChannels } from "./init-channel.ts";
import type { Link } from "../ports/link.ts";
import type { Mesh } from "../ports/mesh.ts";
import { RelayConnection, type RelayPort } from "./relay-connection.ts";
import type { SignallingMesh } from "../ports/signalling-mesh.ts";
import { StreamLink } from "./stream-link.ts";
import type { TileExchange, TileShelf } from "../ports/tile-exchange.ts";

export const DEFAULTS = Object.freeze({
  /**
   * Milliseconds that a stream may take to open before its connection is doubted, and that a connection in doubt has to
   * reply to a ping. A browser that closes a WebRTC connection does not notify the other side, where it looks open for
   * another 10 s.
   */
  staleMs: 2000,
  /** Links of one protocol between this peer and another, in each direction: the sessions of one requester. */
  linksPerPeer: 64,
});

export interface Libp2pMeshOptions {
  /** 32 bytes: the seed of this peer's Ed25519 key. */
  readonly seed: Uint8Array;
  /** See `RelayConnectionOptions`. */
  readonly relayAddresses: (signal: AbortSignal) => Promise<readonly string[]>;
  /** `stun:` and `turn:` URLs, for tabs behind different routers. Default: none. */
  readonly iceServers?: readonly string[];
  /**
   * `direct`: WebRTC, and no link if that fails. `relayed`: through the relay, for threads without WebRTC (Node,
   * workers of a page). A mesh of one sort accepts the links that a peer of the other sort opens. Default: `direct`.
   */
  readonly links?: "direct" | "relayed";
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly log?: Log;
}

const PEER_ID = /^[1-9A-HJ-NP-Za-km-z]{8,128}$/; // base58

const isRelayed = (connection: Connection): boolean => {
  const address = connection.remoteAddr.toString();
  return connection.limits !== undefined || (address.includes("/p2p-circuit") && !address.includes("/webrtc"));
};

/** A peer in a browser tab, a worker, or Node. Its WebRTC links live on while the relay is away. */
export class Libp2pMesh implements Mesh, RelayPort, SignallingMesh {
  readonly self: PeerId;
  readonly #node: TabNode;
  readonly #relayConnection: RelayConnection;
  readonly #isRelayed: boolean;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #links = new Set<Link>();
  readonly #handled = new Set<string>();
  readonly #doubts: ConnectionDoubts;
  /** Dials under way, one to each peer. All callers of a peer share it. */
  readonly #dials = new Map<PeerId, Promise<Connection>>();
  readonly #life = new AbortController();
  #relayRun: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  private constructor(node: TabNode, options: Libp2pMeshOptions) {
    this.#node = node;
    this.self = asPeerId(node.peerId.toString());
    this.#isRelayed = options.links === "relayed";
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#doubts = new ConnectionDoubts((...args) => this.#newStream(...args), DEFAULTS.staleMs, this.#log);
    this.#relayConnection = new RelayConnection({
      node,
      relayAddresses: options.relayAddresses,
      clock: this.#clock,
      random: options.random ?? Math.random,
      log: this.#log,
    });
  }

  /**
   * Starts a node, and begins to connect to the relay without waiting for it (see `relay`). Throws BROWSER_UNSUPPORTED.
   */
  static async start(options: Libp2pMeshOptions): Promise<Libp2pMesh> {
    // Node has no such global, and its WebRTC is another implementation.
    if ("RTCPeerConnection" in globalThis) settleInitChannels(RTCPeerConnection.prototype);
    let node: TabNode;
    try {
      node = await createTabNode({ seed: options.seed, iceServers: options.iceServers ?? [] });
    } catch (cause) {
      throw new ManyhandsError("BROWSER_UNSUPPORTED", `this browser cannot join: ${errorMessage(cause)}`, { cause });
    }
    const mesh = new Libp2pMesh(node, options);
    mesh.#relayRun = mesh.#relayConnection.run(mesh.#life.signal);
    return mesh;
  }

  get relay(): RelayStatus {
    return this.#relayConnection.relay;
  }

  on(name: "relay:changed", listener: (status: RelayStatus) => void): () => void {
    return this.#relayConnection.on(name, listener);
  }

  openRelay(protocol: string, signal: AbortSignal): Promise<Link> {
    return this.#relayConnection.openRelay(protocol, signal);
  }

  async open(peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link> {
    signal.throwIfAborted();
    const attempt = AbortSignal.any([signal, this.#life.signal, AbortSignal.timeout(TAB_NODE_LIMITS.dialTimeoutMs)]);
    try {
      return await this.#openLink(peer, protocol, attempt);
    } catch (cause) {
      signal.throwIfAborted();
      throw new ManyhandsError("PEER_UNREACHABLE", `no link to ${peer}: ${errorMessage(cause)}`, { cause });
    }
  }

  /** Like `open`, over any connection that there is, relayed or not: for a few kilobytes. */
  async openControl(peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link> {
    const attempt = AbortSignal.any([signal, this.#life.signal, AbortSignal.timeout(TAB_NODE_LIMITS.dialTimeoutMs)]);
    try {
      const open = ({ remotePeer, status }: Connection): boolean => remotePeer.toString() === peer && status === "open";
      const connection =
        this.#node.getConnections().findLast((each) => open(each) && !this.#doubts.of(each)) ?? (await this.#dialRelayed(peer, attempt));
      const stream = await connection.newStream(protocol, { signal: attempt, runOnLimitedConnection: true });
      const link = this.#keep(new StreamLink(stream, peer), connection);
      void link.closed.then(() => this.#closeIfUnused(connection));
      return link;
    } catch (cause) {
      signal.throwIfAborted();
      throw new ManyhandsError("PEER_UNREACHABLE", `no way to call ${peer}: ${errorMessage(cause)}`, { cause });
    }
  }

  /** `onLink` also gets the links that are opened with `openControl`. */
  handle(protocol: string, onLink: (link: Link) => void): () => void {
    if (this.#handled.has(protocol)) throw new ManyhandsError("BAD_INPUT", `${protocol} has a handler already`);
    this.#handled.add(protocol);
    let active = true;
    const onStream = (stream: Stream, connection: Connection): void => {
      if (!active) return stream.abort(new Error("not served any more"));
      onLink(this.#keep(new StreamLink(stream, asPeerId(connection.remotePeer.toString())), connection));
    };
    const warn = (error: unknown): void => this.#log.warn("handler", { protocol, message: errorMessage(error) });
    const registered = this.#node
      .handle(protocol, onStream, {
        maxInboundStreams: DEFAULTS.linksPerPeer,
        maxOutboundStreams: DEFAULTS.linksPerPeer,
        runOnLimitedConnection: true,
        force: true, // the handler before this one may not be removed yet
      })
      .catch(warn);
    return () => {
      if (!active) return;
      active = false;
      this.#handled.delete(protocol);
      void registered.then(() => (this.#handled.has(protocol) ? undefined : this.#node.unhandle(protocol))).catch(warn);
    };
  }

  /** Starts to exchange blocks with peers. Any peer may have the blocks on `shelf`. Throws BROWSER_UNSUPPORTED. */
  async exchange(shelf: TileShelf): Promise<TileExchange> {
    const { BitswapExchange } = await import("./bitswap-exchange.ts");
    const connect = async (peer: PeerId, signal: AbortSignal): Promise<Connection> => {
      try {
        return await this.#connectionTo(peer, AbortSignal.any([signal, this.#life.signal]));
      } catch (cause) {
        signal.throwIfAborted();
        throw new ManyhandsError("PEER_UNREACHABLE", `no connection to ${peer}: ${errorMessage(cause)}`, { cause });
      }
    };
    return BitswapExchange.start({ node: this.#node, connect, shelf, clock: this.#clock, log: this.#log });
  }

  /**
   * Somebody reports that `peer` is gone: its connection is cut unless it replies to a ping within `staleMs`. The relay
   * sees a tab die at once, because the tab's WebSocket closes. WebRTC alone needs about 10 s.
   */
  suspect(peer: PeerId): void {
    for (const connection of this.#node.getConnections()) {
      if (connection.remotePeer.toString() === peer && connection.status === "open") void this.#doubts.raise(connection);
    }
  }

  /** Cuts every connection at once, for a page that is being closed. Other peers notice it at once. */
  vanish(): void {
    const reason = new Error("the page is being closed");
    this.#life.abort(reason);
    for (const connection of this.#node.getConnections()) {
      // To abort a WebSocket leaves it open in browsers: libp2p uses a close code that they do not allow.
      if (connection.multiplexer === "/webrtc") connection.abort(reason);
      else connection.close().catch((error: unknown) => this.#log.debug("not closed", { message: errorMessage(error) }));
    }
  }

  stop(): Promise<void> {
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    await Promise.all([...this.#links].map((link) => link.close()));
    this.#life.abort(new Error("the mesh has stopped"));
    await this.#relayRun;
    await this.#node.stop();
  }

  #keep(link: StreamLink, connection: Connection): Link {
    this.#links.add(link);
    void link.closed.then(() => {
      this.#links.delete(link);
      if (link.lost && connection.status === "open") return this.#doubts.raise(connection);
    });
    return link;
  }

  async #openLink(peer: PeerId, protocol: string, signal: AbortSignal): Promise<Link> {
    const connection = await this.#connectionTo(peer, signal);
    const patience = AbortSignal.timeout(DEFAULTS.staleMs);
    try {
      const stream = await this.#newStream(connection, protocol, AbortSignal.any([signal, patience]));
      return this.#keep(new StreamLink(stream, peer), connection);
    } catch (error) {
      if (signal.aborted || !patience.aborted) throw error;
    }
    await abortable(this.#doubts.raise(connection), signal);
    const next = await this.#connectionTo(peer, signal);
    return this.#keep(new StreamLink(await this.#newStream(next, protocol, signal), peer), next);
  }

  /** Returns a connection that is open and not in doubt. Dials if there is none. */
  async #connectionTo(peer: PeerId, signal: AbortSignal): Promise<Connection> {
    const usable = (connection: Connection): boolean =>
      connection.remotePeer.toString() === peer && connection.status === "open" && (this.#isRelayed || !isRelayed(connection));
    for (;;) {
      const connection = this.#node.getConnections().findLast(usable);
      if (connection === undefined) return abortable(this.#dial(peer), signal);
      const doubt = this.#doubts.of(connection);
      if (doubt === undefined) return connection;
      await abortable(doubt, signal);
    }
  }

  #newStream(connection: Connection, protocol: string, signal: AbortSignal): Promise<Stream> {
    return connection.newStream(protocol, { signal, runOnLimitedConnection: this.#isRelayed });
  }

  /** Joins a dial to `peer` that is under way, or starts one. It goes on if one of its callers gives up. */
  #dial(peer: PeerId): Promise<Connection> {
    const running = this.#dials.get(peer);
    if (running !== undefined) return running;
    const dial = this.#dialOnce(peer).finally(() => this.#dials.delete(peer));
    this.#dials.set(peer, dial);
    return dial;
  }

  /** Returns the address of the relay through which `peer` is called. Throws PEER_UNREACHABLE. */
  #relayFor(peer: PeerId): string {
    const relay = this.#relayConnection.address;
    if (relay === undefined) throw new ManyhandsError("PEER_UNREACHABLE", "not connected to the relay, so no new peer can be called");
    if (!PEER_ID.test(peer)) throw new ManyhandsError("PEER_UNREACHABLE", "not a peer id"); // it becomes part of an address
    return relay;
  }

  #dialRelayed(peer: PeerId, signal: AbortSignal): Promise<Connection> {
    return this.#node.dial(multiaddr(`${this.#relayFor(peer)}/p2p-circuit/p2p/${peer}`), { signal });
  }

  /** Closes a relayed connection that nothing uses, which frees its place at the relay. */
  #closeIfUnused(connection: Connection): void {
    if (isRelayed(connection) && connection.streams.length === 0)
      connection.close().catch((error: unknown) => this.#log.debug("not closed", { message: errorMessage(error) }));
  }

  async #dialOnce(peer: PeerId): Promise<Connection> {
    const signal = AbortSignal.any([this.#life.signal, AbortSignal.timeout(TAB_NODE_LIMITS.dialTimeoutMs)]);
    if (this.#isRelayed) return this.#dialRelayed(peer, signal);
    return this.#node.dial(multiaddr(`${this.#relayFor(peer)}/p2p-circuit/webrtc/p2p/${peer}`), { signal, force: true });
  }
}
