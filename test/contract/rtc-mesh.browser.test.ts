// The mesh contract over direct connections, and what these alone do. The data channels run between nodes of one page,
// and are negotiated through a real relay.
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";
import { Libp2pMesh } from "../../src/mesh/libp2p/libp2p-mesh.ts";
import type { Link } from "../../src/mesh/ports/link.ts";
import { RTC_LIFE } from "../../src/mesh/rtc/rtc-life.ts";
import { RtcLink } from "../../src/mesh/rtc/rtc-link.ts";
import { RtcMesh } from "../../src/mesh/rtc/rtc-mesh.ts";
import { encodeCredit } from "../../src/protocol/link-frames.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { silentLog } from "../../src/shared/log.ts";
import { connectPeers } from "../support/connect-peers.ts";
import { echo, roundTrip, soon } from "./echo.ts";
import { describeMeshContract } from "./mesh-contract.ts";

const ECHO = "/manyhands/test-echo/1";
const meshes: RtcMesh[] = [];

interface Joined {
  readonly mesh: RtcMesh;
  readonly below: Libp2pMesh;
}

async function join(): Promise<Joined> {
  const below = await Libp2pMesh.start({
    seed: crypto.getRandomValues(new Uint8Array(32)),
    relayAddresses: async () => [inject("relayAddress")],
    random: () => 0,
  });
  const mesh = new RtcMesh({ below, iceServers: [], clock: systemClock, log: silentLog });
  meshes.push(mesh);
  if (below.relay.kind !== "connected") {
    await new Promise<void>((resolve) => {
      const stop = below.on("relay:changed", ({ kind }) => {
        if (kind !== "connected") return;
        stop();
        resolve();
      });
    });
  }
  return { mesh, below };
}

let caller: Joined;
let callee: Joined;
beforeAll(async () => {
  [caller, callee] = await Promise.all([join(), join()]);
});
afterAll(async () => {
  await Promise.all(meshes.map((mesh) => mesh.stop()));
});

describeMeshContract("RtcMesh over data channels", () => ({
  caller: caller.mesh,
  callee: callee.mesh,
  mortal: async () => {
    const { mesh } = await join();
    return { mesh, kill: () => mesh.vanish() };
  },
}));

test("two peers call each other at once, and both links work", async () => {
  const [a, b] = await Promise.all([join(), join()]);
  echo(a.mesh, ECHO);
  echo(b.mesh, ECHO);
  const links = await Promise.all([a.mesh.open(b.mesh.self, ECHO, soon()), b.mesh.open(a.mesh.self, ECHO, soon())]);
  for (const link of links) expect(await roundTrip(link, Uint8Array.of(5))).toEqual(Uint8Array.of(5));
});

test("a mesh knows the round trip to a peer to which it was connected", async () => {
  const [a, b] = await Promise.all([join(), join()]);
  echo(b.mesh, ECHO);
  expect(a.mesh.roundTrips.of(b.mesh.self)).toBeUndefined();
  const link = await a.mesh.open(b.mesh.self, ECHO, soon());
  expect(await roundTrip(link, Uint8Array.of(1))).toEqual(Uint8Array.of(1));
  await vi.waitFor(() => expect(a.mesh.roundTrips.of(b.mesh.self)?.value).toBeGreaterThan(0));
  expect(a.mesh.roundTrips.latest(8)).toHaveLength(1);
});

test("a link that arrived sends nothing before its opener has sent something: the opener might miss it", async () => {
  const [opener, other] = [new RTCPeerConnection(), new RTCPeerConnection()];
  const [probes, probing] = [opener, other].map((peer) => peer.createDataChannel("probe", { negotiated: true, id: 9 })) as [
    RTCDataChannel,
    RTCDataChannel,
  ]; // as many as there are peers
  const opened = new Promise((resolve) => probing.addEventListener("open", resolve));
  const arrived = new Promise<RTCDataChannel>((resolve) => other.addEventListener("datachannel", ({ channel }) => resolve(channel)));
  const channel = opener.createDataChannel("link");
  channel.binaryType = "arraybuffer";
  const heard: number[] = [];
  channel.addEventListener("message", ({ data }: MessageEvent<ArrayBuffer>) => heard.push(data.byteLength));
  await connectPeers(opener, other);
  await opened;
  const link = new RtcLink(await arrived, caller.mesh.self, "arrived", () => {});
  const sent = link.send(Uint8Array.of(7));
  // What the same connection carries after it has come: the frame would have come as well.
  let came = 0;
  const allCame = new Promise<void>((resolve) => probes.addEventListener("message", () => ++came === 20 && resolve()));
  for (let i = 0; i < 20; i++) probing.send("probe");
  await allCame;
  expect(heard).toEqual([]);
  channel.send(encodeCredit(1));
  await sent;
  await vi.waitFor(() => expect(heard).toEqual([2])); // the length of the frame, and the frame itself
  opener.close();
  other.close();
});

test("a page that may be going and stays keeps its links", async () => {
  const [a, b] = await Promise.all([join(), join()]);
  echo(b.mesh, ECHO);
  const link = await a.mesh.open(b.mesh.self, ECHO, soon());
  expect(await roundTrip(link, Uint8Array.of(1))).toEqual(Uint8Array.of(1));
  const untilMs = systemClock.now() + RTC_LIFE.goingMs;
  b.mesh.going();
  a.mesh.going();
  // For as long as each watches whether the other is still there.
  while (systemClock.now() < untilMs) expect(await roundTrip(link, Uint8Array.of(2))).toEqual(Uint8Array.of(2));
  expect(await roundTrip(link, Uint8Array.of(3))).toEqual(Uint8Array.of(3));
});

test("links live on without libp2p, and new ones open over the same connection", async () => {
  const [a, b] = await Promise.all([join(), join()]);
  echo(b.mesh, ECHO);
  const link = await a.mesh.open(b.mesh.self, ECHO, soon());
  expect(await roundTrip(link, Uint8Array.of(1))).toEqual(Uint8Array.of(1));
  await a.below.stop();
  expect(await roundTrip(link, Uint8Array.of(2))).toEqual(Uint8Array.of(2));
  const second = await a.mesh.open(b.mesh.self, ECHO, soon());
  expect(await roundTrip(second, Uint8Array.of(3))).toEqual(Uint8Array.of(3));
});

test("a tab holds ten connections: an idle one gives way to a new one, and if none is idle, libp2p carries the link", async () => {
  const center = await join();
  const links: Link[] = [];
  for (let made = 0; made < 12; made++) {
    const { mesh } = await join();
    echo(mesh, ECHO);
    const link = await center.mesh.open(mesh.self, ECHO, soon());
    expect(await roundTrip(link, Uint8Array.of(made))).toEqual(Uint8Array.of(made));
    if (made === 0) await link.close();
    else links.push(link);
  }
  for (const link of links) expect(await roundTrip(link, Uint8Array.of(9))).toEqual(Uint8Array.of(9));
}, 60_000);

test("a link is transferred to a worker, which replies over it", async () => {
  const worker = new Worker(new URL("echo-worker.ts", import.meta.url), { type: "module" });
  const host = await join();
  host.mesh.handle("/manyhands/test-moved/1", (link) => {
    const moved = link.detach?.();
    if (!moved) throw new Error("this browser should transfer channels");
    expect(link.detach?.()).toBeUndefined();
    worker.postMessage({ remote: moved.remote, channel: moved.transferable }, [moved.transferable as Transferable]);
  });
  const link = await caller.mesh.open(host.mesh.self, "/manyhands/test-moved/1", soon());
  const frame = crypto.getRandomValues(new Uint8Array(16_000));
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    expect(await roundTrip(link, frame)).toEqual(frame);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  console.log(`round trip of 16,000 bytes to a worker: median ${times[100]?.toFixed(2)} ms, p95 ${times[190]?.toFixed(2)} ms`);
  await link.close();
  worker.terminate();
});
