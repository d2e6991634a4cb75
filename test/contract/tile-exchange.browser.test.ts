// Blocks between real nodes over WebRTC: what is asked for comes, what comes late is waited for, and liars are told.
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { Libp2pMesh } from "../../src/mesh/libp2p/libp2p-mesh.ts";
import type { TileExchange } from "../../src/mesh/ports/tile-exchange.ts";
import { sha256 } from "../../src/model/tiles/sha256.ts";
import { toHex } from "../../src/shared/bytes.ts";

const MIB = 1024 * 1024;
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

/** A block of `size` bytes that differs by `seed`, and its hash. */
async function block(
  size: number,
  seed: number,
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly hash: Uint8Array<ArrayBuffer> }> {
  const bytes = new Uint8Array(size).map((_, index) => (index * 31 + (index >>> 8) * 7 + seed) & 255);
  return { bytes, hash: await sha256(bytes) };
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

test("a block of 1 MiB comes whole; one that is not there is said not to be", async () => {
  const { bytes, hash } = await block(MIB, 1);
  giving.shelf.set(toHex(hash), bytes);
  expect(await asking.exchange.fetch(giving.mesh.self, hash, false, soon())).toEqual(bytes);
  expect(await asking.exchange.fetch(giving.mesh.self, (await block(10, 2)).hash, false, soon())).toBeUndefined();
});

test("many at once come at megabytes a second", async () => {
  const blocks = await Promise.all(Array.from({ length: 24 }, (_, seed) => block(MIB, 100 + seed)));
  for (const { bytes, hash } of blocks) giving.shelf.set(toHex(hash), bytes);
  const started = performance.now();
  const came = await Promise.all(blocks.map(({ hash }) => asking.exchange.fetch(giving.mesh.self, hash, false, soon(60_000))));
  const seconds = (performance.now() - started) / 1000;
  for (const [index, { bytes }] of blocks.entries()) expect(came[index]?.byteLength).toBe(bytes.byteLength);
  console.info(`${(24 / seconds).toFixed(1)} MiB/s`);
  expect(24 / seconds).toBeGreaterThan(1);
});

test("a block that comes later is sent to whoever waits for it", async () => {
  const { bytes, hash } = await block(50_000, 3);
  const waiting = asking.exchange.fetch(giving.mesh.self, hash, true, soon());
  expect(await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 300, "still waiting"))])).toBe("still waiting");
  giving.shelf.set(toHex(hash), bytes);
  giving.exchange.gained(hash);
  expect(await waiting).toEqual(bytes);
});

test("a peer that sends something else is found out", async () => {
  const { bytes, hash } = await block(50_000, 4);
  giving.shelf.set(
    toHex(hash),
    bytes.map((byte, index) => (index === 7 ? byte ^ 1 : byte)),
  );
  await expect(asking.exchange.fetch(giving.mesh.self, hash, false, soon())).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
});

test("a block that was asked for, given up and sent all the same comes again when it is asked for again", async () => {
  const { bytes, hash } = await block(50_000, 6);
  const stop = new AbortController();
  const waiting = asking.exchange.fetch(giving.mesh.self, hash, true, stop.signal);
  await new Promise((resolve) => setTimeout(resolve, 300));
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  giving.shelf.set(toHex(hash), bytes);
  giving.exchange.gained(hash);
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (let again = 0; again < 3; again++) expect(await asking.exchange.fetch(giving.mesh.self, hash, false, soon(4000))).toEqual(bytes);
});

test("a peer that does not have a block says so as often as it is asked", async () => {
  const { hash } = await block(50_000, 7);
  for (let again = 0; again < 3; again++) expect(await asking.exchange.fetch(giving.mesh.self, hash, false, soon(4000))).toBeUndefined();
});

test("a block that is wanted twice at once comes to both, and one who gives up takes it from nobody", async () => {
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

test("asking stops when told to, with the signal's reason", async () => {
  const stop = new AbortController();
  const asked = asking.exchange.fetch(giving.mesh.self, (await block(10, 5)).hash, true, stop.signal);
  const reason = new Error("enough");
  stop.abort(reason);
  await expect(asked).rejects.toBe(reason);
});
