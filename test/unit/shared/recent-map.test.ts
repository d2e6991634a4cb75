// A map of recent entries: it keeps as many as it has room for, the newest ones, and a
// key that is set again counts as new.
import fc from "fast-check";
import { expect, it } from "vitest";
import { RecentMap } from "../../../src/shared/recent-map.ts";

it("holds the keys that were set last, each with its newest value, oldest first", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(7), { maxLength: 40 }), (most, keys) => {
      const map = new RecentMap<number, number>(most);
      keys.forEach((key, at) => map.set(key, at));
      const newest = [...new Set(keys.toReversed())].slice(0, most).toReversed();
      expect([...map]).toEqual(newest.map((key) => [key, keys.lastIndexOf(key)]));
    }),
  );
});
