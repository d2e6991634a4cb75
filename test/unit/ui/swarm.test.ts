// The picture of the swarm: the order of rows, coverage, gaps, words and geometry.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SwarmPeer } from "../../../src/node/face.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { peerColour, peerName, PEER_COLOURS } from "../../../src/shared/peer-name.ts";
import { mapGeometry, routePath } from "../../../src/ui/swarm/swarm-geometry.ts";
import { gapsOf, layoutSwarm, visibleRows } from "../../../src/ui/swarm/swarm-layout.ts";
import { swarmSentence } from "../../../src/ui/swarm/swarm-words.ts";

const peer = (name: string, start?: number, end?: number, more: Partial<SwarmPeer> = {}): SwarmPeer => ({
  peer: asPeerId(name),
  isSelf: false,
  host: "page",
  backend: "wasm",
  span: start === undefined || end === undefined ? undefined : { start, end },
  serving: true,
  sessions: 0,
  tokensServed: 0,
  layerMs: undefined,
  ...more,
});

const someSpan = fc.tuple(fc.nat(11), fc.nat(11)).map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) + 1 }));
const somePeer = fc
  .record({ id: fc.string({ minLength: 1 }), span: fc.option(someSpan, { nil: undefined }), serving: fc.boolean() })
  .map(({ id, span, serving }) => ({ ...peer(id), span, serving }));

describe("layoutSwarm", () => {
  it("counts the peers that serve, not those that load, and finds the gaps", () => {
    const layout = layoutSwarm([peer("c", 5, 8), peer("a", 0, 3), peer("b", 3, 5, { serving: false }), peer("d")], 8);
    expect(layout.coverage).toEqual([1, 1, 1, 0, 0, 1, 1, 1]);
    expect(layout.gaps).toEqual([{ start: 3, end: 5 }]);
    expect(layout.rows.map((row) => row.peer)).toEqual(["a", "b", "c", "d"]);
    expect(layout).toMatchObject({ serving: 2, loading: 1 });
  });
  it("puts each layer either under coverage or into a gap, whatever peers there are", () => {
    fc.assert(
      fc.property(fc.array(somePeer, { maxLength: 30 }), fc.integer({ min: 1, max: 12 }), (peers, layers) => {
        const { coverage, gaps, rows } = layoutSwarm(peers, layers);
        expect(rows).toHaveLength(peers.length);
        expect(coverage).toHaveLength(layers);
        coverage.forEach((count, layer) => {
          expect(gaps.some((gap) => gap.start <= layer && layer < gap.end)).toBe(count === 0);
        });
      }),
    );
  });
  it("joins neighbouring empty layers into one gap", () =>
    expect(gapsOf([0, 0, 1, 0])).toEqual([
      { start: 0, end: 2 },
      { start: 3, end: 4 },
    ]));
});

describe("visibleRows", () => {
  it("never hides this tab or the route", () => {
    const rows = [...Array.from({ length: 40 }, (_, i) => peer(`p${i}`, 0, 1)), peer("me", 7, 8, { isSelf: true }), peer("hop", 7, 8)];
    const { shown, hidden } = visibleRows(rows, 10, new Set(["hop"]));
    expect(shown).toHaveLength(10);
    expect(hidden).toBe(32);
    expect(shown.map((row) => row.peer)).toEqual(expect.arrayContaining(["me", "hop"]));
  });
});

describe("swarmSentence", () => {
  const say = (peers: readonly SwarmPeer[] | undefined, layers = 8): string => {
    const layout = layoutSwarm(peers ?? [], layers);
    return swarmSentence(peers, layout, layout.gaps);
  };
  it("distinguishes empty, whole and broken swarms", () => {
    expect(say(undefined)).toBe("Looking to see who is there.");
    expect(say([])).toBe("Nobody lends yet. Be the first.");
    expect(say([peer("a", 0, 8)])).toBe("1 tab holds all 8 layers.");
    expect(say([peer("a", 0, 7)])).toBe("Layer 7 is held by nobody yet.");
    expect(say([peer("a", 0, 3), peer("b", 5, 8, { serving: false })])).toBe("Layers 3–7 are held by nobody yet. 1 tab is still loading.");
  });
});

describe("geometry", () => {
  it("keeps every layer inside the picture, from phones to wide screens and long models", () => {
    fc.assert(
      fc.property(fc.integer({ min: 240, max: 1400 }), fc.integer({ min: 1, max: 96 }), (width, layers) => {
        const map = mapGeometry(width, layers, 3);
        expect(map.layerX(layers) - map.gutter).toBeLessThanOrEqual(width + 0.001);
        expect(map.cell).toBeGreaterThanOrEqual(1);
      }),
    );
  });
  it("draws a route only when all its rows are drawn", () => {
    const map = mapGeometry(800, 8, 2);
    const hops = [peer("a", 0, 3), peer("b", 3, 8)].map((p) => ({
      peer: p.peer,
      isSelf: false,
      span: p.span ?? { start: 0, end: 8 },
      computeMs: 1,
    }));
    expect(routePath(map, hops, (id) => ["a", "b"].indexOf(id))).toMatch(/^M.*C.*L/);
    expect(routePath(map, hops, (id) => ["a"].indexOf(id))).toBe("");
  });
});

describe("peerName", () => {
  it("is two words and a colour of the theme, always the same", () => {
    fc.assert(
      fc.property(fc.string(), (id) => {
        expect(peerName(asPeerId(id))).toMatch(/^[A-Z][a-z]+ [A-Z][a-z]+$/);
        expect(peerName(asPeerId(id))).toBe(peerName(asPeerId(id)));
        expect(peerColour(asPeerId(id))).toBeLessThan(PEER_COLOURS);
      }),
    );
  });
});
