// Placement: a table of small swarms, and properties over random histories of joining and leaving.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findGaps, isRouted } from "../../../src/route/coverage.ts";
import type { PlacementPeer } from "../../../src/route/layer-rates.ts";
import { mayRelease, planPlacement } from "../../../src/route/plan-placement.ts";
import { asPeerId, type Span, spanLength } from "../../../src/shared/ids.ts";

const peer = (joined: number, span?: readonly [number, number]): PlacementPeer => ({
  peer: asPeerId(`peer-${joined}`),
  joined,
  span: span && { start: span[0], end: span[1] },
});
const planned = (peers: readonly PlacementPeer[], layerCount: number, headLayers = 0): string[] =>
  [...planPlacement(peers, { layerCount, headLayers })].map(([id, span]) => `${id} ${span.start}-${span.end}`).toSorted();
const apply = (peers: readonly PlacementPeer[], layerCount: number, headLayers = 0): PlacementPeer[] => {
  const plan = planPlacement(peers, { layerCount, headLayers });
  return peers.map((entry) => ({ ...entry, span: plan.get(entry.peer) }));
};

/** Work of the head, in layers. */
const heads = fc.constantFrom(0, 0.2, 1.2, 3.5, 9);

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
    [
      "two peers that chose the same span share it",
      [peer(1, [0, 4]), peer(2, [4, 8]), peer(3, [4, 8])],
      ["peer-1 0-2", "peer-2 4-8", "peer-3 2-4"],
    ],
    ["spans that make no sense count as none", [peer(1, [0, 8]), peer(2, [7, 99])], ["peer-1 0-4", "peer-2 4-8"]],
  ] as const)("%s", (_, peers, expected) => {
    expect(planned(peers, 8)).toEqual(expected);
  });

  it.each([
    ["a head with much work counts as layers", 8, [peer(1, [0, 12]), peer(2)], ["peer-1 0-10", "peer-2 10-12"]],
    [
      "halves of equal length stay equal if that costs a twentieth at most",
      0.5,
      [peer(1, [0, 12]), peer(2)],
      ["peer-1 0-6", "peer-2 6-12"],
    ],
    [
      "the span with the head is halved first",
      2,
      [peer(1, [0, 6]), peer(2, [6, 12]), peer(3)],
      ["peer-1 0-6", "peer-2 6-10", "peer-3 10-12"],
    ],
    ["the last layer goes with the head, however much work that is", 40, [peer(1), peer(2)], ["peer-1 0-11", "peer-2 11-12"]],
    ["the neighbour with the least work closes a gap", 8, [peer(1, [0, 4]), peer(2, [10, 12])], ["peer-1 0-10", "peer-2 10-12"]],
  ] as const)("%s", (_, headLayers, peers, expected) => {
    expect(planned(peers, 12, headLayers)).toEqual(expected);
  });

  it("gives every layer of a two-layer model a replica before a third", () => {
    const peers = [1, 2, 3, 4, 5].map((joined) => peer(joined));
    const spans = [...planPlacement(peers, { layerCount: 2, headLayers: 0 }).values()].map((span) => span.start).toSorted((a, b) => a - b);
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
      fc.property(fc.integer({ min: 1, max: 32 }), heads, history, (layers, head, events) => {
        let peers: PlacementPeer[] = [];
        let joined = 0;
        for (const event of events) {
          if (event.kind === "join") peers.push(peer(++joined));
          else if (peers.length > 0) peers.splice(event.pick % peers.length, 1);
          if (peers.length === 0) continue;
          peers = apply(peers, layers, head);
          const spans = peers.flatMap((entry) => (entry.span ? [entry.span] : []));
          expect(spans).toHaveLength(peers.length);
          expect(findGaps(spans, layers)).toEqual([]);
          if (peers.length <= layers) expect(spans.reduce((sum, span) => sum + spanLength(span), 0)).toBe(layers);
          expect(apply(peers, layers, head)).toEqual(peers);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("moves only the peer that is halved when another joins", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), heads, (count, head) => {
        let peers: PlacementPeer[] = [];
        for (let joined = 1; joined <= count; joined++) peers = apply([...peers, peer(joined)], 8, head);
        const after = apply([...peers, peer(count + 1)], 8, head);
        expect(peers.filter((before, index) => before.span?.start !== after[index]?.span?.start)).toHaveLength(0);
        expect(peers.filter((before, index) => before.span?.end !== after[index]?.span?.end)).toHaveLength(1);
      }),
    );
  });
});

describe("planPlacement among peers that said how much they can hold and how fast they are", () => {
  const roomy = (joined: number, maxLayers: number, span?: readonly [number, number], layerMs?: number): PlacementPeer => ({
    ...peer(joined, span),
    maxLayers,
    layerMs,
  });

  it.each([
    ["a newcomer becomes a replica rather than halve a span", [roomy(1, 8, [0, 8]), roomy(2, 8)], ["peer-1 0-8", "peer-2 0-8"]],
    ["nobody gets more than it can hold", [roomy(1, 3), roomy(2, 3), roomy(3, 3)], ["peer-1 0-3", "peer-2 3-6", "peer-3 6-8"]],
    [
      "the second pipeline has the cuts of the first",
      [roomy(1, 4, [0, 4]), roomy(2, 4, [4, 8]), roomy(3, 4), roomy(4, 6)],
      ["peer-1 0-4", "peer-2 4-8", "peer-3 0-4", "peer-4 4-8"],
    ],
    [
      "weak peers form a second pipeline together",
      [roomy(1, 8, [0, 8]), roomy(2, 3), roomy(3, 3), roomy(4, 3)],
      ["peer-1 0-8", "peer-2 0-3", "peer-3 3-6", "peer-4 6-8"],
    ],
    [
      "the slowest stage gets the replica",
      [roomy(1, 4, [0, 4], 10), roomy(2, 4, [4, 8], 30), roomy(3, 4, undefined, 10)],
      ["peer-1 0-4", "peer-2 4-8", "peer-3 4-8"],
    ],
    ["layers follow measured speed if it pays", [roomy(1, 8, [0, 4], 10), roomy(2, 8, [4, 8], 30)], ["peer-1 0-6", "peer-2 6-8"]],
    ["and its limits", [roomy(1, 5, [0, 4], 10), roomy(2, 8, [4, 8], 30)], ["peer-1 0-5", "peer-2 5-8"]],
    ["cuts stay for less than a fifth", [roomy(1, 8, [0, 5], 10), roomy(2, 8, [5, 8], 14)], ["peer-1 0-5", "peer-2 5-8"]],
    ["cuts stay for a few milliseconds", [roomy(1, 8, [0, 4], 1), roomy(2, 8, [4, 8], 2)], ["peer-1 0-4", "peer-2 4-8"]],
    [
      "a replica goes from a span with three holders to one with one holder",
      [roomy(1, 8, [0, 4]), roomy(2, 4, [4, 8]), roomy(3, 4, [4, 8]), roomy(4, 4, [4, 8])],
      ["peer-1 0-4", "peer-2 4-8", "peer-3 4-8", "peer-4 0-4"],
    ],
    [
      "two holders against one stay",
      [roomy(1, 4, [0, 4]), roomy(2, 4, [4, 8]), roomy(3, 4, [4, 8])],
      ["peer-1 0-4", "peer-2 4-8", "peer-3 4-8"],
    ],
    [
      "speed moves no cut of peers that did not say how much they can hold",
      [
        { ...peer(1, [0, 4]), layerMs: 10 },
        { ...peer(2, [4, 8]), layerMs: 90 },
      ],
      ["peer-1 0-4", "peer-2 4-8"],
    ],
    [
      "a replica goes to the head rather than to as many layers without one",
      [roomy(1, 4, [0, 4], 10), roomy(2, 4, [4, 8], 10), roomy(3, 4, undefined, 10)],
      ["peer-1 0-4", "peer-2 4-8", "peer-3 4-8"],
      2,
    ],
    [
      "the last peer has fewer layers, because it has the head",
      [roomy(1, 8, [0, 4], 10), roomy(2, 8, [4, 8], 10)],
      ["peer-1 0-6", "peer-2 6-8"],
      4,
    ],
    ["a peer with room for nothing gets nothing", [roomy(1, 8, [0, 8]), roomy(2, 0)], ["peer-1 0-8"]],
  ] as const)("%s", (_, peers, expected, headLayers: number = 0) => {
    expect(planned(peers, 8, headLayers)).toEqual(expected);
  });

  const anyone = fc.record({
    maxLayers: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
    layerMs: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
  });
  const event = fc.oneof(
    { weight: 2, arbitrary: anyone.map((entry) => ({ kind: "join" as const, entry })) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), pick: fc.nat() }) },
  );

  it("leads through all layers if there is room, within every limit, and is a fixed point, after any history", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 24 }), heads, fc.array(event, { maxLength: 30 }), (layers, head, events) => {
        let peers: PlacementPeer[] = [];
        let joined = 0;
        for (const step of events) {
          if (step.kind === "join") peers.push({ ...peer(++joined), ...step.entry });
          else if (peers.length > 0) peers.splice(step.pick % peers.length, 1);
          peers = apply(peers, layers, head);
          const spans = peers.flatMap(({ span }) => (span ? [span] : []));
          expect(spans).toHaveLength(peers.length);
          for (const { span, maxLayers = layers } of peers) expect(span && spanLength(span)).toBeLessThanOrEqual(maxLayers);
          const room = peers.reduce((sum, { maxLayers = layers }) => sum + maxLayers, 0);
          if (room >= layers) expect(isRouted(spans, layers)).toBe(true);
          expect(apply(peers, layers, head)).toEqual(peers);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("does not depend on the order in which the directory lists the peers", () => {
    fc.assert(
      fc.property(fc.array(anyone, { minLength: 1, maxLength: 12 }), fc.infiniteStream(fc.nat()), (entries, order) => {
        const peers = entries.map((entry, index) => ({ ...peer(index), ...entry }));
        const shuffled = peers.toSorted(() => (Number(order.next().value) % 3) - 1);
        expect(planned(shuffled, 12)).toEqual(planned(peers, 12));
      }),
    );
  });
});

describe("mayRelease", () => {
  const span = (start: number, end: number): Span => ({ start, end });
  it("is false until other peers serve the layers that are dropped", () => {
    expect(mayRelease(span(0, 8), span(0, 4), [])).toBe(false);
    expect(mayRelease(span(0, 8), span(0, 4), [span(6, 8)])).toBe(false);
    expect(mayRelease(span(0, 8), span(0, 4), [span(4, 6), span(6, 8)])).toBe(true);
    expect(mayRelease(span(0, 2), span(0, 8), [])).toBe(true);
  });
});
