// Minimum cuts, compared with every possible cut of small networks.
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Edge, minCut, UNCUTTABLE } from "../../../../src/model/cut/min-cut.ts";

const VERTICES = 6;
const SOURCE = 0;
const SINK = 5;

/** Cost of the edges that lead from the source's side to the sink's. */
const costOf = (edges: readonly Edge[], onSinkSide: (vertex: number) => boolean): number =>
  edges.filter(({ from, to }) => !onSinkSide(from) && onSinkSide(to)).reduce((sum, { cost }) => sum + cost, 0);

const edges = fc.array(fc.record({ from: fc.nat(VERTICES - 1), to: fc.nat(VERTICES - 1), cost: fc.nat(9) }), { maxLength: 18 });

test("finds the cheapest of all cuts, and of equals the one nearest to the sink", () => {
  fc.assert(
    fc.property(edges, (network) => {
      const { cost, sinkSide } = minCut(VERTICES, network, SOURCE, SINK);
      expect(sinkSide[SOURCE]).toBe(false);
      expect(sinkSide[SINK]).toBe(true);
      expect(costOf(network, (vertex) => sinkSide[vertex] ?? false)).toBe(cost);
      for (let mask = 0; mask < 2 ** (VERTICES - 2); mask++) {
        const inMask = (vertex: number): boolean => vertex === SINK || (vertex !== SOURCE && ((mask >> (vertex - 1)) & 1) === 1);
        const other = costOf(network, inMask);
        expect(other).toBeGreaterThanOrEqual(cost);
        if (other === cost) for (let vertex = 1; vertex < SINK; vertex++) if (sinkSide[vertex]) expect(inMask(vertex)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test("says if the sides cannot be separated", () => {
  const network = [
    { from: SOURCE, to: 1, cost: UNCUTTABLE },
    { from: 1, to: SINK, cost: UNCUTTABLE },
  ];
  expect(minCut(VERTICES, network, SOURCE, SINK).cost).toBeGreaterThanOrEqual(UNCUTTABLE);
});
