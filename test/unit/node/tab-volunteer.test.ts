// A tab that lends tasks: whom it serves, how it makes room for inference, how it keeps to its share, how it ends.
import { describe, expect, it } from "vitest";
import type { SpanServiceEvents } from "../../../src/inference/server/span-service.ts";
import { type MemoryMesh, MemoryNetwork } from "../../../src/mesh/memory/memory-mesh.ts";
import type { ServedTasks } from "../../../src/node/face.ts";
import { TabVolunteer } from "../../../src/node/tasks/tab-volunteer.ts";
import { decodeFrame, encodeFrame } from "../../../src/protocol/frame.ts";
import { encodeTask, readToRequester, type ToRequester } from "../../../src/protocol/task-frames.ts";
import { PROTOCOLS } from "../../../src/protocol/version.ts";
import { Emitter } from "../../../src/shared/events.ts";
import { asPeerId, type PeerId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { numbered } from "../../../tools/sim/task-swarm.ts";
import { VirtualClock } from "../../../tools/sim/virtual-clock.ts";

const self = asPeerId("self");
const { signal } = new AbortController();

function tab({ share = 1, ms = 100 } = {}) {
  const network = new MemoryNetwork();
  const meshes = new Map<PeerId, MemoryMesh>();
  const clock = new VirtualClock();
  const inference = new Emitter<SpanServiceEvents>();
  const states: ServedTasks[] = [];
  const taken: boolean[] = [];
  const begunMs: number[] = [];
  const ended: unknown[] = [];
  const lending = new TabVolunteer({
    mesh: network.join(self),
    presence: { takeTasks: (on) => taken.push(on) },
    inference,
    runners: {
      runners: [
        {
          kinds: [{ name: "timed", version: 1 }],
          run: async (_task, { signal: until }) => {
            begunMs.push(clock.now());
            await clock.sleep(ms, until).catch((error: unknown) => {
              ended.push(error);
              throw error;
            });
            return new Uint8Array(8);
          },
        },
      ],
    },
    clock,
    share: () => share,
    log: silentLog,
    onState: (state) => states.push(state),
  });
  return {
    clock,
    inference,
    lending,
    taken,
    begunMs,
    ended,
    state: () => states.at(-1),
    pass: (more: number) => clock.run(() => false, clock.now() + more),
    /** A link of `peer`, with what has come over it. */
    link: async (peer: PeerId) => {
      const mesh = meshes.get(peer) ?? network.join(peer);
      meshes.set(peer, mesh);
      const link = await mesh.open(self, PROTOCOLS.task, signal);
      const told: ToRequester[] = [];
      const closed = (async () => {
        try {
          for await (const frame of link.frames) told.push(readToRequester(decodeFrame(frame).header));
        } catch {
          // refused: what had come stays
        }
      })();
      return {
        told,
        closed,
        lend: async (count: number) => {
          for (let lease = 0; lease < count; lease++) {
            const bytes = encodeTask(numbered(lease));
            await link.send(encodeFrame({ kind: "lend", leases: [{ lease, sizeBytes: bytes.byteLength }] }, bytes));
          }
        },
      };
    },
  };
}

const served: SpanServiceEvents["span:served"] = { requester: asPeerId("asker"), positions: 1, computeMs: 1, isAudit: false };
const commits = (told: readonly ToRequester[]): number =>
  told.reduce((sum, frame) => sum + (frame.kind === "commit" ? frame.commits.length : 0), 0);
const refusals = (told: readonly ToRequester[]): string[] => told.flatMap((frame) => (frame.kind === "refuse" ? [frame.reason] : []));

describe("a tab that lends tasks", () => {
  it("serves strangers only while it lends, and says so to the directory", async () => {
    const { lending, link, pass, taken } = tab();
    const early = await link(asPeerId("early"));
    await early.closed;
    expect(early.told).toEqual([]);
    lending.lend(true);
    const stranger = await link(asPeerId("stranger"));
    await stranger.lend(2);
    await pass(150);
    expect(commits(stranger.told)).toBe(1); // told at once, not with the next one
    await pass(350);
    expect(commits(stranger.told)).toBe(2);
    lending.stop();
    expect(taken).toEqual([true, false]);
  });

  it("makes room for inference: hands back what waits, begins nothing, and goes on when it has been idle", async () => {
    const { lending, link, pass, inference, begunMs } = tab();
    lending.lend(true);
    const { lend, told } = await link(asPeerId("stranger"));
    await lend(3);
    await pass(50);
    inference.emit("span:served", served);
    await pass(200);
    expect(refusals(told)).toEqual(["busy", "busy"]);
    expect(commits(told)).toBe(1); // what ran went on
    expect(told.findLast((frame) => frame.kind === "offer")).toMatchObject({ slots: 0 });
    for (let step = 0; step < 20; step++) {
      inference.emit("span:served", served);
      await pass(100);
    }
    expect(begunMs.length).toBe(1);
    await pass(1000);
    expect(told.findLast((frame) => frame.kind === "offer")).toMatchObject({ slots: 1 });
    lending.stop();
  });

  it("makes room as soon as a session is opened", async () => {
    const { lending, link, pass, inference, begunMs } = tab();
    lending.lend(true);
    inference.emit("sessions:changed", { open: 1, reservedPositions: 8 });
    const { lend, told } = await link(asPeerId("stranger"));
    await lend(1);
    await pass(100);
    expect([begunMs.length, told[0]]).toMatchObject([0, { kind: "offer", slots: 0 }]);
    inference.emit("sessions:changed", { open: 0, reservedPositions: 0 }); // over: no reason to wait longer
    await pass(1000);
    expect(begunMs.length).toBe(1);
    lending.stop();
  });

  it("ends what is strangers' at once when lending is withdrawn", async () => {
    const { lending, link, pass, ended, state } = tab({ ms: 60_000 });
    lending.lend(true);
    const { lend, closed } = await link(asPeerId("stranger"));
    await lend(2);
    await pass(100);
    expect(state()).toMatchObject({ isOn: true, running: 1 });
    lending.lend(false);
    await closed;
    await pass(1);
    expect(ended.length).toBe(1);
    expect(state()).toMatchObject({ isOn: false, running: 0, done: 0 });
  });

  it("gives requesters their turns, however much one of them has sent, over however many links", async () => {
    const { lending, link, pass } = tab();
    lending.lend(true);
    const greedy = [await link(asPeerId("greedy")), await link(asPeerId("greedy"))];
    for (const { lend } of greedy) await lend(50);
    const modest = await link(asPeerId("modest"));
    await modest.lend(3);
    await pass(750);
    expect(commits(modest.told)).toBe(3);
    lending.stop();
  });

  it("takes a bounded number of links, of one requester and of all", async () => {
    const { lending, link, pass } = tab();
    lending.lend(true);
    const offers = async (links: readonly Awaited<ReturnType<typeof link>>[]): Promise<number> => {
      await pass(1);
      return links.filter(({ told }) => told.length > 0).length;
    };
    expect(await offers(await Promise.all(Array.from({ length: 6 }, () => link(asPeerId("many")))))).toBe(4);
    expect(await offers(await Promise.all(Array.from({ length: 80 }, (_, at) => link(asPeerId(`one-of-many-${at}`)))))).toBe(60);
    lending.stop();
  });

  it("keeps to its share: a quarter of the time is computed", async () => {
    const { lending, link, pass, begunMs, state } = tab({ share: 0.25, ms: 100 });
    lending.lend(true);
    const { lend } = await link(asPeerId("stranger"));
    await lend(4);
    await pass(5000);
    expect(begunMs.map((atMs) => Math.round(atMs / 100))).toEqual([0, 4, 8, 12]);
    expect(state()).toMatchObject({ done: 4, refused: 0 });
    lending.stop();
  });
});
