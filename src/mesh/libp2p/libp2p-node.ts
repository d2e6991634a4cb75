// The libp2p node of a tab. All configuration of libp2p is here: what the node speaks, and its limits.
import { circuitRelayTransport } from "@libp2p/circuit-relay-v2";
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import { identify } from "@libp2p/identify";
import type { Libp2p, Listener } from "@libp2p/interface";
import { noise } from "@libp2p/noise";
import { ping } from "@libp2p/ping";
import { webRTC } from "@libp2p/webrtc";
import { webSockets } from "@libp2p/websockets";
import { yamux } from "@libp2p/yamux";
import type { Multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";

export const TAB_NODE_LIMITS = Object.freeze({
  /**
   * Milliseconds for one dial. Relay, signalling, ICE and DTLS take 0.2 s within one room, and a few seconds over slow
   * consumer links.
   */
  dialTimeoutMs: 10_000,
  /**
   * Milliseconds between pings on each connection: a connection to a tab that froze or lost its network ends within two
   * of them. Each ping opens a stream, which takes a dozen messages on either side.
   */
  pingIntervalMs: 5000,
  /** Milliseconds that a ping may take at least: a tab's main thread can be busy for a second or two. */
  pingTimeoutMs: 5000,
  /** Pings that one connection may have under way: the regular one, and those of doubts. */
  pingStreams: 8,
  /** Connections of one tab: to its neighbours in routes, and to the peers that it serves. */
  maxConnections: 100,
  /** Peers that may connect at once: many requesters come to a popular span at the same moment. */
  maxPendingInbound: 32,
});

/** The inner part of libp2p by which a reservation at the relay is kept. */
export interface NodeInside {
  readonly transportManager: { listen(addresses: Multiaddr[]): Promise<void>; getListeners(): Listener[] };
}

export type TabNode = Libp2p<{ readonly inside: NodeInside }>;

export interface TabNodeOptions {
  /** 32 bytes: the seed of the peer's Ed25519 key. */
  readonly seed: Uint8Array;
  /** `stun:` and `turn:` URLs; none are needed within one network. */
  readonly iceServers: readonly string[];
}

/** Starts a node that listens nowhere yet. */
export async function createTabNode(options: TabNodeOptions): Promise<TabNode> {
  return createLibp2p({
    privateKey: await generateKeyPairFromSeed("Ed25519", options.seed),
    addresses: { listen: [] },
    transports: [
      webSockets(),
      circuitRelayTransport(),
      webRTC({ rtcConfiguration: { iceServers: options.iceServers.map((urls) => ({ urls })) } }),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // By default libp2p refuses plain and private addresses in browsers. A relay on this machine or network has both.
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: {
      maxConnections: TAB_NODE_LIMITS.maxConnections,
      dialTimeout: TAB_NODE_LIMITS.dialTimeoutMs,
      addressDialTimeout: TAB_NODE_LIMITS.dialTimeoutMs,
      maxIncomingPendingConnections: TAB_NODE_LIMITS.maxPendingInbound,
      inboundConnectionThreshold: TAB_NODE_LIMITS.maxPendingInbound,
      reconnectRetries: 0, // RelayConnection reconnects, and reports it
    },
    connectionMonitor: { pingInterval: TAB_NODE_LIMITS.pingIntervalMs, pingTimeout: { minTimeout: TAB_NODE_LIMITS.pingTimeoutMs } },
    services: {
      identify: identify(),
      ping: ping({ maxInboundStreams: TAB_NODE_LIMITS.pingStreams, maxOutboundStreams: TAB_NODE_LIMITS.pingStreams }),
      inside: (components: NodeInside): NodeInside => ({ transportManager: components.transportManager }),
    },
  });
}
