// Ranges from a real HTTP server: grouped, retried, and refused if a file ends too soon.
import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { coalesce, HttpTileSource } from "../../../../src/model/tiles/http-tile-source.ts";
import type { TileRange } from "../../../../src/model/tiles/tile-source.ts";
import { type ModelServer, startModelServer, testHttp } from "../model-server.ts";

const FILE = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 31 + (index >> 8)) & 255);
const range = (offset: number, length: number, file = "a.data"): TileRange => ({
  file,
  offset,
  length,
  sha256: new Uint8Array(
    createHash("sha256")
      .update(FILE.subarray(offset, offset + length))
      .digest(),
  ),
});
const never = new AbortController().signal;

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
beforeEach(() => {
  server.files.clear();
  server.files.set("a.data", FILE);
  server.files.set("b.data", FILE.toReversed());
  server.faults.length = 0;
  server.requests.length = 0;
  server.ranges = true;
});

async function read(ranges: readonly TileRange[], http = testHttp(), signal = never): Promise<Map<number, Uint8Array>> {
  const found = new Map<number, Uint8Array>();
  for await (const { index, bytes } of new HttpTileSource({ ...http, baseUrl: server.baseUrl }).read(ranges, signal)) {
    expect(found.has(index)).toBe(false);
    found.set(index, bytes.slice());
  }
  return found;
}

describe("coalesce", () => {
  test("joins ranges that are near; ranges that are far, large or in another file stay apart", () => {
    const groups = coalesce([range(0, 100), range(100, 50), range(150 + 4096, 10), range(9000, 10), range(9010, 10, "b.data")]);
    expect(groups.map(({ file, start, end, members }) => [file, start, end, members])).toEqual([
      ["a.data", 0, 4256, [0, 1, 2]],
      ["a.data", 9000, 9010, [3]],
      ["b.data", 9010, 9020, [4]],
    ]);
    expect(coalesce([range(0, 90), range(90, 90)], { gapBytes: 0, requestBytes: 100 })).toHaveLength(2);
  });

  test("puts every range into exactly one group that contains it", () => {
    const ranges = fc.array(
      fc.record({
        file: fc.constantFrom("a", "b"),
        offset: fc.nat(20_000),
        length: fc.integer({ min: 1, max: 3000 }),
        sha256: fc.constant(new Uint8Array(32)),
      }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(ranges, (list) => {
        const groups = coalesce(list, { gapBytes: 500, requestBytes: 5000 });
        expect(groups.flatMap((group) => group.members).toSorted((a, b) => a - b)).toEqual(list.map((_, index) => index));
        for (const { file, start, end, members } of groups) {
          expect(end - start).toBeLessThanOrEqual(5000);
          for (const index of members) {
            const entry = list[index];
            expect(entry?.file).toBe(file);
            expect(entry?.offset).toBeGreaterThanOrEqual(start);
            expect((entry?.offset ?? 0) + (entry?.length ?? 0)).toBeLessThanOrEqual(end);
          }
        }
      }),
    );
  });
});

describe("HttpTileSource", () => {
  const ranges = [range(10, 20), range(100_000, 3000), range(30, 5), range(103_000, 1), range(299_999, 1)];
  const isRight = (found: ReadonlyMap<number, Uint8Array>): void => {
    expect(found.size).toBe(ranges.length);
    for (const [index, { offset, length }] of ranges.entries()) expect(found.get(index)).toEqual(FILE.subarray(offset, offset + length));
  };

  test("reads each range once, neighbours together", async () => {
    isRight(await read(ranges));
    expect(server.requests.map((request) => request.range)).toEqual(["bytes=10-34", "bytes=100000-103000", "bytes=299999-299999"]);
  });

  test("understands a server that ignores ranges, and asks it once", async () => {
    server.ranges = false;
    isRight(await read(ranges));
    expect(server.requests).toHaveLength(1);
  });

  test("tries again after a broken connection and a busy server, pausing longer each time", async () => {
    server.faults.push(0, 503, 429);
    const http = testHttp();
    isRight(await read(ranges, http));
    expect(http.pauses).toEqual([500, 1000, 2000]);
  });

  test("waits as long as a busy server asks, but not for ever", async () => {
    server.faults.push(429);
    server.retryAfter = "3";
    const http = testHttp();
    isRight(await read(ranges, http));
    expect(http.pauses).toEqual([3000]);
    server.faults.push(429);
    server.retryAfter = "7200";
    await expect(read(ranges)).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE", message: expect.stringContaining("120 minutes") });
    server.retryAfter = undefined;
  });

  test.each([
    ["RepoNotFound", /no such model, or it is private; check the model's id/],
    ["RevisionNotFound", /not this revision/],
    ["EntryNotFound", /not this file/],
  ])("explains %s in words that help", async (code, said) => {
    server.faults.push(404);
    server.errorCode = code;
    await expect(read(ranges)).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE", message: expect.stringMatching(said) });
    server.errorCode = undefined;
  });

  test("a body that breaks off is asked for again from the first byte that is missing", async () => {
    server.breakAfter.push(150);
    const wide = [range(0, 100), range(100, 100), range(200, 100)];
    const found = await read(wide);
    expect(found.size).toBe(3);
    expect(server.requests.map((request) => request.range)).toEqual(["bytes=0-299", "bytes=100-299"]);
  });

  test("a path stays in its folder, whatever characters it has", async () => {
    server.files.set("a%20b.data", FILE);
    await read([range(0, 10, "a b.data")]);
    expect(server.requests.at(-1)?.path).toBe("a%20b.data");
  });

  test("gives up after five tries", async () => {
    server.faults.push(...Array.from({ length: 20 }, () => 503));
    await expect(read(ranges)).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE" });
    expect(server.requests).toHaveLength(5);
  });

  test("does not try again if the server says no", async () => {
    await expect(read([range(0, 1, "missing.data")])).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE" });
    expect(server.requests).toHaveLength(1);
  });

  test.each([
    ["in the middle of a range", 100_500, true],
    ["before a range", 50_000, true],
    ["in the middle, on a server without ranges", 100_500, false],
  ])("rejects a file that ends %s as corrupt", async (_, length, ranged) => {
    server.files.set("a.data", FILE.subarray(0, length));
    server.ranges = ranged;
    await expect(read(ranges)).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
  });

  test("stops with the signal's reason", async () => {
    const reason = new Error("stopped");
    const stop = new AbortController();
    const reading = (async () => {
      for await (const _ of new HttpTileSource({ ...testHttp(), baseUrl: server.baseUrl }).read(ranges, stop.signal)) stop.abort(reason);
    })();
    await expect(reading).rejects.toBe(reason);
  });

  test("can be read again after a reader has left early", async () => {
    for await (const _ of new HttpTileSource({ ...testHttp(), baseUrl: server.baseUrl }).read(ranges, never)) break;
    isRight(await read(ranges));
  });
});
