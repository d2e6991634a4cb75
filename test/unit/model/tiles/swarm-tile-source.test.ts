// Reading from peers and origins at once: every tile is checked, liars are dropped and
// remembered, and origins are asked for nothing that peers have.
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { SwarmTileSource } from "../../../../src/model/tiles/swarm-tile-source.ts";
import type { TileOrigin, TileRange, TileRead } from "../../../../src/model/tiles/tile-source.ts";
import type { TileHolder, TilePeers } from "../../../../src/model/tiles/tile-peers.ts";
import { TileTally } from "../../../../src/model/tiles/tile-tally.ts";
import { toHex } from "../../../../src/shared/bytes.ts";
import { ManyhandsError } from "../../../../src/shared/errors.ts";
import { asPeerId, type PeerId } from "../../../../src/shared/ids.ts";
import { systemClock } from "../../../../src/shared/clock.ts";
import { silentLog } from "../../../../src/shared/log.ts";

const LENGTH = 1000;
const COUNT = 40;
const bytesOf = (index: number): Uint8Array<ArrayBuffer> => new Uint8Array(LENGTH).fill(index + 1);
const hashOf = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(createHash("sha256").update(bytes).digest());
const ranges: TileRange[] = Array.from({ length: COUNT }, (_, index) => ({
  file: "a.data",
  offset: index * LENGTH,
  length: LENGTH,
  sha256: hashOf(bytesOf(index)),
  layers: [index % 4],
}));
const byHash = new Map(ranges.map((range, index) => [toHex(range.sha256), index]));
const wrong = (index: number): Uint8Array<ArrayBuffer> => bytesOf(index).fill(0, 5, 6);
const never = new AbortController().signal;
const everything = [{ start: 0, end: 4 }];

class TestPeers implements TilePeers {
  readonly self = asPeerId("self");
  readonly asked: { peer: PeerId; index: number }[] = [];
  readonly #holders: readonly TileHolder[];
  readonly #reply: (peer: PeerId, index: number, wait: boolean, signal: AbortSignal) => Promise<Uint8Array<ArrayBuffer> | undefined>;
  constructor(
    holders: readonly TileHolder[],
    reply: (peer: PeerId, index: number, wait: boolean, signal: AbortSignal) => Promise<Uint8Array<ArrayBuffer> | undefined>,
  ) {
    this.#holders = holders;
    this.#reply = reply;
  }
  holders = (): readonly TileHolder[] => this.#holders;
  fetch(peer: PeerId, sha256: Uint8Array<ArrayBuffer>, wait: boolean, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const index = byHash.get(toHex(sha256)) ?? -1;
    this.asked.push({ peer, index });
    return this.#reply(peer, index, wait, signal);
  }
  gained(): void {}
}

function origin(
  name: string,
  contentOf: (index: number) => Uint8Array<ArrayBuffer> | Error = bytesOf,
): TileOrigin & { readonly served: number[] } {
  const served: number[] = [];
  return {
    name,
    served,
    source: {
      async *read(asked): AsyncGenerator<TileRead> {
        for (const [place, range] of asked.entries()) {
          const index = byHash.get(toHex(range.sha256)) ?? -1;
          const bytes = contentOf(index);
          if (bytes instanceof Error) throw bytes;
          served.push(index);
          yield { index: place, bytes };
        }
      },
    },
  };
}

const holder = (name: string, more: Partial<TileHolder> = {}): TileHolder => ({
  peer: asPeerId(name),
  holds: [],
  mayHold: [],
  fetching: undefined,
  ...more,
});

async function readAll(source: SwarmTileSource, signal = never): Promise<number[]> {
  const got: number[] = [];
  for await (const { index, bytes, checked } of source.read(ranges, signal)) {
    expect(checked).toBe(true);
    expect(bytes).toEqual(bytesOf(index));
    got.push(index);
  }
  return got.toSorted((a, b) => a - b);
}

const all = [...ranges.keys()];

describe("SwarmTileSource", () => {
  test("without peers reads the origin from its start to its end, each tile once and checked", async () => {
    const hub = origin("hub");
    const tally = new TileTally();
    expect(await readAll(new SwarmTileSource({ origins: [hub], peers: undefined, tally, clock: systemClock, log: silentLog }))).toEqual(
      all,
    );
    expect(hub.served).toEqual(all);
    expect(tally.counts).toMatchObject({ checked: COUNT, used: COUNT, refused: 0, fromOriginBytes: COUNT * LENGTH });
  });

  test("asks once for tiles of the same bytes, and gives each place its own", async () => {
    const twins = [...ranges, ...ranges.slice(0, 8).map((range, index) => ({ ...range, offset: (COUNT + index) * LENGTH, layers: [7] }))];
    const peers = new TestPeers([holder("ann", { holds: [{ start: 7, end: 8 }] })], async (_, index) => bytesOf(index));
    const source = new SwarmTileSource({ origins: [origin("hub")], peers, tally: new TileTally(), clock: systemClock, log: silentLog });
    const got: TileRead[] = [];
    for await (const tile of source.read(twins, never)) {
      expect(tile.bytes).toEqual(bytesOf(tile.index % COUNT));
      expect(tile.checked).toBe(true);
      got.push({ ...tile, bytes: tile.bytes.slice() });
      tile.bytes.fill(0); // as a reader that frees it
    }
    expect(got.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([...twins.keys()]);
    // The peer ann has only the tiles of layer 7.
    expect(peers.asked.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("leaves the origin alone if peers have everything, and asks several of them", async () => {
    const hub = origin("hub");
    const peers = new TestPeers([holder("ann", { holds: everything }), holder("ben", { holds: everything })], async (_, index) =>
      bytesOf(index),
    );
    expect(
      await readAll(new SwarmTileSource({ origins: [hub], peers, tally: new TileTally(), clock: systemClock, log: silentLog })),
    ).toEqual(all);
    expect(hub.served).toEqual([]);
    expect(peers.asked).toHaveLength(COUNT);
    expect(new Set(peers.asked.map(({ peer }) => peer)).size).toBe(2);
  });

  test("drops a peer whose tiles have the right length but not the right hash, counts the tiles, and does not ask it in the next read", async () => {
    const hub = origin("hub");
    const tally = new TileTally();
    const peers = new TestPeers([holder("liar", { holds: everything })], async (_, index) => wrong(index));
    const source = new SwarmTileSource({ origins: [hub], peers, tally, clock: systemClock, log: silentLog });
    expect(await readAll(source)).toEqual(all);
    const lies = peers.asked.length;
    expect(lies).toBeLessThanOrEqual(4); // what was under way when the first lie was found
    expect(tally.counts.refused).toBe(lies);
    await readAll(source);
    expect(peers.asked).toHaveLength(lies);
  });

  test("leaves an origin that sends a wrong tile for another, and rejects if there is no other", async () => {
    const bad = origin("bad", (index) => (index === 7 ? wrong(index) : bytesOf(index)));
    const good = origin("good");
    const tally = new TileTally();
    expect(
      await readAll(new SwarmTileSource({ origins: [bad, good], peers: undefined, tally, clock: systemClock, log: silentLog })),
    ).toEqual(all);
    expect(tally.counts.refused).toBe(1);
    const alone = new SwarmTileSource({ origins: [origin("bad", wrong)], peers: undefined, tally, clock: systemClock, log: silentLog });
    await expect(readAll(alone)).rejects.toMatchObject({
      code: "MODEL_CORRUPT",
      message: expect.stringMatching(/the bytes from bad do not match/),
    });
  });

  test("does without an origin that is away, or ends in the middle of a read, if a peer has the rest", async () => {
    const gone = origin("gone", (index) =>
      index >= 10 ? new ManyhandsError("MODEL_UNAVAILABLE", "removed in the middle") : bytesOf(index),
    );
    const peers = new TestPeers([holder("ann", { holds: [{ start: 0, end: 4 }] })], async (_, index) =>
      index < 10 ? undefined : bytesOf(index),
    );
    expect(
      await readAll(new SwarmTileSource({ origins: [gone], peers, tally: new TileTally(), clock: systemClock, log: silentLog })),
    ).toEqual(all);
    const alone = new SwarmTileSource({ origins: [gone], peers: undefined, tally: new TileTally(), clock: systemClock, log: silentLog });
    await expect(readAll(alone)).rejects.toMatchObject({ code: "MODEL_UNAVAILABLE", message: "removed in the middle" });
  });

  test("loses a few requests and no tile to peers that cannot be reached or say no", async () => {
    const hub = origin("hub");
    const peers = new TestPeers([holder("away", { holds: everything }), holder("empty", { mayHold: everything })], async (peer) => {
      if (peer === "away") throw new ManyhandsError("PEER_UNREACHABLE", "away");
      return undefined;
    });
    expect(
      await readAll(new SwarmTileSource({ origins: [hub], peers, tally: new TileTally(), clock: systemClock, log: silentLog })),
    ).toEqual(all);
    expect(peers.asked.filter(({ peer }) => peer === "away").length).toBeLessThanOrEqual(4);
  });

  test("of two peers that need the same tiles, each fetches its part from the origin and gets the rest from the other", async () => {
    const hubs = [origin("hub"), origin("hub")];
    const shelves = [new Map<number, Uint8Array<ArrayBuffer>>(), new Map<number, Uint8Array<ArrayBuffer>>()];
    const waiting: { at: number; index: number; give: (bytes: Uint8Array<ArrayBuffer>) => void }[] = [];
    const big = ranges.map((range, index) => ({ ...range, offset: index * 4 * 1024 * 1024 })); // a share of its own for each
    const run = async (at: number): Promise<number> => {
      const other = at === 0 ? "one" : "zero";
      const peers: TilePeers = {
        self: asPeerId(at === 0 ? "zero" : "one"),
        holders: () => holders,
        fetch: (_, sha256, wait) => {
          const index = byHash.get(toHex(sha256)) ?? -1;
          const there = shelves[1 - at]?.get(index);
          if (there || !wait) return Promise.resolve(there);
          return new Promise((give) => waiting.push({ at: 1 - at, index, give }));
        },
        gained: () => {},
      };
      const holders = [holder(other, { fetching: { start: 0, end: 4 } })];
      let count = 0;
      for await (const { index, bytes } of new SwarmTileSource({
        origins: [hubs[at] as TileOrigin],
        peers,
        tally: new TileTally(),
        clock: systemClock,
        log: silentLog,
      }).read(big, never)) {
        shelves[at]?.set(index, bytes);
        for (const wait of waiting) if (wait.at === at && wait.index === index) wait.give(bytes.slice());
        count++;
      }
      return count;
    };
    expect(await Promise.all([run(0), run(1)])).toEqual([COUNT, COUNT]);
    expect([...(hubs[0]?.served ?? []), ...(hubs[1]?.served ?? [])].toSorted((a, b) => a - b)).toEqual(all);
  });

  test("stops with the signal's reason", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const peers = new TestPeers(
      [holder("slow", { holds: everything })],
      (_, __, ___, signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
    );
    const reading = readAll(
      new SwarmTileSource({ origins: [], peers, tally: new TileTally(), clock: systemClock, log: silentLog }),
      stop.signal,
    );
    stop.abort(reason);
    await expect(reading).rejects.toBe(reason);
  });
});
