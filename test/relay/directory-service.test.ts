// The directory at a real relay over WebSocket: the contract, the return after a loss, and garbage.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeFrame } from "../../src/protocol/frame.ts";
import { encodeLinkFrame } from "../../src/protocol/link-frames.ts";
import { announcementOf, describeDirectoryContract, seen } from "../contract/directory-contract.ts";
import { directoryOf, joinMesh, rawDirectoryStream, reached, type TestRelay, testRelay } from "./relay-harness.ts";

let served: TestRelay;
const stops: (() => Promise<void>)[] = [];
beforeAll(async () => {
  served = await testRelay();
});
afterAll(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await served.stop();
});

async function join() {
  const mesh = await joinMesh(() => served.relay.address);
  const directory = directoryOf(mesh);
  stops.push(async () => {
    await directory.stop();
    await mesh.stop();
  });
  return { self: mesh.self, directory, kill: () => mesh.vanish(), mesh };
}

describeDirectoryContract("RelayDirectory at a relay", join);

test("the overview over HTTP has the same peers", async () => {
  const peer = await join();
  peer.directory.announce(announcementOf(2, 6));
  await seen(peer.directory, (swarm) => swarm.peers.some((record) => record.peer === peer.self));
  const overview: unknown = await (await fetch(new URL("/api/swarm", served.relay.url))).json();
  expect(overview).toMatchObject({
    peers: expect.arrayContaining([expect.objectContaining({ peer: peer.self, span: { start: 2, end: 6 }, serving: true, host: "page" })]),
  });
  await peer.directory.stop();
});

describe("garbage is counted, ends its own stream, and harms no other peer", () => {
  const header = { kind: "announce", announcement: { ...announcementOf(0, 4), sessions: -1 } };
  test.each([
    ["a frame over the limit", Uint8Array.of(0xfe, 0xff, 0xff, 0x0f), "FRAME_TOO_LARGE"],
    ["a length that never ends", Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff), "FRAME_MALFORMED"],
    ["a frame that is not CBOR", encodeLinkFrame(Uint8Array.of(3, 0xff, 0xff, 0xff)), "FRAME_MALFORMED"],
    ["a frame of another protocol", encodeLinkFrame(encodeFrame({ kind: "step" })), "FRAME_MALFORMED"],
    ["an announcement of the wrong shape", encodeLinkFrame(encodeFrame(header)), "FRAME_MALFORMED"],
    ["an extra field", encodeLinkFrame(encodeFrame({ kind: "watch", extra: 1 })), "FRAME_MALFORMED"],
  ])("%s", async (_name, bytes, code) => {
    const good = await join();
    good.directory.announce(announcementOf(0, 4));
    await seen(good.directory, (swarm) => swarm.peers.some(({ peer }) => peer === good.self));
    const before = served.relay.directoryService.refused[code] ?? 0;
    const raw = await rawDirectoryStream(served.relay);
    raw.stream.send(bytes);
    await raw.closed;
    expect(served.relay.directoryService.refused[code]).toBe(before + 1);
    good.directory.announce(announcementOf(0, 8));
    await seen(good.directory, (swarm) => swarm.peers.some(({ peer, target }) => peer === good.self && target?.end === 8));
    await Promise.all([raw.stop(), good.directory.stop()]);
  });
});

test("a peer that floods the relay with announcements is held to its rate, and stays listed", async () => {
  const raw = await rawDirectoryStream(served.relay);
  for (let i = 0; i < 100; i++) {
    raw.stream.send(encodeLinkFrame(encodeFrame({ kind: "announce", announcement: { ...announcementOf(0, 4), tokensServed: i } })));
  }
  const watcher = await join();
  await seen(watcher.directory, (swarm) => swarm.peers.some(({ tokensServed }) => tokensServed > 0));
  expect(served.relay.directoryService.refused["too-often"]).toBeGreaterThan(50);
  await Promise.all([raw.stop(), watcher.directory.stop()]);
});

test("while the relay is away a peer reports that and keeps the last swarm; when it is back, the peer announces again", async () => {
  const first = await testRelay();
  let address = first.relay.address;
  const [mesh, other] = await Promise.all([joinMesh(() => address), joinMesh(() => address)]);
  const [directory, watcher] = [directoryOf(mesh), directoryOf(other)];
  directory.announce(announcementOf(0, 4));
  await seen(watcher, (swarm) => swarm.peers.length === 1);
  await first.relay.stop();
  await reached(mesh, "lost");
  expect(directory.relay).toMatchObject({ kind: "lost", retryInMs: expect.any(Number) });
  expect(watcher.swarm.peers.length).toBe(1);
  const changed = new Promise<void>((resolve) => {
    watcher.on("swarm:changed", (swarm) => {
      if (swarm.peers.some(({ peer }) => peer === mesh.self)) resolve();
    });
  });
  const second = await testRelay();
  address = second.relay.address;
  await changed;
  expect(mesh.relay.kind).toBe("connected");
  await Promise.all([directory.stop(), watcher.stop()]);
  await Promise.all([mesh.stop(), other.stop()]);
  await Promise.all([second.stop(), first.stop()]);
});
