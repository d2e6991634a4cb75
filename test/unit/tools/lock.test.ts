// The check of package-lock.json: an entry without an address or a hash must not pass.
import { expect, it } from "vitest";
import { unpinnedEntries } from "../../../tools/check/lock.ts";

const pinned = { resolved: "https://registry.npmjs.org/a/-/a-1.0.0.tgz", integrity: "sha512-AAAA" };

it("accepts pinned packages, the project itself, and workspaces", () => {
  const packages = { "": {}, "tools/reference": {}, "node_modules/reference": { resolved: "tools/reference", link: true } };
  expect(unpinnedEntries({ ...packages, "node_modules/a": pinned })).toEqual([]);
});

it("names packages that lack their hash or their address, nested ones too", () => {
  const { resolved, integrity } = pinned;
  const packages = { "node_modules/a": { resolved }, "node_modules/b": pinned, "tools/reference/node_modules/c": { integrity } };
  expect(unpinnedEntries(packages)).toEqual(["node_modules/a", "tools/reference/node_modules/c"]);
});
