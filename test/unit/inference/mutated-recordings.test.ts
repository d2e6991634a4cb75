// Recordings of real sessions, changed in one place and sent again: each change is refused with its own code, and no
// answer changes.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chainTokens } from "../../../src/inference/log/prefix-log.ts";
import { RouteSession } from "../../../src/inference/requester/route-session.ts";
import type { Link } from "../../../src/mesh/ports/link.ts";
import type { MemoryMesh } from "../../../src/mesh/memory/memory-mesh.ts";
import { decodeFrame, encodeFrame } from "../../../src/protocol/frame.ts";
import { HASH_BYTES } from "../../../src/protocol/session-frames.ts";
import { LIMITS, PROTOCOL_VERSION, sessionProtocol } from "../../../src/protocol/version.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import type { ErrorCode } from "../../../src/shared/errors.ts";
import { BUNDLED } from "../../support/bundled-model.ts";
import { edited, EDITS, flipped, type Recorded } from "../../support/frame-edits.ts";
import { type MemorySwarm, randomBytes, startMemorySwarm, type SwarmPeer } from "../../support/memory-swarm.ts";

const signal = new AbortController().signal;
const ROOT = new Uint8Array(HASH_BYTES).fill(9);
const CHUNKS = [[0, 17, 300], [42, 5], [7], [1999], [64]];
const RUNS = { numRuns: 40 };

describe("a recording with", () => {
  let swarm: MemorySwarm;
  let first: SwarmPeer;
  let last: SwarmPeer;
  let villain: MemoryMesh;
  let honest: RouteSession;
  let calm: readonly Float32Array[] = [];
  let position = 0;
  let sessions = 0;
  /** The frames that the villain sent to the first span, and those that the first span sent to the last. */
  let toFirst: readonly Recorded[] = [];
  let toLast: readonly Recorded[] = [];

  const openHonest = (): Promise<RouteSession> =>
    RouteSession.open(
      {
        mesh: swarm.guest(`an-honest-guest-${++sessions}`),
        random: randomBytes,
        clock: systemClock,
        model: BUNDLED.id,
        route: swarm.route,
        vocabularySize: 2000,
        topK: 8,
        maxPositions: 500,
      },
      signal,
    );
  const tokenAt = (index: number): number => (index * 37) % 2000;
  const honestStep = async (): Promise<void> => {
    const at = position++ % calm.length;
    if (at === 0) {
      await honest.close();
      honest = await openHonest();
    }
    expect((await honest.step([tokenAt(at)], signal)).logits.values).toEqual(calm[at]);
  };

  const openFrame = (session: string, peer: SwarmPeer, version = PROTOCOL_VERSION): Recorded => {
    const { start, end } = peer.hop.span;
    const next = end === 8 ? null : { peer: villain.self, end: 8 };
    const terms = { root: ROOT, topK: 8, maxPositions: 50 };
    return {
      header: { kind: "open", session, version, model: BUNDLED.id, start, end, previous: villain.self, next, ...terms },
      payload: new Uint8Array(),
    };
  };
  const drained = async (link: Link, onFrame: () => void = () => {}): Promise<void> => {
    try {
      for await (const frame of link.frames) if (frame.byteLength > 0) onFrame();
    } catch {
      // broken off by the other side, as it should be
    }
  };
  const dial = (peer: SwarmPeer): Promise<Link> => villain.open(peer.hop.peer, sessionProtocol(BUNDLED.id, peer.hop.span), signal);
  const send = async (link: Link, frames: readonly Recorded[]): Promise<void> => {
    for (const { header, payload } of frames) await link.send(encodeFrame(header, payload)).catch(() => {}); // cut off already
  };
  /** Sends a session's frames. Returns the codes with which the span refused any of them. */
  const replay = async (peer: SwarmPeer, frames: readonly Recorded[], version?: number): Promise<readonly ErrorCode[]> => {
    peer.refused.length = 0;
    const session = (++sessions).toString(16).padStart(32, "0");
    const own = frames.map((frame) => (frame.header["session"] === RECORDED ? edited(frame, { session }) : frame));
    const control = await dial(peer);
    const opened = Promise.withResolvers<void>();
    const controlEnd = drained(control, opened.resolve);
    await send(control, [openFrame(session, peer, version)]);
    if (peer === first) await send(control, own);
    else {
      await opened.promise;
      const feed = await dial(peer);
      const feedEnd = drained(feed);
      await send(feed, own);
      await feedEnd; // cut off for the changed frame
    }
    if (peer === first) await controlEnd;
    await control.close();
    await controlEnd;
    return peer.refused.map(({ code }) => code);
  };
  const RECORDED = "c".repeat(32);

  beforeAll(async () => {
    swarm = await startMemorySwarm([4]);
    [first, last] = swarm.peers as [SwarmPeer, SwarmPeer];
    villain = swarm.guest("a-villain-of-the-play");
    honest = await openHonest();
    const answers: Float32Array[] = [];
    for (let index = 0; index < 60; index++) answers.push((await honest.step([tokenAt(index)], signal)).logits.values);
    calm = answers;
    // The villain takes the place of the last span, and records what the first one sends there.
    const arrived = Promise.withResolvers<Link>();
    villain.handle(sessionProtocol(BUNDLED.id, last.hop.span), arrived.resolve);
    const link = await dial(first);
    await send(link, [openFrame(RECORDED, first)]);
    let prefix: Uint8Array = ROOT;
    let at = 0;
    toFirst = CHUNKS.map((tokens) => {
      const chain = chainTokens(prefix, tokens);
      const header = {
        kind: "step",
        session: RECORDED,
        position: at,
        count: tokens.length,
        prefix,
        chain,
        truncate: false,
        replay: false,
        logitRows: 1,
        timings: [],
      };
      prefix = chain.slice(-HASH_BYTES);
      at += tokens.length;
      return { header, payload: new Uint8Array(Int32Array.from(tokens).buffer) };
    });
    await send(link, toFirst);
    const recorded: Recorded[] = [];
    for await (const bytes of (await arrived.promise).frames) {
      const { header, payload } = decodeFrame(bytes);
      recorded.push({ header: header as Recorded["header"], payload: payload.slice() });
      if (recorded.length === CHUNKS.length) break;
    }
    toLast = recorded;
    await link.close();
  });
  afterAll(async () => {
    await honest.close();
    await swarm.stop();
  });

  const places = fc.record({ atLast: fc.boolean(), index: fc.nat({ max: CHUNKS.length - 1 }), seed: fc.nat() });

  it.each(EDITS)("%s is refused as %s", async (_, code, edit) => {
    await fc.assert(
      fc.asyncProperty(places, async ({ atLast, index, seed }) => {
        const peer = atLast ? last : first;
        // A link's first frame names its session, so another session there is unknown rather than foreign.
        const at = code === "SESSION_FOREIGN" || code === "FRAME_UNEXPECTED" ? Math.max(1, index) : index;
        const frames = (atLast ? toLast : toFirst).map((frame, n) => (n === at ? edit(frame, seed) : frame));
        expect(await replay(peer, frames)).toEqual([code]);
        await honestStep();
      }),
      RUNS,
    );
  });

  it("steps in another order, or one of them twice, is refused as POSITION_MISMATCH", async () => {
    await fc.assert(
      fc.asyncProperty(places, fc.boolean(), async ({ atLast, index }, isTwice) => {
        const peer = atLast ? last : first;
        const frames = [...(atLast ? toLast : toFirst)];
        const at = Math.min(index, frames.length - 2);
        const [a, b] = frames.slice(at, at + 2) as [Recorded, Recorded];
        frames.splice(at, 2, ...(isTwice ? [a, a, b] : [b, a]));
        expect(await replay(peer, frames)).toEqual(["POSITION_MISMATCH"]);
        await honestStep();
      }),
      RUNS,
    );
  });

  it("another version is refused as VERSION_MISMATCH, and over the limit as FRAME_TOO_LARGE", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 2 ** 15 }), async (version) => {
        fc.pre(version !== PROTOCOL_VERSION);
        expect(await replay(first, [], version)).toEqual(["VERSION_MISMATCH"]);
        await honestStep();
      }),
      RUNS,
    );
    first.refused.length = 0;
    const link = await dial(first);
    const end = drained(link);
    await link.send(Uint8Array.of(0xff, 0xff, 0x7f, ...new Uint8Array(LIMITS.headerBytes)));
    await end;
    expect(first.refused.map(({ code }) => code)).toEqual(["FRAME_TOO_LARGE"]);
    await honestStep();
  });

  it("nothing changed, but sent by a peer that was not named, is refused as SESSION_FOREIGN", async () => {
    const mine = await RouteSession.open(
      {
        mesh: swarm.guest("a-guest-with-a-name"),
        random: (bytes) => bytes.fill(0xcc),
        clock: systemClock,
        model: BUNDLED.id,
        route: swarm.route,
        vocabularySize: 2000,
        topK: 8,
        maxPositions: 50,
      },
      signal,
    );
    for (const [peer, frames] of [
      [first, toFirst],
      [last, toLast],
    ] as const) {
      peer.refused.length = 0;
      const link = await dial(peer);
      const end = drained(link);
      await send(link, frames);
      await end;
      expect(peer.refused.map(({ code }) => code)).toEqual(["SESSION_FOREIGN"]);
    }
    expect((await mine.step([0, 1], signal)).logits.ids).toHaveLength(8);
    await mine.close();
  });

  it("steps over a link that was replaced, is cut off, and its peer is refused as SESSION_FOREIGN from then on", async () => {
    const session = (++sessions).toString(16).padStart(32, "0");
    const own = toLast.map((frame) => edited(frame, { session }));
    last.refused.length = 0;
    const control = await dial(last);
    const answers = control.frames[Symbol.asyncIterator]();
    const nextHeader = async (): Promise<unknown> => decodeFrame((await answers.next()).value as Uint8Array).header;
    await send(control, [openFrame(session, last)]);
    expect(await nextHeader()).toMatchObject({ kind: "opened" });
    const before = await dial(last);
    const beforeEnd = drained(before);
    await send(before, own.slice(0, 2));
    expect([await nextHeader(), await nextHeader()]).toMatchObject([{ kind: "logits" }, { kind: "logits" }]);
    const other = swarm.guest("a-replacement-of-it");
    await control.send(encodeFrame({ kind: "relink", session, id: 7, previous: other.self, next: null }));
    expect(await nextHeader()).toMatchObject({ kind: "alive", id: 7, position: 5 });
    await beforeEnd; // the link that brought the steps is cut
    const again = await dial(last);
    const againEnd = drained(again);
    await send(again, own.slice(2, 3));
    await againEnd;
    expect(last.refused).toEqual([{ peer: villain.self, code: "SESSION_FOREIGN" }]);
    // The named peer goes on from where the other one was: steps that the span has are dropped, new ones are computed.
    const feed = await other.open(last.hop.peer, sessionProtocol(BUNDLED.id, last.hop.span), signal);
    await send(
      feed,
      own.slice(0, 3).map((frame) => edited(frame, { replay: true })),
    );
    expect(await nextHeader()).toMatchObject({ kind: "logits", position: 6 });
    // And its steps may not differ from those that came before.
    const lie = own.slice(0, 1).map((frame) => ({ ...edited(frame, { replay: true }), payload: flipped(frame.payload, 1) }));
    await send(feed, lie);
    expect(await nextHeader()).toMatchObject({ kind: "stranded", side: "previous", code: "REPLAY_MISMATCH" });
    await control.close();
    await honestStep();
  });

  it("any changed bytes never changes another answer", async () => {
    await fc.assert(
      fc.asyncProperty(
        places,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }),
        async ({ index }, edits) => {
          const session = (++sessions).toString(16).padStart(32, "0");
          const link = await dial(first);
          const end = drained(link);
          await send(link, [openFrame(session, first)]);
          for (const [n, frame] of toFirst.entries()) {
            const own = edited(frame, { session });
            const bytes = encodeFrame(own.header, own.payload);
            if (n === index) for (const [at, change] of edits) bytes[at % bytes.byteLength] = (bytes[at % bytes.byteLength] ?? 0) ^ change;
            await link.send(bytes).catch(() => {}); // cut off already
          }
          await link.close();
          await end;
          await honestStep();
        },
      ),
      { numRuns: 100 },
    );
  });
});
