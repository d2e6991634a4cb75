// Routes: a table, and fewest hops against every route that there is on small swarms.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planRoute, type RoutePeer } from "../../../src/route/plan-route.ts";
import { asPeerId } from "../../../src/shared/ids.ts";

const peer = (name: string, serving: readonly (readonly [number, number])[], extra: Partial<RoutePeer> = {}): RoutePeer => ({
  peer: asPeerId(name),
  serving: serving.map(([start, end]) => ({ start, end })),
  sessions: 0,
  layerMs: 1,
  ...extra,
});
const names = (peers: readonly RoutePeer[], layers: number, exclude: readonly string[] = []): string[] | undefined =>
  planRoute(peers, layers, new Set(exclude.map(asPeerId)))?.map((hop) => `${hop.peer} ${hop.span.start}-${hop.span.end}`);

describe("planRoute", () => {
  it("chains spans end to end", () => {
    expect(names([peer("b", [[3, 8]]), peer("a", [[0, 3]])], 8)).toEqual(["a 0-3", "b 3-8"]);
  });
  it("prefers one peer with all layers to two with halves", () => {
    expect(names([peer("a", [[0, 4]]), peer("b", [[4, 8]]), peer("c", [[0, 8]], { layerMs: 50 })], 8)).toEqual(["c 0-8"]);
  });
  it("prefers the idle and the fast among equals, and takes the unmeasured for slow", () => {
    expect(names([peer("a", [[0, 8]], { sessions: 3 }), peer("b", [[0, 8]])], 8)).toEqual(["b 0-8"]);
    expect(names([peer("a", [[0, 8]], { layerMs: undefined }), peer("b", [[0, 8]], { layerMs: 9 })], 8)).toEqual(["b 0-8"]);
  });
  it("leaves out the excluded, and says when no route is left", () => {
    expect(names([peer("a", [[0, 8]]), peer("b", [[0, 8]])], 8, ["a"])).toEqual(["b 0-8"]);
    expect(names([peer("a", [[0, 8]])], 8, ["a"])).toBeUndefined();
    expect(names([peer("a", [[0, 4]]), peer("b", [[5, 8]])], 8)).toBeUndefined();
    expect(names([], 8)).toBeUndefined();
  });

  it("finds a route with the fewest hops whenever there is one", () => {
    const layers = 6;
    const span = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 7 })).filter(([start, end]) => start < end);
    fc.assert(
      fc.property(fc.array(span, { maxLength: 8 }), (spans) => {
        const route = planRoute(
          spans.map((entry, index) => peer(`p${index}`, [entry])),
          layers,
        );
        const fewest = (from: number): number =>
          from === layers
            ? 0
            : Math.min(Infinity, ...spans.filter(([start, end]) => start === from && end <= layers).map(([, end]) => 1 + fewest(end)));
        expect(route?.length ?? Infinity).toBe(fewest(0));
        route?.reduce((at, hop) => (expect(hop.span.start).toBe(at), hop.span.end), 0);
      }),
    );
  });
});
