// Tiles of tasks in this tab: those that its own jobs name, and those that it fetched for tasks of others.
import { sha256 } from "@noble/hashes/sha2.js";
import type { Directory } from "../../mesh/ports/directory.ts";
import type { TileExchange, TileShelf } from "../../mesh/ports/tile-exchange.ts";
import { IdbTileStore } from "../../model/tiles/idb-tile-store.browser.ts";
import { MemoryTileStore } from "../../model/tiles/memory-tile-store.ts";
import type { TileStore } from "../../model/tiles/tile-store.ts";
import { TASK_LIMITS } from "../../protocol/task-frames.ts";
import { bytesEqual, toHex } from "../../shared/bytes.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { PeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import type { ModelTiles } from "../../tasks/kinds/ml-inference.ts";
import type { FetchTile } from "../../tasks/volunteer/local-runner.ts";
import { orInMemory } from "../platform/or-in-memory.ts";

export const TASK_TILE_LIMITS = Object.freeze({
  /** Bytes of this tab's own tiles that are kept between visits. The tiles used longest ago are dropped first. */
  ownBytes: 1024 * 1024 * 1024,
  /** Bytes of fetched tiles that are kept for the next part of the same job, and for other volunteers. */
  keptBytes: 256 * 1024 * 1024,
  /** Peers that are asked for a tile if its requester does not give it: other volunteers, which may have fetched it. */
  others: 3,
});

export interface TaskTilesOptions {
  readonly self: PeerId;
  readonly directory: Pick<Directory, "swarm">;
  /** Has the tiles of models that are open here. */
  readonly models: TileShelf;
  /** Keeps this tab's own tiles. */
  readonly store: TileStore;
  /** Starts to serve the tiles on `shelf`, and to fetch. */
  readonly share: (shelf: TileShelf) => Promise<TileExchange>;
  /** In [0, 1): draws the volunteers that are asked. */
  readonly random: () => number;
}

export class TaskTiles {
  readonly #options: TaskTilesOptions;
  readonly #fetched = new MemoryTileStore({ budgetBytes: TASK_TILE_LIMITS.keptBytes });
  #exchange: Promise<TileExchange> | undefined;

  constructor(options: TaskTilesOptions) {
    this.#options = options;
  }

  /**
   * Keeps bytes as tiles that this tab's jobs can name, and serves them to other peers. Throws BAD_INPUT if there are
   * none, or too many.
   */
  async keep(bytes: Uint8Array): Promise<ModelTiles> {
    if (bytes.byteLength === 0 || bytes.byteLength > TASK_LIMITS.tiles * TASK_LIMITS.inlineBytes)
      throw new ManyhandsError("BAD_INPUT", `A model has at most ${TASK_LIMITS.tiles} MiB, and something in it.`);
    const named: ModelTiles[number][] = [];
    for (let at = 0; at < bytes.byteLength; at += TASK_LIMITS.inlineBytes) {
      const tile = Uint8Array.from(bytes.subarray(at, at + TASK_LIMITS.inlineBytes));
      const hash = sha256(tile) as Uint8Array<ArrayBuffer>; // noble allocates plain buffers
      await this.#options.store.put(toHex(hash), tile);
      named.push({ hash, sizeBytes: tile.byteLength });
    }
    await this.serve();
    return named;
  }

  /** Serves this tab's tiles to other peers: for jobs that name them. */
  async serve(): Promise<void> {
    await this.#start();
  }

  /**
   * Finds a tile in this tab, else at the requester of the task, else at other volunteers. It is checked against its
   * hash.
   */
  readonly fetch: FetchTile = async (hash, sizeBytes, { signal, requester }) => {
    const name = toHex(hash);
    const here = (await this.#get(name)) ?? (await this.#options.models.get(name));
    if (here !== undefined && isTile(here, hash, sizeBytes)) return here;
    const exchange = await this.#start();
    const wanted = hash.slice();
    for (const peer of this.#holders(requester)) {
      signal.throwIfAborted();
      const bytes = await exchange.fetch(peer, wanted, false, signal).catch(() => undefined); // it is away, or sent something else: the next peer may have the tile
      if (bytes === undefined || !isTile(bytes, hash, sizeBytes)) continue;
      await this.#fetched.put(name, bytes);
      return bytes;
    }
    return undefined;
  };

  #start(): Promise<TileExchange> {
    this.#exchange ??= this.#options.share({ get: (hash) => this.#get(hash) }).catch((error: unknown) => {
      this.#exchange = undefined; // the next call tries again
      throw error;
    });
    return this.#exchange;
  }

  async #get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return (await this.#options.store.get(hash)) ?? this.#fetched.get(hash);
  }

  #holders(requester: PeerId | undefined): readonly PeerId[] {
    const { self, directory, random } = this.#options;
    const others = directory.swarm.peers
      .filter(({ peer, tasks }) => tasks === true && peer !== self && peer !== requester)
      .map(({ peer }) => ({ peer, at: random() }))
      .toSorted((a, b) => a.at - b.at)
      .slice(0, TASK_TILE_LIMITS.others)
      .map(({ peer }) => peer);
    return requester === undefined || requester === self ? others : [requester, ...others];
  }
}

/** Opens a store in this browser; in memory if its storage is blocked. */
export async function openTaskTileStore(log: Log): Promise<TileStore> {
  const options = { name: "manyhands-task-tiles", budgetBytes: TASK_TILE_LIMITS.ownBytes, now: Date.now };
  return orInMemory<TileStore>(IdbTileStore.open(options), () => new MemoryTileStore(options), "tiles of tasks", log);
}

const isTile = (bytes: Uint8Array, hash: Uint8Array, sizeBytes: number): boolean =>
  bytes.byteLength === sizeBytes && bytesEqual(sha256(bytes), hash);
