// Routes: tables of preferences, and the shortest lap against every possible route on small swarms.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LinkTimes } from "../../../src/route/link-times.ts";
import { planRoute, routeMs } from "../../../src/route/plan-route.ts";
import { COST, outweigh, type RouteNeeds, type RoutePeer } from "../../../src/route/route-cost.ts";
import { asPeerId, type Span } from "../../../src/shared/ids.ts";
import { everyRoute } from "../../../tools/bench/parts/every-route.ts";

const peer = (name: string, serving: readonly (readonly [number, number])[], extra: Partial<RoutePeer> = {}): RoutePeer => ({
  peer: asPeerId(name),
  serving: serving.map(([start, end]) => ({ start, end })),
  sessions: 0,
  layerMs: 1,
  ...extra,
});
const names = (
  peers: readonly RoutePeer[],
  layers: number,
  exclude: readonly string[] = [],
  needs: RouteNeeds = {},
): string[] | undefined =>
  planRoute(peers, layers, new Set(exclude.map(asPeerId)), needs)?.map((hop) => `${hop.peer} ${hop.span.start}-${hop.span.end}`);
const rtt = (value: number, ageMs = 0): Partial<RoutePeer> => ({ rttMs: { value, ageMs } });

describe("planRoute", () => {
  it("chains spans end to end", () => {
    expect(names([peer("b", [[3, 8]]), peer("a", [[0, 3]])], 8)).toEqual(["a 0-3", "b 3-8"]);
  });
  it("prefers one peer with all layers to two with halves if ways are unknown", () => {
    expect(names([peer("a", [[0, 4]]), peer("b", [[4, 8]]), peer("c", [[0, 8]], { layerMs: 10 })], 8)).toEqual(["c 0-8"]);
  });
  it("prefers two fast halves next door to one slow whole", () => {
    const near = [peer("a", [[0, 4]], rtt(2)), peer("b", [[4, 8]], rtt(2)), peer("c", [[0, 8]], { layerMs: 10, ...rtt(2) })];
    expect(names(near, 8)).toEqual(["a 0-4", "b 4-8"]);
  });
  it("prefers idle and fast peers among equals, and assumes that unmeasured ones are slow", () => {
    expect(names([peer("a", [[0, 8]], { sessions: 3 }), peer("b", [[0, 8]])], 8)).toEqual(["b 0-8"]);
    expect(names([peer("a", [[0, 8]], { layerMs: undefined }), peer("b", [[0, 8]], { layerMs: 9 })], 8)).toEqual(["b 0-8"]);
  });
  it("leaves out excluded peers, and is undefined if no route is left", () => {
    expect(names([peer("a", [[0, 8]]), peer("b", [[0, 8]])], 8, ["a"])).toEqual(["b 0-8"]);
    expect(names([peer("a", [[0, 8]])], 8, ["a"])).toBeUndefined();
    expect(names([peer("a", [[0, 4]]), peer("b", [[5, 8]])], 8)).toBeUndefined();
    expect(names([], 8)).toBeUndefined();
  });
  it("counts the way back: a far last span loses", () => {
    const first = peer("a", [[0, 4]], rtt(10));
    expect(names([first, peer("b", [[4, 8]], rtt(80)), peer("c", [[4, 8]], { layerMs: 2, ...rtt(10) })], 8)).toEqual(["a 0-4", "c 4-8"]);
  });
  it("chooses the pair that measured a short way between them", () => {
    const near = { neighbours: [{ peer: asPeerId("c"), rttMs: 4 }] };
    expect(names([peer("a", [[0, 4]], near), peer("b", [[4, 8]]), peer("c", [[4, 8]])], 8)).toEqual(["a 0-4", "c 4-8"]);
  });
  it("avoids the pair that measured a long way between them", () => {
    const far = { neighbours: [{ peer: asPeerId("b"), rttMs: 900 }] };
    expect(names([peer("a", [[0, 4]], far), peer("b", [[4, 8]]), peer("c", [[4, 8]], { layerMs: 2 })], 8)).toEqual(["a 0-4", "c 4-8"]);
  });
  it("believes a fresh measurement more than an old one", () => {
    const fresh = peer("b", [[0, 8]], rtt(60));
    expect(names([peer("a", [[0, 8]], rtt(50)), fresh], 8)).toEqual(["a 0-8"]);
    expect(names([peer("a", [[0, 8]], rtt(50, 120_000)), fresh], 8)).toEqual(["b 0-8"]);
    const speed = peer("b", [[0, 8]], { layerMs: 2 });
    expect(names([peer("a", [[0, 8]], { layerMsAgeMs: 600_000 }), speed], 8)).toEqual(["b 0-8"]);
    const links = new LinkTimes([
      peer("a", [], { neighbours: [{ peer: asPeerId("b"), rttMs: 10, ageMs: 60_000 }] }),
      peer("b", [], { neighbours: [{ peer: asPeerId("a"), rttMs: 30, ageMs: 0 }] }),
    ]);
    expect(links.ms(asPeerId("a"), asPeerId("b"))).toBe(15);
  });
  it("lets a measurement fade towards what is assumed of strangers", () => {
    expect(outweigh(40, 0, 200, 1000)).toBe(40);
    expect(outweigh(40, 1000, 200, 1000)).toBe(120);
    expect(outweigh(40, 1e9, 200, 1000)).toBe(200);
  });
  it("fills a gap between two neighbours by the shortest way from one to the other", () => {
    const peers = [
      peer("up", [[0, 4]], { neighbours: [{ peer: asPeerId("y"), rttMs: 2 }] }),
      peer("down", [[6, 8]], { neighbours: [{ peer: asPeerId("y"), rttMs: 2 }] }),
      peer("x", [[4, 6]], rtt(1)),
      peer("y", [[4, 6]]),
      peer("whole", [[0, 8]]),
    ];
    const gap: RouteNeeds = { layers: { start: 4, end: 6 }, from: asPeerId("up"), to: asPeerId("down") };
    expect(names(peers, 8, [], gap)).toEqual(["y 4-6"]);
    expect(names(peers, 8, ["y"], gap)).toEqual(["x 4-6"]);
    expect(names(peers, 8, ["x", "y"], gap)).toBeUndefined();
  });
  it("stays in a determinism class while it can, and leaves it rather than fail", () => {
    const peers = [peer("a", [[0, 8]], { determinismClass: "gpu" }), peer("b", [[0, 8]], { determinismClass: "cpu", layerMs: 90 })];
    expect(names(peers, 8, [], { determinismClass: "cpu" })).toEqual(["b 0-8"]);
    expect(names(peers, 8, ["b"], { determinismClass: "cpu" })).toEqual(["a 0-8"]);
  });
  it("chooses a peer without room for the session only if there is no other", () => {
    const cache = { positions: 100, bytesPerLayer: Array.from({ length: 8 }, () => 10) };
    const peers = [
      peer("a", [[0, 8]], { freeCacheBytes: 7_999 }),
      peer("b", [[0, 8]], { freeCacheBytes: 8_000, layerMs: 99, determinismClass: "gpu" }),
    ];
    expect(names(peers, 8, [], { cache, determinismClass: "cpu" })).toEqual(["b 0-8"]);
    expect(names(peers, 8, ["b"], { cache })).toEqual(["a 0-8"]);
  });

  const layers = 6;
  const span = fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 7 })).filter(([start, end]) => start < end);

  it("finds a route with the fewest hops, if there is a route and no way is known", () => {
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

  it("finds the shortest lap of all, for any measurements and any needs", () => {
    const ms = fc.integer({ min: 0, max: 300 });
    const ageMs = fc.constantFrom(0, 30_000, 1_000_000);
    const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
    // Few cuts, so that most swarms have several routes.
    const piece = fc.constantFrom<readonly [number, number]>([0, 3], [3, 6], [0, 2], [2, 3], [0, 6], [3, 5], [5, 6]);
    const someone = fc.record({
      serving: fc.array(piece, { minLength: 1, maxLength: 2 }),
      sessions: fc.nat(3),
      layerMs: maybe(fc.integer({ min: 0, max: 40 })),
      layerMsAgeMs: maybe(ageMs),
      rttMs: maybe(fc.record({ value: ms, ageMs })),
      neighbours: fc.array(fc.record({ peer: fc.nat(8).map((index) => asPeerId(`p${index}`)), rttMs: ms, ageMs }), { maxLength: 4 }),
      freeCacheBytes: maybe(fc.nat(6)),
      determinismClass: maybe(fc.constantFrom("x", "y")),
    });
    const asked = fc.record({
      layers: maybe(fc.tuple(fc.nat(5), fc.nat(5)).map(([a, b]): Span => ({ start: Math.min(a, b), end: Math.max(a, b) + 1 }))),
      from: maybe(fc.nat(8).map((index) => asPeerId(`p${index}`))),
      to: maybe(fc.nat(8).map((index) => asPeerId(`p${index}`))),
      determinismClass: maybe(fc.constantFrom("x", "y")),
      cache: maybe(fc.constant({ positions: 1, bytesPerLayer: [1, 1, 1, 1, 1, 1] })),
    });
    fc.assert(
      fc.property(fc.array(someone, { maxLength: 9 }), asked, fc.nat(8), (some, needs, out) => {
        const peers = some.map(({ serving, ...entry }, index) => peer(`p${index}`, serving, entry));
        const exclude = new Set([asPeerId(`p${out}`)]);
        const range = needs.layers ?? { start: 0, end: layers };
        const best = Math.min(Infinity, ...everyRoute(peers, range, exclude).map((route) => routeMs(route, peers, needs)));
        const route = planRoute(peers, layers, exclude, needs);
        if (!route) {
          expect(best).toBe(Infinity);
          return;
        }
        expect(route[0]?.span.start).toBe(range.start);
        expect(route.at(-1)?.span.end).toBe(range.end);
        expect(Math.abs(routeMs(route, peers, needs) - best)).toBeLessThan(1e-3);
      }),
      { numRuns: 2000 },
    );
  });

  it("assumes the worst of peers that say nothing about themselves", () => {
    const [alone] = [peer("a", [[0, 4]], { layerMs: undefined })];
    const route = planRoute([alone], 4);
    expect(route && routeMs(route, [alone])).toBe(COST.unknownRttMs + COST.hopMs + 4 * COST.unknownLayerMs);
  });
});
