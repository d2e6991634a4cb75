// The libp2p node of a tab: what it speaks and how patient it is. Everything about libp2p's configuration is here.
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

export const DEFAULTS = Object.freeze({
  /** Milliseconds for one dial: relay, signalling, ICE and DTLS take 0.2 s in a room and a few over slow consumer links. */
  dialTimeoutMs: 10_000,
  /**
   * Milliseconds between pings on each connection: a tab that froze or lost its network is let go within two of them. Each opens a
   * stream, a dozen messages on either side.
   */
  pingIntervalMs: 5000,
  /** Milliseconds that a ping may take at least: a tab's main thread can be busy for a second or two. */
  pingTimeoutMs: 5000,
  /** Pings that one connection may have under way: the regular one, and those of doubts. */
  pingStreams: 8,
  /** Connections of one tab: its route neighbours and those that it answers for. */
  maxConnections: 100,
  /** Peers that may come in at once: a span that is popular gets many requesters in the same moment. */
  maxPendingInbound: 32,
});

/** The part of libp2p's inside that keeping a reservation needs. */
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

/** A started node that listens nowhere yet. */
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
    // libp2p refuses plain and private addresses in browsers by default; a relay on this machine or network is both.
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: {
      maxConnections: DEFAULTS.maxConnections,
      dialTimeout: DEFAULTS.dialTimeoutMs,
      addressDialTimeout: DEFAULTS.dialTimeoutMs,
      maxIncomingPendingConnections: DEFAULTS.maxPendingInbound,
      inboundConnectionThreshold: DEFAULTS.maxPendingInbound,
      reconnectRetries: 0, // RelayConnection does that, and says so
    },
    connectionMonitor: { pingInterval: DEFAULTS.pingIntervalMs, pingTimeout: { minTimeout: DEFAULTS.pingTimeoutMs } },
    services: {
      identify: identify(),
      ping: ping({ maxInboundStreams: DEFAULTS.pingStreams, maxOutboundStreams: DEFAULTS.pingStreams }),
      inside: (components: NodeInside): NodeInside => ({ transportManager: components.transportManager }),
    },
  });
}
