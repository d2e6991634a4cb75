// A volunteer that copies instead of computing: no result is revealed before every replica is committed to, and the
// copied result is not the one that the copier committed to.
import { sha256 } from "@noble/hashes/sha2.js";
import { afterEach, expect, it } from "vitest";
import type { Link } from "../../../src/mesh/ports/link.ts";
import { MemoryNetwork } from "../../../src/mesh/memory/memory-mesh.ts";
import type { Mesh } from "../../../src/mesh/ports/mesh.ts";
import { decodeFrame, encodeFrame } from "../../../src/protocol/frame.ts";
import { commitment, pairPayload, decodeTask, readToVolunteer, TASK_VERSION, taskId } from "../../../src/protocol/task-frames.ts";
import { PROTOCOLS } from "../../../src/protocol/version.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { Dispatcher } from "../../../src/tasks/dispatch/dispatcher.ts";
import { linkVolunteer } from "../../../src/tasks/dispatch/volunteer-link.ts";
import { Standings } from "../../../src/tasks/dispatch/standings.ts";
import { Volunteer } from "../../../src/tasks/volunteer/volunteer.ts";
import { numbered, rightOutput } from "../../../tools/sim/task-swarm.ts";
import { VirtualClock } from "../../../tools/sim/virtual-clock.ts";

const over = new AbortController();
afterEach(() => over.abort());

/**
 * Commits to a guess at once, and reveals the right output on request, as if it had got it from an honest volunteer.
 */
function serveCopier(mesh: Mesh, on: { onCommit: () => void; onReveal: () => void }): void {
  const serve = async (link: Link): Promise<void> => {
    const outputs = new Map<number, Uint8Array<ArrayBuffer>>();
    const salt = new Uint8Array(16);
    await link.send(encodeFrame({ kind: "offer", version: TASK_VERSION, kinds: [{ kind: "timed", version: 1 }], slots: 1 }));
    for await (const bytes of link.frames) {
      const { header, payload } = decodeFrame(bytes);
      const frame = readToVolunteer(header);
      if (frame.kind === "lend") {
        const commits = pairPayload(payload, frame.leases).map(([{ lease }, task]) => {
          outputs.set(lease, rightOutput(decodeTask(task)));
          return { lease, digest: commitment(salt, mesh.self, taskId(task), sha256(Uint8Array.of(1))) };
        });
        await link.send(encodeFrame({ kind: "commit", commits }));
        on.onCommit();
      }
      if (frame.kind === "reveal") {
        on.onReveal();
        for (const { lease } of frame.reveals) {
          const output = outputs.get(lease) ?? new Uint8Array(0);
          await link.send(encodeFrame({ kind: "result", results: [{ lease, sizeBytes: output.byteLength, salt, claim: null }] }, output));
        }
      }
    }
  };
  mesh.handle(PROTOCOLS.task, (link) => void serve(link).catch(() => {})); // the requester breaks the link
}

it("is asked for its result only after another volunteer has committed, too, and is caught when it reveals the copy", async () => {
  const network = new MemoryNetwork();
  const requester = network.join(asPeerId("requester"));
  const clock = new VirtualClock();
  const standings = new Standings();
  const dispatcher = new Dispatcher({ clock, random: Math.random, standings });
  const link = (peer: Mesh): void =>
    void linkVolunteer(peer.self, { mesh: requester, clock, random: Math.random, dispatcher, log: silentLog }, over.signal);
  const caught: string[] = [];
  dispatcher.on("peer:wrong", ({ peer }) => caught.push(peer));

  const copier = network.join(asPeerId("copier"));
  const committed = Promise.withResolvers<void>();
  let reveals = 0;
  serveCopier(copier, { onCommit: committed.resolve, onReveal: () => reveals++ });
  link(copier);
  const task = numbered(1);
  const settled = dispatcher.submit(task, { signal: over.signal });
  await committed.promise;
  await clock.run(() => false, 10_000); // nobody else is there, however long it takes
  expect(reveals).toBe(0);

  for (const name of ["one", "two"]) {
    const mesh = network.join(asPeerId(name));
    const runner = { kinds: [{ name: "timed", version: 1 }], run: async () => rightOutput(task) };
    const salt = () => crypto.getRandomValues(new Uint8Array(16));
    const volunteer = new Volunteer({ self: mesh.self, runners: [runner], clock, salt });
    mesh.handle(PROTOCOLS.task, (opened) => volunteer.accept(opened));
    link(mesh);
  }
  expect(await clock.run(() => dispatcher.open === 0, 60_000)).toBe(true);
  const { output, agreed } = await settled;
  expect(output).toEqual(rightOutput(task));
  expect(reveals).toBe(1);
  expect(caught).toEqual(["copier"]);
  expect(agreed.map(({ peer }) => String(peer)).toSorted()).toEqual(["one", "two"]);
});
