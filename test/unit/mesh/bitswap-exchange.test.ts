// The tile exchange between two real libp2p nodes: how many of its requests it remembers.
import { identify } from "@libp2p/identify";
import { noise } from "@libp2p/noise";
import { webSockets } from "@libp2p/websockets";
import { yamux } from "@libp2p/yamux";
import { createLibp2p, type Libp2p } from "libp2p";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BitswapExchange } from "../../../src/mesh/libp2p/bitswap-exchange.ts";
import { sha256 } from "../../../src/model/tiles/sha256.ts";
import { toHex } from "../../../src/shared/bytes.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { asPeerId, type PeerId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";

const { signal } = new AbortController();
const shelf = new Map<string, Uint8Array<ArrayBuffer>>();
/** What the client's exchange warns of. */
const warnings: string[] = [];
const warned = Promise.withResolvers<void>();

let nodes: readonly Libp2p[];
let server: BitswapExchange;
let client: BitswapExchange;
let peer: PeerId;

const node = (listen: string[]): Promise<Libp2p> =>
  createLibp2p({
    addresses: { listen },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  });

beforeAll(async () => {
  const [serverNode, clientNode] = await Promise.all([node(["/ip4/127.0.0.1/tcp/0/ws"]), node([])]);
  nodes = [serverNode, clientNode];
  peer = asPeerId(serverNode.peerId.toString());
  server = await BitswapExchange.start({
    node: serverNode,
    connect: () => Promise.reject(new Error("the server fetches nothing")),
    shelf: { get: async (hash) => shelf.get(hash) },
    clock: systemClock,
    log: silentLog,
  });
  client = await BitswapExchange.start({
    node: clientNode,
    connect: () => clientNode.dial(serverNode.getMultiaddrs()),
    shelf: { get: async () => undefined },
    clock: systemClock,
    log: {
      ...silentLog,
      warn: (message) => {
        warnings.push(message);
        warned.resolve();
      },
    },
    remembered: 2,
  });
});
afterAll(async () => {
  await Promise.all([server.stop(), client.stop()]);
  await Promise.all(nodes.map(async (each) => each.stop()));
});

test("blocks that nobody waits for any more are expected for the latest requests alone", async () => {
  const [first, second, third, last] = await Promise.all(
    [1, 2, 3, 4].map(async (byte) => ({ bytes: Uint8Array.of(byte), hash: await sha256(Uint8Array.of(byte)) })),
  );
  if (!first || !second || !third || !last) throw new Error("four blocks");
  for (const { hash } of [first, second, third]) expect(await client.fetch(peer, hash, false, signal)).toBeUndefined();
  // The server still knows that it was asked for all three, and sends them as soon as it has them.
  for (const { bytes, hash } of [third, second, first]) {
    shelf.set(toHex(hash), bytes);
    server.gained(hash);
  }
  await warned.promise;
  shelf.set(toHex(last.hash), last.bytes);
  expect(await client.fetch(peer, last.hash, false, signal)).toEqual(last.bytes); // after all blocks before it
  expect(warnings).toEqual(["a peer sends blocks that nobody asked for"]);
});
