// Peers that break the protocol: their frames are dropped and counted, their links are closed, and other answers are
// unharmed.
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { chainTokens } from "../../../src/inference/log/prefix-log.ts";
import { RouteSession } from "../../../src/inference/requester/route-session.ts";
import type { Link } from "../../../src/mesh/ports/link.ts";
import type { MemoryMesh } from "../../../src/mesh/memory/memory-mesh.ts";
import { decodeFrame, encodeFrame } from "../../../src/protocol/frame.ts";
import { HASH_BYTES } from "../../../src/protocol/session-frames.ts";
import { PROTOCOL_VERSION, sessionProtocol } from "../../../src/protocol/version.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { BUNDLED } from "../../support/bundled-model.ts";
import { type MemorySwarm, randomBytes, startMemorySwarm, type SwarmPeer } from "../../support/memory-swarm.ts";

const signal = new AbortController().signal;
const ROOT = new Uint8Array(HASH_BYTES).fill(7);
const SESSION = "0123456789abcdef0123456789abcdef";

describe("a hostile peer", () => {
  let swarm: MemorySwarm;
  let villain: MemoryMesh;
  let honest: MemoryMesh;
  let victim: RouteSession;
  let position = 0;
  let undisturbed: readonly Float32Array[] = [];
  let first: SwarmPeer;
  let last: SwarmPeer;

  const openVictim = (): Promise<RouteSession> =>
    RouteSession.open(
      {
        mesh: honest,
        random: randomBytes,
        clock: systemClock,
        model: BUNDLED.id,
        route: swarm.route,
        vocabularySize: 2000,
        topK: 20,
        maxPositions: 400,
      },
      signal,
    );
  const tokenAt = (index: number): number => (index * 37) % 2000;

  beforeAll(async () => {
    swarm = await startMemorySwarm([4]);
    [first, last] = swarm.peers as [SwarmPeer, SwarmPeer];
    villain = swarm.guest("a-villain-of-the-play");
    honest = swarm.guest("an-honest-requester");
    const reference = await openVictim();
    const answers: Float32Array[] = [];
    for (let index = 0; index < 120; index++) answers.push((await reference.step([tokenAt(index)], signal)).logits.values);
    undisturbed = answers;
    await reference.close();
    victim = await openVictim();
  });
  afterAll(async () => {
    await victim.close();
    await swarm.stop();
  });
  beforeEach(() => {
    for (const peer of swarm.peers) peer.refused.length = 0;
  });

  /** Makes a step of the honest session, between the villain's moves. Its logits must be those without them. */
  const honestStep = async (): Promise<void> => {
    const answer = await victim.step([tokenAt(position)], signal);
    expect(answer.logits.values).toEqual(undisturbed[position]);
    position++;
  };

  const openFrame = (extra: object = {}): Uint8Array<ArrayBuffer> =>
    encodeFrame({
      kind: "open",
      session: SESSION,
      version: PROTOCOL_VERSION,
      model: BUNDLED.id,
      start: 0,
      end: 4,
      previous: villain.self,
      next: { peer: last.hop.peer, end: 8 },
      root: ROOT,
      topK: 5,
      maxPositions: 50,
      ...extra,
    });
  const stepFrame = (extra: object = {}, payload: Uint8Array = new Uint8Array(8)): Uint8Array<ArrayBuffer> =>
    encodeFrame(
      {
        kind: "step",
        session: SESSION,
        position: 0,
        count: 2,
        prefix: ROOT,
        chain: chainTokens(ROOT, [0, 0]),
        truncate: false,
        replay: false,
        logitRows: 1,
        timings: [],
        ...extra,
      },
      payload,
    );
  const drained = async (link: Link): Promise<unknown[]> => {
    const headers: unknown[] = [];
    try {
      for await (const frame of link.frames) headers.push(decodeFrame(frame).header);
    } catch {
      // the other side broke off the link: only the frames before count
    }
    return headers;
  };
  /** Sends frames to a peer. Returns the headers that came back before the link was closed. */
  const attack = async (peer: SwarmPeer, frames: readonly Uint8Array[]): Promise<unknown[]> => {
    const link = await villain.open(peer.hop.peer, sessionProtocol(BUNDLED.id, peer.hop.span), signal);
    const headers = drained(link);
    for (const frame of frames) await link.send(frame).catch(() => {}); // closed already, as it should be
    return headers;
  };

  it.each([
    ["bytes that are no frame", (): Uint8Array[] => [Uint8Array.of(1, 2, 3, 4, 5)], "FRAME_MALFORMED"],
    ["an empty frame", () => [new Uint8Array(0)], "FRAME_MALFORMED"],
    ["a header over the limit", () => [Uint8Array.of(0xff, 0xff, 0x7f, 1)], "FRAME_TOO_LARGE"],
    ["a kind that does not exist", () => [encodeFrame({ kind: "gift", session: SESSION })], "FRAME_MALFORMED"],
    ["a step for a session that nobody opened", () => [stepFrame()], "SESSION_UNKNOWN"],
    [
      "logits sent to a span",
      () => [
        openFrame(),
        encodeFrame({ kind: "logits", session: SESSION, position: 1, head: ROOT, rows: 1, topK: 1, timings: [] }, new Uint8Array(12)),
      ],
      "FRAME_UNEXPECTED",
    ],
    ["a session that it opens twice", () => [openFrame(), openFrame()], "FRAME_UNEXPECTED"],
    ["another version of the protocol", () => [openFrame({ version: 1 }), stepFrame()], "VERSION_MISMATCH"],
    ["a step of another session", () => [openFrame(), stepFrame({ session: "f".repeat(32) })], "SESSION_FOREIGN"],
    ["a payload that does not fit the count", () => [openFrame(), stepFrame({}, new Uint8Array(12))], "SIZE_MISMATCH"],
    ["a step from the future", () => [openFrame(), stepFrame({ position: 5 })], "POSITION_MISMATCH"],
    ["a step after another past", () => [openFrame(), stepFrame({ prefix: new Uint8Array(HASH_BYTES) })], "PREFIX_MISMATCH"],
    ["the same step twice", () => [openFrame(), stepFrame(), stepFrame()], "POSITION_MISMATCH"],
    ["more positions than were asked for", () => [openFrame({ maxPositions: 1 }), stepFrame()], "FRAME_UNEXPECTED"],
    ["a route that does not fit the span", () => [openFrame({ next: null })], "FRAME_MALFORMED"],
    ["an open frame that names another peer as the sender", () => [openFrame({ previous: "an-honest-requester" })], "FRAME_MALFORMED"],
  ])("that sends %s is refused", async (_, frames, code) => {
    await honestStep();
    await attack(first, frames());
    expect(first.refused).toEqual([{ peer: villain.self, code }]);
    await honestStep();
  });

  it("that steps into the session of another is refused, and the session goes on", async () => {
    await honestStep();
    // The session's id is no secret to the peers of its route, so the villain may know it.
    const random = (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => bytes.fill(0xcd);
    const open = await RouteSession.open(
      { mesh: honest, random, clock: systemClock, model: BUNDLED.id, route: swarm.route, vocabularySize: 2000, topK: 5, maxPositions: 20 },
      signal,
    );
    const theirs = "cd".repeat(16);
    await attack(first, [stepFrame({ session: theirs })]);
    await attack(last, [stepFrame({ session: theirs }, new Uint8Array(2 * 128 * 4))]);
    await attack(first, [openFrame({ session: theirs })]);
    expect(first.refused.map(({ code }) => code)).toEqual(["SESSION_FOREIGN", "SESSION_FOREIGN"]);
    expect(last.refused.map(({ code }) => code)).toEqual(["SESSION_FOREIGN"]);
    expect((await open.step([0, 1, 2], signal)).logits.ids).toHaveLength(5);
    await open.close();
    await honestStep();
  });

  it("whose steps are in order may take positions back, but only to a past that the span really held", async () => {
    const link = await villain.open(last.hop.peer, sessionProtocol(BUNDLED.id, last.hop.span), signal);
    const own = { session: "7".repeat(32) };
    const cut = drained(link);
    const requester = await villain.open(last.hop.peer, sessionProtocol(BUNDLED.id, last.hop.span), signal);
    const frames = requester.frames[Symbol.asyncIterator]();
    await requester.send(openFrame({ ...own, start: 4, end: 8, next: null }));
    expect(decodeFrame((await frames.next()).value as Uint8Array).header).toMatchObject({ kind: "opened" });
    const hidden = (seed: number, count: number): Uint8Array =>
      new Uint8Array(Float32Array.from({ length: 128 * count }, (_, i) => Math.sin(seed + i)).buffer);
    const chain = chainTokens(ROOT, [1, 2, 3]);
    const after = (position: number): Uint8Array => chain.slice((position - 1) * HASH_BYTES, position * HASH_BYTES);
    await link.send(stepFrame({ ...own, count: 2, chain: chain.slice(0, 2 * HASH_BYTES) }, hidden(1, 2)));
    await link.send(stepFrame({ ...own, position: 2, count: 1, prefix: after(2), chain: after(3) }, hidden(2, 1)));
    await link.send(stepFrame({ ...own, position: 2, count: 1, prefix: after(2), chain: after(3), truncate: true }, hidden(2, 1)));
    await link.send(stepFrame({ ...own, position: 1, count: 1, prefix: after(2), chain: after(3), truncate: true }, hidden(2, 1)));
    const given: Uint8Array[] = [];
    for (let next = await frames.next(); !next.done; next = await frames.next()) {
      const { header, payload } = decodeFrame(next.value);
      const frame = header as { readonly kind: string; readonly side?: string; readonly code?: string };
      if (frame.kind === "logits") given.push(payload.slice());
      if (frame.kind !== "stranded") continue;
      // The session stays open, for another neighbour.
      expect(frame).toMatchObject({ side: "previous", code: "PREFIX_MISMATCH" });
      break;
    }
    await requester.close();
    expect(await cut).toEqual([]); // the last step names another past, so its link is cut
    expect(last.refused).toEqual([{ peer: villain.self, code: "PREFIX_MISMATCH" }]);
    expect(given).toHaveLength(3);
    expect([...(given[2] ?? [])]).toEqual([...(given[1] ?? [])]);
    await honestStep();
  });

  it("that asks for data that its own session does not have is refused, and the session goes on", async () => {
    const link = await villain.open(first.hop.peer, sessionProtocol(BUNDLED.id, first.hop.span), signal);
    const frames = link.frames[Symbol.asyncIterator]();
    const ask = async (question: object): Promise<unknown> => {
      await link.send(encodeFrame({ session: SESSION, id: 1, ...question }));
      return decodeFrame((await frames.next()).value as Uint8Array).header;
    };
    await link.send(openFrame({ audit: true, next: null })); // its results stay at the span
    expect(decodeFrame((await frames.next()).value as Uint8Array).header).toMatchObject({ kind: "opened" });
    await link.send(stepFrame());
    expect(await ask({ kind: "tally", from: 0, to: 2 })).toMatchObject({ kind: "tallied" });
    expect(await ask({ kind: "tally", from: 2, to: 2 })).toMatchObject({ kind: "declined", code: "POSITION_MISMATCH" });
    expect(await ask({ kind: "tally", from: 0, to: 51 })).toMatchObject({ kind: "declined", code: "POSITION_MISMATCH" });
    expect(await ask({ kind: "sample", positions: [7], inputsOnly: false })).toMatchObject({ kind: "declined", code: "ENGINE_FAILED" });
    const to = { peer: "nobody-at-all", end: 8 };
    expect(await ask({ kind: "replay", to, as: SESSION, upTo: 2, merge: false })).toMatchObject({
      kind: "declined",
      code: "PEER_UNREACHABLE",
    });
    // Only so many questions may wait for positions that may never come.
    for (let id = 2; id < 10; id++) await link.send(encodeFrame({ kind: "tally", session: SESSION, id, from: 0, to: 40 }));
    expect(await ask({ kind: "tally", from: 0, to: 2 })).toMatchObject({ kind: "declined", code: "SESSION_REFUSED" });
    expect(first.refused).toEqual([]);
    const rest = drained(link);
    await link.close();
    await rest;
    await honestStep();
  });

  it("that asks about a session over another link than the requester's is refused", async () => {
    const requester = await villain.open(last.hop.peer, sessionProtocol(BUNDLED.id, last.hop.span), signal);
    const session = "8".repeat(32);
    await requester.send(openFrame({ session, start: 4, end: 8, next: null }));
    await requester.frames[Symbol.asyncIterator]().next();
    const feeder = await villain.open(last.hop.peer, sessionProtocol(BUNDLED.id, last.hop.span), signal);
    await feeder.send(encodeFrame({ kind: "tally", session, id: 1, from: 0, to: 1 }));
    expect(await drained(feeder)).toEqual([]);
    expect(last.refused).toEqual([{ peer: villain.self, code: "FRAME_UNEXPECTED" }]);
    await requester.close();
    await honestStep();
  });

  it("that opens links without end gets only its share", async () => {
    const links = await Promise.all(
      Array.from({ length: 70 }, () => villain.open(first.hop.peer, sessionProtocol(BUNDLED.id, first.hop.span), signal)),
    );
    const all = links.map(drained);
    await Promise.race(all);
    expect(first.refused).toEqual(Array.from({ length: 6 }, () => ({ peer: villain.self, code: "SESSION_REFUSED" })));
    await Promise.all(links.map((link) => link.close()));
    await Promise.all(all);
    await honestStep();
  });

  it("that sends any mutation of good frames never changes another answer", async () => {
    const good = [openFrame(), stepFrame()];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }), fc.boolean(), async (edits, cut) => {
        const frames = good.map((frame) => {
          const bytes = frame.slice(0, cut ? frame.byteLength - 3 : frame.byteLength);
          for (const [at, value] of edits) bytes[at % bytes.byteLength] = value;
          return bytes;
        });
        const link = await villain.open(first.hop.peer, sessionProtocol(BUNDLED.id, first.hop.span), signal);
        const headers = drained(link);
        for (const frame of frames) await link.send(frame).catch(() => {}); // closed already
        await link.close();
        await headers;
        if (position < 110) await honestStep();
      }),
      { numRuns: 60 },
    );
  });
});
