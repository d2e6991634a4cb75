// Checks that package-lock.json has the address and the hash of every package from the registry, so that `npm ci`
// installs
// the same bytes everywhere, or fails.
import fs from "node:fs";
import path from "node:path";

/** An entry of the lock file, as far as it is read here. */
interface LockEntry {
  readonly resolved?: string;
  readonly integrity?: string;
  /** A workspace of this repository, which has neither. */
  readonly link?: boolean;
}

/** Keys of the entries that lack an address or a hash, sorted as in the file. */
export function unpinnedEntries(packages: Readonly<Record<string, LockEntry>>): readonly string[] {
  return Object.entries(packages).flatMap(([place, { resolved, integrity, link }]) => {
    const fromRegistry = place.includes("node_modules/") && link !== true;
    return fromRegistry && (resolved === undefined || integrity === undefined) ? [place] : [];
  });
}

export function checkLock(root: string): { readonly passed: boolean; readonly output: string } {
  const text = fs.readFileSync(path.join(root, "package-lock.json"), "utf8");
  const { packages } = JSON.parse(text) as { readonly packages: Readonly<Record<string, LockEntry>> }; // npm's own file
  const unpinned = unpinnedEntries(packages);
  if (unpinned.length === 0) return { passed: true, output: "" };
  const output = [
    ...unpinned.map((place) => `${place} has no "resolved" or no "integrity"`),
    "Remove these entries from package-lock.json and run `npm install --package-lock-only`: npm writes them again, whole.",
  ];
  return { passed: false, output: output.join("\n") };
}
