// A tab as a volunteer: whom it serves, how it yields to inference, how it keeps to its share, and how it ends.
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
  const announced: boolean[] = [];
  const begunMs: number[] = [];
  const ended: unknown[] = [];
  const volunteer = new TabVolunteer({
    mesh: network.join(self),
    presence: { takeTasks: (on) => announced.push(on) },
    inference,
    taskRunners: {
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
    volunteer,
    announced,
    begunMs,
    ended,
    state: () => states.at(-1),
    pass: (more: number) => clock.run(() => false, clock.now() + more),
    /** Opens a link from `peer`, and collects the frames that come over it. */
    link: async (peer: PeerId) => {
      const mesh = meshes.get(peer) ?? network.join(peer);
      meshes.set(peer, mesh);
      const link = await mesh.open(self, PROTOCOLS.task, signal);
      const received: ToRequester[] = [];
      const closed = (async () => {
        try {
          for await (const frame of link.frames) received.push(readToRequester(decodeFrame(frame).header));
        } catch {
          // refused: the frames so far stay
        }
      })();
      return {
        received,
        closed,
        assign: async (count: number) => {
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
const commits = (received: readonly ToRequester[]): number =>
  received.reduce((sum, frame) => sum + (frame.kind === "commit" ? frame.commits.length : 0), 0);
const refusals = (received: readonly ToRequester[]): string[] =>
  received.flatMap((frame) => (frame.kind === "refuse" ? [frame.reason] : []));

describe("a tab that computes tasks", () => {
  it("serves strangers only while it lends, and announces that", async () => {
    const { volunteer, link, pass, announced } = tab();
    const early = await link(asPeerId("early"));
    await early.closed;
    expect(early.received).toEqual([]);
    volunteer.lend(true);
    const stranger = await link(asPeerId("stranger"));
    await stranger.assign(2);
    await pass(150);
    expect(commits(stranger.received)).toBe(1); // sent at once, not with the next one
    await pass(350);
    expect(commits(stranger.received)).toBe(2);
    volunteer.stop();
    expect(announced).toEqual([true, false]);
  });

  it("yields to inference: refuses tasks that wait, starts none, and goes on when inference has been idle", async () => {
    const { volunteer, link, pass, inference, begunMs } = tab();
    volunteer.lend(true);
    const { assign, received } = await link(asPeerId("stranger"));
    await assign(3);
    await pass(50);
    inference.emit("span:served", served);
    await pass(200);
    expect(refusals(received)).toEqual(["busy", "busy"]);
    expect(commits(received)).toBe(1); // the task that ran went on
    expect(received.findLast((frame) => frame.kind === "offer")).toMatchObject({ slots: 0 });
    for (let step = 0; step < 20; step++) {
      inference.emit("span:served", served);
      await pass(100);
    }
    expect(begunMs.length).toBe(1);
    await pass(1000);
    expect(received.findLast((frame) => frame.kind === "offer")).toMatchObject({ slots: 1 });
    volunteer.stop();
  });

  it("yields as soon as a session is opened", async () => {
    const { volunteer, link, pass, inference, begunMs } = tab();
    volunteer.lend(true);
    inference.emit("sessions:changed", { open: 1, reservedPositions: 8 });
    const { assign, received } = await link(asPeerId("stranger"));
    await assign(1);
    await pass(100);
    expect([begunMs.length, received[0]]).toMatchObject([0, { kind: "offer", slots: 0 }]);
    inference.emit("sessions:changed", { open: 0, reservedPositions: 0 }); // it is over: no reason to wait longer
    await pass(1000);
    expect(begunMs.length).toBe(1);
    volunteer.stop();
  });

  it("ends strangers' tasks at once when consent is withdrawn", async () => {
    const { volunteer, link, pass, ended, state } = tab({ ms: 60_000 });
    volunteer.lend(true);
    const { assign, closed } = await link(asPeerId("stranger"));
    await assign(2);
    await pass(100);
    expect(state()).toMatchObject({ isOn: true, running: 1 });
    volunteer.lend(false);
    await closed;
    await pass(1);
    expect(ended.length).toBe(1);
    expect(state()).toMatchObject({ isOn: false, running: 0, done: 0 });
  });

  it("gives each requester its turn, however many tasks another one has sent, over however many links", async () => {
    const { volunteer, link, pass } = tab();
    volunteer.lend(true);
    const greedy = [await link(asPeerId("greedy")), await link(asPeerId("greedy"))];
    for (const { assign } of greedy) await assign(50);
    const modest = await link(asPeerId("modest"));
    await modest.assign(3);
    await pass(750);
    expect(commits(modest.received)).toBe(3);
    volunteer.stop();
  });

  it("accepts a bounded number of links, from one requester and from all", async () => {
    const { volunteer, link, pass } = tab();
    volunteer.lend(true);
    const offers = async (links: readonly Awaited<ReturnType<typeof link>>[]): Promise<number> => {
      await pass(1);
      return links.filter(({ received }) => received.length > 0).length;
    };
    expect(await offers(await Promise.all(Array.from({ length: 6 }, () => link(asPeerId("many")))))).toBe(4);
    expect(await offers(await Promise.all(Array.from({ length: 80 }, (_, at) => link(asPeerId(`one-of-many-${at}`)))))).toBe(60);
    volunteer.stop();
  });

  it("keeps to its share: it computes for a quarter of the time", async () => {
    const { volunteer, link, pass, begunMs, state } = tab({ share: 0.25, ms: 100 });
    volunteer.lend(true);
    const { assign } = await link(asPeerId("stranger"));
    await assign(4);
    await pass(5000);
    expect(begunMs.map((atMs) => Math.round(atMs / 100))).toEqual([0, 4, 8, 12]);
    expect(state()).toMatchObject({ done: 4, refused: 0 });
    volunteer.stop();
  });
});
