// Which peer replaces a lost one. A peer that only fell silent may come back, once it has announced something new.
import { expect, test } from "vitest";
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

/** Looks for a peer that serves layers 4 to 7 after the first peer. Returns the messages of the wait, and the route. */
async function detour(board: MemoryBoard, bans: PeerBans, whileWaiting: (waits: number) => void): Promise<[string[], Route]> {
  const options = {
    model: { id: MODEL, layerCount: 8, sizeBytes: 1e12 }, // too large for a solo span
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
  const said: string[] = [];
  const looking = findDetour(options, request, AbortSignal.timeout(10_000));
  for (;;) {
    const { done, value } = await looking.next();
    if (done === true) return [said, value];
    if (value.kind === "waiting") said.push(value.message);
    whileWaiting(said.length);
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
  const [said, route] = await detour(board, bans, (waits) => {
    if (waits === 1) board.put(FIRST, serving({ start: 0, end: 4 }, 1)); // another peer's announcement changes nothing
    if (waits === 2) board.put(LAST, serving({ start: 4, end: 8 }, 1));
  });
  expect(said).toEqual(Array(2).fill("Nobody holds layers 4 to 7 now; the answer goes on when somebody joins."));
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
