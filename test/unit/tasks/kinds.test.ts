// The list of kinds: what it says of each kind agrees with the kind's code, and names that are no kind's are found
// nowhere.
import { describe, expect, it } from "vitest";
import { factsOf, loadKinds, offerOf, PLAIN_KINDS, unitPrice } from "../../../src/tasks/kinds/find-kind.ts";
import { KINDS, type TaskKindName } from "../../../src/tasks/kinds/kind-list.ts";

const names = Object.keys(KINDS) as TaskKindName[];
const kinds = await loadKinds();

describe("the list of kinds", () => {
  it("has the code of every kind", () => {
    expect([...kinds.keys()]).toEqual(names);
  });

  it.each(names)("calls %s exact if and only if its code compares bytes and nothing else", (name) => {
    const kind = kinds.get(name);
    expect(factsOf(name)?.isExact).toBe(kind?.near === undefined && kind?.accepts === undefined && kind?.determinismClass === undefined);
  });

  it.each(names)("has a name for %s that fits a frame, a price, and words for one part and for several", (name) => {
    expect(name).toMatch(/^[a-z_]{1,32}$/);
    expect(unitPrice(name)).toBeGreaterThan(0);
    expect(new Set(KINDS[name].part).size).toBe(2);
  });

  it("says which kinds any thread computes", () => {
    expect(PLAIN_KINDS).toEqual(names.filter((name) => !["map", "ml_inference", "render_gpu"].includes(name)));
    expect(offerOf("sum")).toEqual({ name: "sum", version: 1 });
  });

  it.each(["guess", "constructor", "__proto__", ""])("knows nothing of %j", (name) => {
    expect([factsOf(name), unitPrice(name), kinds.get(name)]).toEqual([undefined, undefined, undefined]);
  });
});
