// Placement: a table of small swarms, and properties over random histories of joining and leaving.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findGaps } from "../../../src/route/coverage.ts";
import { mayRelease, planPlacement, type PlacementPeer } from "../../../src/route/plan-placement.ts";
import { asPeerId, type Span, spanLength } from "../../../src/shared/ids.ts";

const peer = (joined: number, span?: readonly [number, number]): PlacementPeer => ({
  peer: asPeerId(`peer-${joined}`),
  joined,
  span: span && { start: span[0], end: span[1] },
});
const planned = (peers: readonly PlacementPeer[], layers: number): string[] =>
  [...planPlacement(peers, layers)].map(([id, span]) => `${id} ${span.start}-${span.end}`).toSorted();
const apply = (peers: readonly PlacementPeer[], layers: number): PlacementPeer[] => {
  const plan = planPlacement(peers, layers);
  return peers.map((entry) => ({ ...entry, span: plan.get(entry.peer) }));
};

describe("planPlacement", () => {
  it.each([
    ["one tab alone holds all layers", [peer(1)], ["peer-1 0-8"]],
    ["a second takes the upper half", [peer(1, [0, 8]), peer(2)], ["peer-1 0-4", "peer-2 4-8"]],
    ["a third halves the longest", [peer(1, [0, 4]), peer(2, [4, 8]), peer(3)], ["peer-1 0-2", "peer-2 4-8", "peer-3 2-4"]],
    ["a neighbour closes the gap of one that left", [peer(1, [0, 2]), peer(3, [2, 4])], ["peer-1 0-2", "peer-3 2-8"]],
    ["a gap in the middle goes to the shorter neighbour", [peer(1, [0, 2]), peer(2, [5, 8])], ["peer-1 0-5", "peer-2 5-8"]],
    [
      "a newcomer takes a gap rather than halve a span",
      [peer(1, [0, 2]), peer(2, [5, 8]), peer(3)],
      ["peer-1 0-2", "peer-2 5-8", "peer-3 2-5"],
    ],
    ["two that took the same span part", [peer(1, [0, 4]), peer(2, [4, 8]), peer(3, [4, 8])], ["peer-1 0-2", "peer-2 4-8", "peer-3 2-4"]],
    ["nonsense spans count as none", [peer(1, [0, 8]), peer(2, [7, 99])], ["peer-1 0-4", "peer-2 4-8"]],
  ] as const)("%s", (_, peers, expected) => {
    expect(planned(peers, 8)).toEqual(expected);
  });

  it("gives every layer of a two-layer model a replica before a third", () => {
    const peers = [1, 2, 3, 4, 5].map((joined) => peer(joined));
    const spans = [...planPlacement(peers, 2).values()].map((span) => span.start).toSorted((a, b) => a - b);
    expect(spans).toEqual([0, 0, 0, 1, 1]);
  });

  const history = fc.array(
    fc.oneof(
      { weight: 2, arbitrary: fc.constant({ kind: "join" as const }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), pick: fc.nat() }) },
    ),
    { maxLength: 40 },
  );

  it("covers all layers with disjoint spans, and is a fixed point, after any history", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 32 }), history, (layers, events) => {
        let peers: PlacementPeer[] = [];
        let joined = 0;
        for (const event of events) {
          if (event.kind === "join") peers.push(peer(++joined));
          else if (peers.length > 0) peers.splice(event.pick % peers.length, 1);
          if (peers.length === 0) continue;
          peers = apply(peers, layers);
          const spans = peers.flatMap((entry) => (entry.span ? [entry.span] : []));
          expect(spans).toHaveLength(peers.length);
          expect(findGaps(spans, layers)).toEqual([]);
          if (peers.length <= layers) expect(spans.reduce((sum, span) => sum + spanLength(span), 0)).toBe(layers);
          expect(apply(peers, layers)).toEqual(peers);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("moves nobody but the one that is halved when a peer joins", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), (count) => {
        let peers: PlacementPeer[] = [];
        for (let joined = 1; joined <= count; joined++) peers = apply([...peers, peer(joined)], 8);
        const after = apply([...peers, peer(count + 1)], 8);
        expect(peers.filter((before, index) => before.span?.start !== after[index]?.span?.start)).toHaveLength(0);
        expect(peers.filter((before, index) => before.span?.end !== after[index]?.span?.end)).toHaveLength(1);
      }),
    );
  });
});

describe("mayRelease", () => {
  const span = (start: number, end: number): Span => ({ start, end });
  it("keeps serving until somebody else serves what is dropped", () => {
    expect(mayRelease(span(0, 8), span(0, 4), [])).toBe(false);
    expect(mayRelease(span(0, 8), span(0, 4), [span(6, 8)])).toBe(false);
    expect(mayRelease(span(0, 8), span(0, 4), [span(4, 6), span(6, 8)])).toBe(true);
    expect(mayRelease(span(0, 2), span(0, 8), [])).toBe(true);
  });
});
