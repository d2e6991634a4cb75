// Tiles of tasks in this tab: what it asks others to work on, and what it fetched to work on for them.
import { sha256 } from "@noble/hashes/sha2.js";
import type { Directory } from "../mesh/directory.ts";
import type { TileExchange, TileShelf } from "../mesh/tile-exchange.ts";
import { MemoryTileStore } from "../model/memory-tile-store.ts";
import { bytesEqual, toHex } from "../shared/bytes.ts";
import type { PeerId } from "../shared/ids.ts";
import type { FetchTile } from "../tasks/local-runner.ts";

export const DEFAULTS = Object.freeze({
  /** Bytes of fetched tiles that are kept for the next part of the same work, and for others who compute it. */
  keptBytes: 256 * 1024 * 1024,
  /** Peers that are asked for a tile which its requester does not give: others who take tasks, and may have fetched it. */
  others: 3,
});

export interface TaskTilesDeps {
  readonly self: PeerId;
  readonly directory: Pick<Directory, "swarm">;
  /** Tiles of models that are open here. */
  readonly models: TileShelf;
  /** Starts to give away what is on `shelf`, and to fetch. */
  readonly share: (shelf: TileShelf) => Promise<TileExchange>;
  /** In [0, 1): who of many is asked. */
  readonly random: () => number;
}

export class TaskTiles {
  readonly #deps: TaskTilesDeps;
  readonly #fetched = new MemoryTileStore({ budgetBytes: DEFAULTS.keptBytes });
  readonly #offered = new Set<TileShelf>();
  #exchange: Promise<TileExchange> | undefined;

  constructor(deps: TaskTilesDeps) {
    this.#deps = deps;
  }

  /** Gives away the tiles of `shelf` from now on, for tasks that name them. Answers the function that stops it. */
  async offer(shelf: TileShelf): Promise<() => void> {
    this.#offered.add(shelf);
    await this.#start();
    return () => this.#offered.delete(shelf);
  }

  /** From this tab, else from whoever lent the task, else from others who take tasks; checked against its hash. */
  readonly fetch: FetchTile = async (hash, sizeBytes, { signal, requester }) => {
    const name = toHex(hash);
    const here = (await this.#get(name)) ?? (await this.#deps.models.get(name));
    if (here !== undefined && isTile(here, hash, sizeBytes)) return here;
    const exchange = await this.#start();
    const wanted = hash.slice();
    for (const peer of this.#holders(requester)) {
      signal.throwIfAborted();
      const bytes = await exchange.fetch(peer, wanted, false, signal).catch(() => undefined); // away, or it sent something else: the next may have it
      if (bytes === undefined || !isTile(bytes, hash, sizeBytes)) continue;
      await this.#fetched.put(name, bytes);
      return bytes;
    }
    return undefined;
  };

  #start(): Promise<TileExchange> {
    this.#exchange ??= this.#deps.share({ get: (hash) => this.#get(hash) }).catch((error: unknown) => {
      this.#exchange = undefined; // the next call tries again
      throw error;
    });
    return this.#exchange;
  }

  async #get(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    for (const shelf of this.#offered) {
      const bytes = await shelf.get(hash);
      if (bytes !== undefined) return bytes;
    }
    return this.#fetched.get(hash);
  }

  #holders(requester: PeerId | undefined): readonly PeerId[] {
    const { self, directory, random } = this.#deps;
    const others = directory.swarm.peers
      .filter(({ peer, tasks }) => tasks === true && peer !== self && peer !== requester)
      .map(({ peer }) => ({ peer, at: random() }))
      .toSorted((a, b) => a.at - b.at)
      .slice(0, DEFAULTS.others)
      .map(({ peer }) => peer);
    return requester === undefined || requester === self ? others : [requester, ...others];
  }
}

const isTile = (bytes: Uint8Array, hash: Uint8Array, sizeBytes: number): boolean =>
  bytes.byteLength === sizeBytes && bytesEqual(sha256(bytes), hash);
