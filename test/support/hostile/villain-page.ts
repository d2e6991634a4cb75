// Runs inside a page of a test, for `villain.ts`: a libp2p node of its own that sends any bytes over the real mesh.
import { multiaddr } from "@multiformats/multiaddr";
import { settleInitChannels } from "../../../src/mesh/libp2p/init-channel.ts";
import { createTabNode, type TabNode } from "../../../src/mesh/libp2p/libp2p-node.ts";

let joined: { readonly node: TabNode; readonly relay: string } | undefined;

/** Connects to the relay. Returns this peer's id. */
export async function join(relay: string): Promise<string> {
  settleInitChannels(RTCPeerConnection.prototype);
  const node = await createTabNode({ seed: crypto.getRandomValues(new Uint8Array(32)), iceServers: [] });
  await node.dial(multiaddr(relay));
  joined = { node, relay };
  return node.peerId.toString();
}

/** Opens a stream of `protocol` to `peer`, writes `records` as they are, and waits until the other side ends it. */
export async function attack(peer: string, protocol: string, records: readonly (readonly number[])[]): Promise<void> {
  if (joined === undefined) throw new Error("join first");
  const { node, relay } = joined;
  const stream = await node.dialProtocol(multiaddr(`${relay}/p2p-circuit/webrtc/p2p/${peer}`), protocol);
  const ended = new Promise<void>((resolve) => {
    stream.addEventListener("close", () => resolve(), { once: true });
    stream.addEventListener("remoteCloseWrite", () => resolve(), { once: true });
  });
  for (const record of records) {
    if (stream.status !== "open") break; // the peer has refused it already, as it should
    stream.send(Uint8Array.from(record));
  }
  await ended;
  stream.abort(new Error("done"));
}
