// Tiles of tasks between tabs: found at the requester of the task, else at other volunteers; a wrong tile is refused.
import { beforeEach, describe, expect, it } from "vitest";
import type { TileExchange, TileShelf } from "../../../src/mesh/ports/tile-exchange.ts";
import { MemoryTileStore } from "../../../src/model/tiles/memory-tile-store.ts";
import { TASK_TILE_LIMITS, TaskTiles } from "../../../src/node/tasks/task-tiles.ts";
import { TASK_LIMITS } from "../../../src/protocol/task-frames.ts";
import { toHex } from "../../../src/shared/bytes.ts";
import { errorCode, ManyhandsError } from "../../../src/shared/errors.ts";
import { asPeerId, type PeerId } from "../../../src/shared/ids.ts";
import { announcementOf } from "../../contract/directory-contract.ts";

const { signal } = new AbortController();
const shelves = new Map<PeerId, TileShelf>();
/** How many tiles each peer was asked for. */
const asked = new Map<PeerId, number>();
beforeEach(() => {
  shelves.clear();
  asked.clear();
});

/** Takes tiles from the shelf of the other peer, unchecked: a peer may send anything. */
const exchange: TileExchange = {
  fetch: async (peer, hash) => {
    asked.set(peer, (asked.get(peer) ?? 0) + 1);
    const shelf = shelves.get(peer);
    if (shelf === undefined) throw new ManyhandsError("PEER_UNREACHABLE", "no peer of that name");
    return shelf.get(toHex(hash));
  },
  gained: () => {},
  stop: () => Promise.resolve(),
};

function tab(name: string, volunteers: readonly string[] = [], models: TileShelf = { get: () => Promise.resolve(undefined) }): TaskTiles {
  const self = asPeerId(name);
  const peers = volunteers.map((peer, joined) => ({ ...announcementOf(0, 1), peer: asPeerId(peer), joined, tasks: true }));
  return new TaskTiles({
    self,
    directory: { swarm: { revision: 1, peers } },
    models,
    store: new MemoryTileStore({ budgetBytes: 8 * TASK_LIMITS.inlineBytes }),
    share: (shelf) => {
      shelves.set(self, shelf);
      return Promise.resolve(exchange);
    },
    random: () => 0.5,
  });
}

const bytes = Uint8Array.from({ length: TASK_LIMITS.inlineBytes + 10 }, (_, at) => at * 7);
const fetchAll = async (from: TaskTiles, tiles: Awaited<ReturnType<TaskTiles["keep"]>>, requester?: PeerId) =>
  Promise.all(tiles.map(({ hash, sizeBytes }) => from.fetch(hash, sizeBytes, { signal, ...(requester && { requester }) })));

describe("tiles of a task", () => {
  it("are those of the bytes, in order, and are fetched from the requester", async () => {
    const requester = tab("requester");
    const tiles = await requester.keep(bytes);
    expect(tiles.map(({ sizeBytes }) => sizeBytes)).toEqual([TASK_LIMITS.inlineBytes, 10]);
    const fetched = await fetchAll(tab("volunteer"), tiles, asPeerId("requester"));
    expect(fetched).toEqual([bytes.slice(0, TASK_LIMITS.inlineBytes), bytes.slice(TASK_LIMITS.inlineBytes)]);
  });

  it("are kept and served: the second volunteer finds them at the first when the requester is gone", async () => {
    const tiles = await tab("requester").keep(bytes.slice(0, 100));
    const first = tab("first");
    await fetchAll(first, tiles, asPeerId("requester"));
    shelves.delete(asPeerId("requester"));
    await fetchAll(first, tiles, asPeerId("requester"));
    expect(asked.get(asPeerId("requester"))).toBe(1); // a tile that is here is not fetched again
    expect(await fetchAll(tab("second", ["first"]), tiles, asPeerId("requester"))).toEqual([bytes.slice(0, 100)]);
  });

  it("are refused from a peer that sends something else, and not every peer is asked", async () => {
    const tiles = await tab("requester").keep(bytes.slice(0, 100));
    shelves.set(asPeerId("requester"), { get: () => Promise.resolve(bytes.slice(1, 101)) });
    const many = Array.from({ length: 50 }, (_, at) => `volunteer-${at}`);
    expect(await fetchAll(tab("volunteer", many), tiles, asPeerId("requester"))).toEqual([undefined]);
    expect(asked.size).toBe(1 + TASK_TILE_LIMITS.others);
  });

  it("may be those of a model that is open here", async () => {
    const tiles = await tab("requester").keep(bytes.slice(0, 100));
    const models: TileShelf = { get: (hash) => Promise.resolve(hash === toHex(tiles[0]?.hash ?? bytes) ? bytes.slice(0, 100) : undefined) };
    expect(await fetchAll(tab("volunteer", [], models), tiles)).toEqual([bytes.slice(0, 100)]);
    expect(asked.size).toBe(0);
  });

  it("are at least one, and not too many", async () => {
    expect(await tab("requester").keep(new Uint8Array()).catch(errorCode)).toBe("BAD_INPUT");
    const huge = { byteLength: TASK_LIMITS.tiles * TASK_LIMITS.inlineBytes + 1 } as Uint8Array; // a GiB is not made for this
    expect(await tab("requester").keep(huge).catch(errorCode)).toBe("BAD_INPUT");
  });
});
