// Which tile comes from which source: holders first, one fetcher for all peers with the
// same need, and an order that spreads.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextRun, nextStep, rarestFirst, type TileStep } from "../../../../src/model/tiles/plan-tiles.ts";
import type { TileHolder } from "../../../../src/model/tiles/tile-peers.ts";
import type { TileRange } from "../../../../src/model/tiles/tile-source.ts";
import { asPeerId, type PeerId } from "../../../../src/shared/ids.ts";

const MIB = 1024 * 1024;
const self = asPeerId("self");
const [ann, ben, cleo] = ["ann", "ben", "cleo"].map(asPeerId) as [PeerId, PeerId, PeerId];
const tile = (index: number, layers: readonly number[] = [2]): TileRange => ({
  file: "a.data",
  offset: index * MIB,
  length: MIB,
  sha256: new Uint8Array(32),
  layers,
});
const holder = (peer: PeerId, more: Partial<TileHolder> = {}): TileHolder => ({
  peer,
  holds: [],
  mayHold: [],
  fetching: undefined,
  ...more,
});
const step = (
  range: TileRange,
  holders: readonly TileHolder[],
  { asked = [], awaited = [], full = [] }: { asked?: PeerId[]; awaited?: PeerId[]; full?: PeerId[] } = {},
): TileStep | undefined =>
  nextStep(range, { self, holders, hasRoom: (peer) => !full.includes(peer) }, { asked: new Set(asked), awaited: new Set(awaited) });

describe("nextStep", () => {
  const serving = { holds: [{ start: 0, end: 4 }] };

  test("goes to the origin if no peer has to do with the layer", () => {
    expect(step(tile(0), [])).toEqual({ kind: "origin" });
    expect(step(tile(0), [holder(ann, { holds: [{ start: 3, end: 9 }] })])).toEqual({ kind: "origin" });
  });

  test("asks peers that serve the layer, then those that may have kept it, and nobody twice", () => {
    const holders = [holder(ann, serving), holder(ben, { mayHold: [{ start: 2, end: 3 }] })];
    expect(step(tile(0), holders)).toEqual({ kind: "ask", peer: ann });
    expect(step(tile(0), holders, { asked: [ann] })).toEqual({ kind: "ask", peer: ben });
    expect(step(tile(0), holders, { asked: [ann, ben] })).toEqual({ kind: "origin" });
  });

  test("waits for a busy peer that has it rather than ask the origin", () => {
    expect(step(tile(0), [holder(ann, serving)], { full: [ann] })).toBeUndefined();
    expect(step(tile(0), [holder(ann, serving), holder(ben, serving)], { full: [ann] })).toEqual({ kind: "ask", peer: ben });
  });

  test("asks any peer that holds one of its layers for a table that many layers read", () => {
    expect(step(tile(0, [2, 3, 4, 5]), [holder(ann, { holds: [{ start: 5, end: 9 }] })])).toEqual({ kind: "ask", peer: ann });
  });

  test("of all peers that need a tile exactly one goes to the origin, and the others wait for that one", () => {
    const everybody = [self, ann, ben, cleo];
    fc.assert(
      fc.property(fc.nat(2000), (index) => {
        const steps = everybody.map((me) =>
          nextStep(
            tile(index),
            {
              self: me,
              holders: everybody.filter((peer) => peer !== me).map((peer) => holder(peer, { fetching: { start: 2, end: 3 } })),
              hasRoom: () => true,
            },
            { asked: new Set(), awaited: new Set() },
          ),
        );
        const owners = everybody.filter((_, place) => steps[place]?.kind === "origin");
        expect(owners).toHaveLength(1);
        for (const taken of steps) if (taken?.kind !== "origin") expect(taken).toEqual({ kind: "wait", peer: owners[0] });
      }),
    );
  });

  test("shares the work: each of four peers fetches about a quarter", () => {
    const others = [ann, ben, cleo].map((peer) => holder(peer, { fetching: { start: 2, end: 3 } }));
    const own = Array.from({ length: 4000 }, (_, index) => step(tile(index), others)?.kind).filter((kind) => kind === "origin").length;
    expect(own).toBeGreaterThan(700);
    expect(own).toBeLessThan(1300);
  });

  test("does not wait again for a peer that it waited for in vain", () => {
    const others = [holder(ann, { fetching: { start: 2, end: 3 } })];
    expect(Array.from({ length: 20 }, (_, index) => step(tile(4 * index), others, { awaited: [ann] })?.kind)).toEqual(
      Array.from({ length: 20 }, () => "origin"),
    );
  });
});

describe("rarestFirst", () => {
  test("puts tiles with the fewest holders first, and keeps a file in order if nobody else fetches", () => {
    const ranges = [tile(3, [1]), tile(1, [1]), tile(9, [2]), tile(2, [2])];
    expect(rarestFirst(ranges, self, [holder(ann, { holds: [{ start: 1, end: 2 }] })])).toEqual([3, 2, 1, 0]);
  });

  test("begins at another place than other peers, and has every tile once", () => {
    const ranges = Array.from({ length: 64 }, (_, index) => tile(index));
    const others = [holder(ann, { fetching: { start: 2, end: 3 } })];
    const [mine, theirs] = [rarestFirst(ranges, self, others), rarestFirst(ranges, ben, others)];
    expect(mine.toSorted((a, b) => a - b)).toEqual([...ranges.keys()]);
    expect(mine).not.toEqual(theirs);
  });
});

describe("nextRun", () => {
  const ranges = [tile(5), tile(0), tile(6), tile(8), tile(1), { ...tile(7), file: "b.data" }];
  const run = (candidates: readonly number[], options = {}): number[] =>
    nextRun(candidates, ranges, { isFirst: false, isWhole: false, maxBytes: 64 * MIB, ...options });

  test("takes neighbours of the tile that is wanted most, up to a gap, another file, or the limit of a request", () => {
    expect(run([0, 1, 2, 3, 4, 5])).toEqual([0, 2]);
    expect(run([0, 1, 2, 3, 4, 5], { maxBytes: MIB })).toEqual([0]);
    expect(run([])).toEqual([]);
  });

  test("begins at the start of the file until the origin was asked, and takes all of a file that only comes whole", () => {
    expect(run([0, 1, 2, 3, 4, 5], { isFirst: true })).toEqual([1, 4]);
    expect(run([0, 1, 2, 3, 4, 5], { isWhole: true })).toEqual([1, 4, 0, 2, 3]);
  });
});
