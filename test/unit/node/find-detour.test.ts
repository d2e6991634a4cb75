// Which peer replaces a lost one. A peer that only fell silent may come back, once it has announced something new.
import { expect, test } from "vitest";
import type { WaitReason } from "../../../src/inference/generate-event.ts";
import { PeerBans } from "../../../src/inference/requester/peer-bans.ts";
import type { DetourRequest } from "../../../src/inference/requester/plan-detour.ts";
import { MemoryBoard } from "../../../src/mesh/memory/memory-directory.ts";
import { findDetour } from "../../../src/inference/requester/find-route.ts";
import type { PeerAnnouncement } from "../../../src/protocol/directory-frames.ts";
import type { Route } from "../../../src/route/plan-route.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { asModelId, asPeerId, type Span } from "../../../src/shared/ids.ts";
import { servingSpan } from "../../../tools/sim/serving-span.ts";

const MODEL = asModelId("bafyreigdmodel");
const [FIRST, LAST] = [asPeerId("first"), asPeerId("last")];

const serving = (span: Span, tokensServed = 0): PeerAnnouncement => ({ ...servingSpan(MODEL, span), tokensServed });

/**
 * Looks for somebody who takes layers 4 to 7 beside the first peer. Returns the reasons why it waited, and the route.
 */
async function detour(board: MemoryBoard, bans: PeerBans, whileWaiting: (waits: number) => void): Promise<[WaitReason[], Route]> {
  const deps = {
    model: { id: MODEL, layerCount: 8, sizeBytes: 1e12 }, // more than a tab loads for itself
    directory: board.join(asPeerId("asker")),
    solo: { peer: undefined, load: () => Promise.reject(new Error("too large")) as never },
    clock: systemClock,
  };
  const request: DetourRequest = {
    kept: [{ peer: FIRST, span: { start: 0, end: 4 } }],
    leaving: [],
    exclude: () => bans.peers,
    silent: () => bans.silent,
  };
  const reasons: WaitReason[] = [];
  const looking = findDetour(deps, request, AbortSignal.timeout(10_000));
  for (;;) {
    const { done, value } = await looking.next();
    if (done === true) return [reasons, value];
    if (value.kind === "waiting") reasons.push(value.reason);
    whileWaiting(reasons.length);
  }
}

function setUp() {
  const board = new MemoryBoard();
  board.put(FIRST, serving({ start: 0, end: 4 }));
  board.put(LAST, serving({ start: 4, end: 8 }));
  return { board, bans: new PeerBans(systemClock) };
}

test("a peer that fell silent is asked again as soon as it announces something", async () => {
  const { board, bans } = setUp();
  bans.ban(LAST, "lost");
  const [reasons, route] = await detour(board, bans, (waits) => {
    if (waits === 1) board.put(FIRST, serving({ start: 0, end: 4 }, 1)); // somebody else's news are none of it
    if (waits === 2) board.put(LAST, serving({ start: 4, end: 8 }, 1));
  });
  const gap = { kind: "gaps", gaps: [{ start: 4, end: 8 }], isMidway: true };
  expect(reasons).toEqual([gap, gap]);
  expect(route.map(({ peer }) => peer)).toEqual([FIRST, LAST]);
});

test("a peer that was wrong, or said that it leaves, is not asked again, whatever it announces", async () => {
  for (const why of ["wrong", "leaving"] as const) {
    const { board, bans } = setUp();
    bans.ban(LAST, "lost");
    bans.ban(LAST, why);
    expect(bans.silent.size).toBe(0);
    const other = asPeerId("other");
    const [, route] = await detour(board, bans, (waits) => {
      if (waits === 1) board.put(LAST, serving({ start: 4, end: 8 }, 1));
      if (waits === 2) board.put(other, serving({ start: 4, end: 8 }));
    });
    expect(route.map(({ peer }) => peer)).toEqual([FIRST, other]);
  }
});
