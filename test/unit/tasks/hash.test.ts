// Hashes against Node's own SHA-256, and against a tree that is built in another way: from the bottom, level by level.
import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errorCode } from "../../../src/shared/errors.ts";
import { hash } from "../../../src/tasks/kinds/hash.ts";
import { runWhole } from "./run-whole.ts";

const sha = (...parts: Uint8Array[]): Uint8Array => {
  const hasher = createHash("sha256");
  for (const part of parts) hasher.update(part);
  return new Uint8Array(hasher.digest());
};

/** The same tree, level by level; a node without a partner moves up unchanged. */
function rootByLevels(file: Uint8Array): Uint8Array {
  if (file.byteLength === 0) return sha();
  let level: Uint8Array[] = [];
  for (let at = 0; at < file.byteLength; at += 65_536) level.push(sha(Uint8Array.of(0), file.subarray(at, at + 65_536)));
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = [level[at], level[at + 1]];
      if (left !== undefined) next.push(right === undefined ? left : sha(Uint8Array.of(1), left, right));
    }
    level = next;
  }
  return level[0] ?? sha();
}

describe("hash", () => {
  it("of items is SHA-256 of each, in order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 50 }), async (items) => {
        expect((await runWhole(hash, { items })).map((each) => [...each])).toEqual(items.map((item) => [...sha(item)]));
      }),
    );
  });

  it("of many items takes several parts", async () => {
    const items = Array.from({ length: 9000 }, (_, at) => Uint8Array.of(at & 255, at >> 8));
    expect(hash.split({ items }).length).toBe(3);
    const hashes = await runWhole(hash, { items });
    expect([...(hashes[8999] ?? [])]).toEqual([...sha(Uint8Array.of(8999 & 255, 8999 >> 8))]);
  });

  it.each([0, 1, 65_535, 65_536, 65_537, 524_288, 524_289, 1_300_000, 2_097_152, 3_000_001])(
    "of a file of %i bytes is the root of its tree",
    async (size) => {
      const file = Uint8Array.from({ length: size }, (_, at) => Math.imul(at, 2654435761) >>> 24);
      const [root] = await runWhole(hash, { file });
      expect([...(root ?? [])]).toEqual([...rootByLevels(file)]);
    },
  );

  it("refuses an item over the limit, and outputs that are not hashes", () => {
    const codeOf = (act: () => unknown): unknown => {
      try {
        return act();
      } catch (error) {
        return errorCode(error);
      }
    };
    expect(codeOf(() => hash.split({ items: [new Uint8Array(524_289)] }))).toBe("BAD_INPUT");
    expect(codeOf(() => hash.join({ items: [new Uint8Array(1)] }, [new Uint8Array(31)]))).toBe("BAD_INPUT");
    expect(codeOf(() => hash.join({ items: [new Uint8Array(1)] }, []))).toBe("BAD_INPUT");
    expect(codeOf(() => hash.join({ file: new Uint8Array(1) }, [new Uint8Array(64)]))).toBe("BAD_INPUT");
  });
});
