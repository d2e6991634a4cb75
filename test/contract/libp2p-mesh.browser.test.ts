// The mesh contract over libp2p, and what happens when its relay or a peer goes away. The nodes of one page reach each
// other over real WebRTC, and call each other through a real relay.
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type { RelayStatus } from "../../src/mesh/ports/directory.ts";
import { Libp2pMesh } from "../../src/mesh/libp2p/libp2p-mesh.ts";
import { RelayDirectory } from "../../src/mesh/libp2p/relay-directory.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { errorCode } from "../../src/shared/errors.ts";
import { silentLog } from "../../src/shared/log.ts";
import { announcementOf, describeDirectoryContract, seen } from "./directory-contract.ts";
import { echo, roundTrip, soon } from "./echo.ts";
import { describeMeshContract } from "./mesh-contract.ts";

const meshes: Libp2pMesh[] = [];
const freshSeed = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32));

function reached(mesh: Libp2pMesh, kind: RelayStatus["kind"]): Promise<void> {
  if (mesh.relay.kind === kind) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = mesh.on("relay:changed", (status) => {
      if (status.kind !== kind) return;
      stop();
      resolve();
    });
  });
}

async function join(address: () => string = () => inject("relayAddress"), seed = freshSeed()): Promise<Libp2pMesh> {
  const mesh = await Libp2pMesh.start({ seed, relayAddresses: async () => [address()], random: () => 0 });
  meshes.push(mesh);
  await reached(mesh, "connected");
  return mesh;
}

const control = async (path: string): Promise<string> => (await fetch(`${inject("relayControl")}${path}`)).text();

let caller: Libp2pMesh;
let callee: Libp2pMesh;
beforeAll(async () => {
  [caller, callee] = await Promise.all([join(), join()]);
});
afterAll(async () => {
  await Promise.all(meshes.map((mesh) => mesh.stop()));
});

describeMeshContract("Libp2pMesh over WebRTC", () => ({
  caller,
  callee,
  mortal: async () => {
    const mesh = await join();
    return { mesh, kill: () => mesh.vanish() };
  },
}));

describeDirectoryContract("RelayDirectory in a browser", async () => {
  const mesh = await join();
  const directory = new RelayDirectory({ relay: mesh, clock: systemClock, random: () => 0, log: silentLog });
  return { self: mesh.self, directory, kill: () => mesh.vanish() };
});

test("a frame of 3 KB goes there and back in a few milliseconds", async () => {
  echo(callee, "/manyhands/test-echo/1");
  const link = await caller.open(callee.self, "/manyhands/test-echo/1", soon());
  const frame = crypto.getRandomValues(new Uint8Array(3000));
  const times: number[] = [];
  for (let i = 0; i < 300; i++) {
    const start = performance.now();
    await roundTrip(link, frame);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  console.log(`round trip of 3,000 bytes: median ${times[150]?.toFixed(2)} ms, p95 ${times[285]?.toFixed(2)} ms`);
  expect(times[150]).toBeLessThan(20);
  await link.close();
});

test("without the relay links live on and no new peer can be called, until the relay is found at its new address", async () => {
  let address = await control("/start");
  const [a, b, stranger] = await Promise.all([join(() => address), join(() => address), join(() => address)]);
  echo(b, "/manyhands/test-echo/1");
  const link = await a.open(b.self, "/manyhands/test-echo/1", soon());
  await control(`/stop?address=${encodeURIComponent(address)}`);
  await reached(a, "lost");
  expect(a.relay).toMatchObject({ kind: "lost", retryInMs: expect.any(Number) });
  const frame = Uint8Array.of(1, 2, 3);
  expect(await roundTrip(link, frame)).toEqual(frame);
  const second = await a.open(b.self, "/manyhands/test-echo/1", soon());
  expect(await roundTrip(second, frame)).toEqual(frame);
  expect(await a.open(stranger.self, "/manyhands/test-echo/1", soon()).catch(errorCode)).toBe("PEER_UNREACHABLE");
  address = await control("/start");
  await Promise.all([reached(a, "connected"), reached(stranger, "connected")]);
  echo(stranger, "/manyhands/test-echo/1");
  const third = await a.open(stranger.self, "/manyhands/test-echo/1", soon());
  expect(await roundTrip(third, frame)).toEqual(frame);
  expect(await roundTrip(link, frame)).toEqual(frame);
});

test("a tab that starts before its relay joins once the relay is there", async () => {
  let address = inject("relayAddress").replace(/\/tcp\/\d+/, "/tcp/1"); // no relay listens there
  const mesh = await Libp2pMesh.start({ seed: freshSeed(), relayAddresses: async () => [address], random: () => 0 });
  meshes.push(mesh);
  await reached(mesh, "lost");
  const directory = new RelayDirectory({ relay: mesh, clock: systemClock, random: () => 0, log: silentLog });
  directory.announce(announcementOf(0, 8));
  address = inject("relayAddress");
  await seen(directory, (swarm) => swarm.peers.some(({ peer }) => peer === mesh.self));
  await directory.stop();
});

test("a tab that was reloaded with the same key can be reached again", async () => {
  const seed = freshSeed();
  const first = await join(undefined, seed);
  echo(first, "/manyhands/test-echo/1");
  const link = await caller.open(first.self, "/manyhands/test-echo/1", soon());
  first.vanish();
  await link.closed;
  const second = await join(undefined, seed);
  expect(second.self).toBe(first.self);
  echo(second, "/manyhands/test-echo/1");
  const again = await caller.open(second.self, "/manyhands/test-echo/1", soon());
  expect(await roundTrip(again, Uint8Array.of(9))).toEqual(Uint8Array.of(9));
});

test("a false report that a peer is gone does no harm", async () => {
  const mesh = await join();
  echo(mesh, "/manyhands/test-echo/1");
  const link = await caller.open(mesh.self, "/manyhands/test-echo/1", soon());
  caller.suspect(mesh.self);
  caller.suspect(mesh.self);
  const second = await caller.open(mesh.self, "/manyhands/test-echo/1", soon()); // waits for the doubt to settle
  expect(await roundTrip(second, Uint8Array.of(1))).toEqual(Uint8Array.of(1));
  expect(await roundTrip(link, Uint8Array.of(2))).toEqual(Uint8Array.of(2));
});
