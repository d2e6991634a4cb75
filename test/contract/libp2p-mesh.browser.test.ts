// The mesh contract over libp2p: real WebRTC between nodes of one page, called through a real relay.
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type { RelayStatus } from "../../src/mesh/directory.ts";
import { Libp2pMesh } from "../../src/mesh/libp2p-mesh.ts";
import { describeMeshContract } from "./mesh-contract.ts";

const meshes: Libp2pMesh[] = [];

async function connected(mesh: Libp2pMesh): Promise<void> {
  if (mesh.relay.kind === "connected") return;
  await new Promise<void>((resolve, reject) => {
    mesh.on("relay:changed", (status: RelayStatus) => {
      if (status.kind === "connected") resolve();
      if (status.kind === "lost") reject(new Error(status.message));
    });
  });
}

async function join(): Promise<Libp2pMesh> {
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const mesh = await Libp2pMesh.start({ seed, relayAddresses: async () => [inject("relayAddress")] });
  meshes.push(mesh);
  await connected(mesh);
  return mesh;
}

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

test("a 3 KB frame goes there and back in a few milliseconds", async () => {
  const protocol = "/manyhands/test-echo/1";
  const remove = callee.handle(protocol, (link) => {
    void (async () => {
      for await (const frame of link.frames) await link.send(frame);
    })();
  });
  const link = await caller.open(callee.self, protocol, AbortSignal.timeout(10_000));
  const frames = link.frames[Symbol.asyncIterator]();
  const frame = crypto.getRandomValues(new Uint8Array(3000));
  const times: number[] = [];
  for (let i = 0; i < 300; i++) {
    const start = performance.now();
    await link.send(frame);
    await frames.next();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  console.log(`round trip of 3,000 bytes: median ${times[150]?.toFixed(2)} ms, p95 ${times[285]?.toFixed(2)} ms`);
  expect(times[150]).toBeLessThan(20);
  remove();
  await link.close();
});
