// The relay's libp2p node: tabs reach each other through it for signalling (circuit relay), and open streams to the
// relay's services.
import { type CircuitRelayService, circuitRelayServer } from "@libp2p/circuit-relay-v2";
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { identify } from "@libp2p/identify";
import type { Libp2p, Stream } from "@libp2p/interface";
import { noise } from "@libp2p/noise";
import { ping } from "@libp2p/ping";
import { webSockets } from "@libp2p/websockets";
import { yamux } from "@libp2p/yamux";
import type { Multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { LIMITS } from "../../src/protocol/version.ts";
import { asPeerId, type PeerId } from "../../src/shared/ids.ts";
import type { PeerStream } from "./peer-stream.ts";

const DEFAULTS = Object.freeze({
  /** Tabs connected at once: as many as the directory lists, and some that only ask. */
  maxConnections: LIMITS.directoryPeers + 1024,
  /** Tabs that other tabs can call: all that are connected. */
  maxReservations: LIMITS.directoryPeers + 1024,
  /**
   * Milliseconds that a reservation holds. Tabs renew theirs 5 minutes before its end. Those of tabs that left end at
   * once.
   */
  reservationTtlMs: 15 * 60_000,
  /**
   * Milliseconds and bytes of one relayed connection. Tabs only signal over it, but a program without WebRTC sends all
   * its tasks and prompts over it. A peer that is cut off opens another one, and tasks under way are assigned again.
   */
  relayedMs: 12 * 3600_000,
  relayedBytes: 1024n * 1024n * 1024n,
  /**
   * New connections a second, and half-open ones. For libp2p all of them come from this process: `upgrade-pipe.ts` has
   * counted them by their real addresses.
   */
  localInbound: 1000,
  /** Signalling calls that one tab may have under way. */
  hopStreams: 64,
  /** Signalling calls to all tabs under way. */
  stopStreams: 1024,
  /** Streams of one protocol from one tab: one, and old ones that are about to end. */
  streamsPerPeer: 4,
});

export interface RelayNode {
  readonly peerId: string;
  /** Loopback port on which libp2p accepts WebSockets. */
  readonly port: number;
  readonly connectionCount: number;
  /** Calls `onStream` with each stream that a peer opens with `protocol`. */
  handle(protocol: string, onStream: (stream: PeerStream) => void): Promise<void>;
  stop(): Promise<void>;
}

/** The inner part of libp2p that knows the port, which `announceFilter` hides. */
interface NodeInside {
  readonly transportManager: { getAddrs(): Multiaddr[] };
}

/** Starts the node on any free loopback port. `seed`: 32 bytes of the relay's key. */
export async function startRelayNode(seed: Uint8Array): Promise<RelayNode> {
  const node: Libp2p<{ readonly circuit: CircuitRelayService; readonly inside: NodeInside }> = await createLibp2p({
    privateKey: await generateKeyPairFromSeed("Ed25519", seed),
    addresses: {
      listen: ["/ip4/127.0.0.1/tcp/0/ws"],
      announceFilter: () => [], // nobody can dial the loopback port, and tabs know the address by which they came
    },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: {
      maxConnections: DEFAULTS.maxConnections,
      inboundConnectionThreshold: DEFAULTS.localInbound,
      maxIncomingPendingConnections: DEFAULTS.localInbound,
      reconnectRetries: 0,
    },
    services: {
      identify: identify(),
      ping: ping(),
      inside: (components: NodeInside): NodeInside => ({ transportManager: components.transportManager }),
      circuit: circuitRelayServer({
        maxInboundHopStreams: DEFAULTS.hopStreams,
        maxOutboundStopStreams: DEFAULTS.stopStreams,
        reservations: {
          maxReservations: DEFAULTS.maxReservations,
          reservationTtl: DEFAULTS.reservationTtlMs,
          defaultDurationLimit: DEFAULTS.relayedMs,
          defaultDataLimit: DEFAULTS.relayedBytes,
        },
      }),
    },
  });
  // libp2p keeps the reservation of a tab that left until it expires. Closed tabs would fill the table.
  node.addEventListener("peer:disconnect", (event) => {
    const reservations = node.services.circuit.reservations;
    reservations.get(event.detail)?.signal.clear();
    reservations.delete(event.detail);
  });
  const listening = node.services.inside.transportManager.getAddrs()[0]?.toString() ?? "";
  return {
    peerId: node.peerId.toString(),
    port: Number(/\/tcp\/(\d+)/.exec(listening)?.[1]),
    get connectionCount() {
      return node.getConnections().length;
    },
    handle: (protocol, onStream) =>
      node.handle(protocol, (stream, connection) => onStream(peerStream(stream, asPeerId(connection.remotePeer.toString()))), {
        maxInboundStreams: DEFAULTS.streamsPerPeer,
      }),
    stop: async () => {
      await node.stop();
    },
  };
}

function peerStream(stream: Stream, peer: PeerId): PeerStream {
  return {
    peer,
    get writable() {
      return stream.writeStatus === "writable";
    },
    get full() {
      return stream.writableNeedsDrain;
    },
    send: (bytes) => void stream.send(bytes),
    close: () => {
      stream.close().catch((error: Error) => stream.abort(error));
    },
    abort: (reason) => stream.abort(reason),
    listen: (events) => {
      stream.addEventListener("message", ({ data }) => {
        for (const chunk of data instanceof Uint8Array ? [data] : data) events.bytes(chunk);
      });
      stream.addEventListener("remoteCloseWrite", () => events.ended());
      stream.addEventListener("close", () => events.closed());
      if (stream.status !== "open") events.closed();
    },
  };
}
