// The exchange of tiles between real nodes over WebRTC: blocks come when they are there, a peer can wait for one, and a
// peer that sends something else is found out.
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { Libp2pMesh } from "../../src/mesh/libp2p/libp2p-mesh.ts";
import type { TileExchange } from "../../src/mesh/ports/tile-exchange.ts";
import { sha256 } from "../../src/model/tiles/sha256.ts";
import { toHex } from "../../src/shared/bytes.ts";

const MIB = 1024 * 1024;
/** Fails a test rather than hang it. */
const soon = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms);

interface Node {
  readonly mesh: Libp2pMesh;
  readonly exchange: TileExchange;
  readonly shelf: Map<string, Uint8Array<ArrayBuffer>>;
}
const nodes: Node[] = [];

async function join(): Promise<Node> {
  const mesh = await Libp2pMesh.start({
    seed: crypto.getRandomValues(new Uint8Array(32)),
    relayAddresses: async () => [inject("relayAddress")],
    random: () => 0,
  });
  await new Promise<void>((resolve) => {
    if (mesh.relay.kind === "connected") resolve();
    mesh.on("relay:changed", ({ kind }) => kind === "connected" && resolve());
  });
  const shelf = new Map<string, Uint8Array<ArrayBuffer>>();
  const exchange = await mesh.exchange({ get: async (hash) => shelf.get(hash) });
  const node = { mesh, exchange, shelf };
  nodes.push(node);
  return node;
}

/** Returns a block of `size` bytes, which differ by `seed`, and its hash. */
async function block(
  size: number,
  seed: number,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly hash: Uint8Array<ArrayBuffer> }> {
  const bytes = new Uint8Array(size).map((_, index) => (index * 31 + (index >>> 8) * 7 + seed) & 255);
  return { bytes, hash: await sha256(bytes) };
}

/**
 * Starts to wait for a block that `giving` does not have. Resolves once `giving` has said so: it then knows of the
 * request, and `block` still waits.
 */
async function waitFor(hash: Uint8Array<ArrayBuffer>, signal = soon()) {
  const block = asking.exchange.fetch(giving.mesh.self, hash, true, signal);
  // The second call shares the request of the first.
  expect(await asking.exchange.fetch(giving.mesh.self, hash, false, soon())).toBeUndefined();
  expect(await Promise.race([block, Promise.resolve("still waiting")])).toBe("still waiting");
  return { block };
}

let asking: Node;
let giving: Node;
beforeAll(async () => {
  [asking, giving] = await Promise.all([join(), join()]);
});
afterAll(async () => {
  await Promise.all(
    nodes.map(async ({ mesh, exchange }) => {
      await exchange.stop();
      await mesh.stop();
    }),
  );
});

test("a block of 1 MiB comes whole, and a peer says that it does not have another one", async () => {
  const { bytes, hash } = await block(MIB, 1);
  giving.shelf.set(toHex(hash), bytes);
  expect(await asking.exchange.fetch(giving.mesh.self, hash, false, soon())).toEqual(bytes);
  expect(await asking.exchange.fetch(giving.mesh.self, (await block(10, 2)).hash, false, soon())).toBeUndefined();
});

test("many blocks at once come whole", async () => {
  const blocks = await Promise.all(Array.from({ length: 24 }, (_, seed) => block(MIB, 100 + seed)));
  for (const { bytes, hash } of blocks) giving.shelf.set(toHex(hash), bytes);
  const came = await Promise.all(blocks.map(({ hash }) => asking.exchange.fetch(giving.mesh.self, hash, false, soon(60_000))));
  for (const [index, { hash }] of blocks.entries()) expect(await sha256(came[index] ?? new Uint8Array())).toEqual(hash);
});

test("a block that comes later is sent to a peer that waits for it", async () => {
  const { bytes, hash } = await block(50_000, 3);
  const waiting = await waitFor(hash);
  giving.shelf.set(toHex(hash), bytes);
  giving.exchange.gained(hash);
  expect(await waiting.block).toEqual(bytes);
});

test("a peer that sends something else is found out", async () => {
  const { bytes, hash } = await block(50_000, 4);
  giving.shelf.set(
    toHex(hash),
    bytes.map((byte, index) => (index === 7 ? byte ^ 1 : byte)),
  );
  await expect(asking.exchange.fetch(giving.mesh.self, hash, false, soon())).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
});

test("a block that comes although its request was given up comes again when it is asked for again", async () => {
  const { bytes, hash } = await block(50_000, 6);
  const stop = new AbortController();
  const waiting = await waitFor(hash, stop.signal);
  stop.abort(new Error("enough"));
  await expect(waiting.block).rejects.toThrow("enough");
  giving.shelf.set(toHex(hash), bytes);
  giving.exchange.gained(hash);
  // A peer sends blocks one after the other: once the next one is here, the one before was sent.
  const next = await block(10, 9);
  giving.shelf.set(toHex(next.hash), next.bytes);
  expect(await asking.exchange.fetch(giving.mesh.self, next.hash, false, soon())).toEqual(next.bytes);
  for (let again = 0; again < 3; again++) expect(await asking.exchange.fetch(giving.mesh.self, hash, false, soon(4000))).toEqual(bytes);
});

test("a peer that does not have a block says so each time it is asked", async () => {
  const { hash } = await block(50_000, 7);
  for (let again = 0; again < 3; again++) expect(await asking.exchange.fetch(giving.mesh.self, hash, false, soon(4000))).toBeUndefined();
});

test("a block that several callers want at once comes to each, although one of them gives up", async () => {
  const { bytes, hash } = await block(MIB, 8);
  giving.shelf.set(toHex(hash), bytes);
  const stop = new AbortController();
  const givenUp = asking.exchange.fetch(giving.mesh.self, hash, false, stop.signal);
  const both = [1, 2].map(() => asking.exchange.fetch(giving.mesh.self, hash, false, soon(4000)));
  stop.abort(new Error("enough"));
  await expect(givenUp).rejects.toThrow("enough");
  const [one, other] = await Promise.all(both);
  expect(one).toEqual(bytes);
  expect(other).toEqual(bytes);
  expect(other?.buffer).not.toBe(one?.buffer);
});

test("a request ends with its signal's reason", async () => {
  const stop = new AbortController();
  const asked = asking.exchange.fetch(giving.mesh.self, (await block(10, 5)).hash, true, stop.signal);
  const reason = new Error("enough");
  stop.abort(reason);
  await expect(asked).rejects.toBe(reason);
});
