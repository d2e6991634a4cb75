// Which spans fill a gap: survivors stay, the smallest gap is filled, and a wider one only if nothing else fits.
import { describe, expect, it } from "vitest";
import { planDetour } from "../../../src/inference/requester/plan-detour.ts";
import type { Hop } from "../../../src/route/plan-route.ts";
import type { RoutePeer } from "../../../src/route/route-cost.ts";
import { asPeerId } from "../../../src/shared/ids.ts";

const hop = (peer: string, start: number, end: number): Hop => ({ peer: asPeerId(peer), span: { start, end } });
const peer = (name: string, start: number, end: number): RoutePeer => ({
  peer: asPeerId(name),
  serving: [{ start, end }],
  sessions: 0,
  layerMs: 1,
});
const A = hop("a", 0, 3);
const C = hop("c", 5, 8);
const plan = (
  peers: readonly RoutePeer[],
  kept: readonly Hop[],
  options: { readonly leaving?: readonly Hop[]; readonly exclude?: readonly string[] } = {},
) =>
  planDetour(peers, 8, { kept, leaving: options.leaving ?? [], exclude: () => new Set((options.exclude ?? []).map(asPeerId)) })?.map(
    (each) => each.peer,
  );

describe("planDetour", () => {
  it.each([
    ["one for one", [peer("b", 3, 5), peer("all", 0, 8)], [A, C], {}, ["a", "b", "c"]],
    ["two for one", [peer("b", 3, 4), peer("d", 4, 5)], [A, C], {}, ["a", "b", "d", "c"]],
    ["one hop rather than two", [peer("b", 3, 4), peer("d", 4, 5), peer("e", 3, 5)], [A, C], {}, ["a", "e", "c"]],
    ["over the neighbour behind if nothing fits between", [peer("b", 3, 8)], [A, C], {}, ["a", "b"]],
    ["over the neighbour before", [peer("b", 0, 5)], [A, C], {}, ["b", "c"]],
    ["a whole new route if nothing else fits", [peer("all", 0, 8)], [A, C], {}, ["all"]],
    ["nobody who is excluded", [peer("b", 3, 5), peer("d", 3, 5)], [A, C], { exclude: ["b"] }, ["a", "d", "c"]],
    ["a leaver is replaced", [peer("d", 0, 3)], [A, hop("b", 3, 5), C], { leaving: [A] }, ["d", "b", "c"]],
    ["a leaver stays if there is nobody else", [], [A, hop("b", 3, 5), C], { leaving: [A] }, ["a", "b", "c"]],
    ["nothing if nothing fits", [peer("b", 3, 4)], [A, C], {}, undefined],
    ["two gaps", [peer("d", 0, 3), peer("e", 5, 8)], [hop("b", 3, 5)], {}, ["d", "b", "e"]],
  ] as const)("%s", (_, peers, kept, options, expected) => {
    expect(plan(peers, kept, options)).toEqual(expected);
  });
});
