// The models that this tab has opened, each once: to lend spans of one and ask another at the same time.
import type { Directory } from "../../mesh/ports/directory.ts";
import type { TileExchange, TileShelf } from "../../mesh/ports/tile-exchange.ts";
import { abortable } from "../../shared/abort.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { ModelId, PeerId } from "../../shared/ids.ts";
import type { FolderHandle } from "../../model/tiles/folder-handle.ts";
import { DEFAULTS } from "./model-bytes.ts";
import { type OpenModel, openModel, type OpenModelDeps } from "./open-model.ts";
import type { OfferedModel } from "../../protocol/relay-api.ts";
import { SoloSpan } from "../spans/solo-span.ts";
import type { HeldSpans } from "../spans/held-spans.ts";
import type { StartSpan } from "../spans/span-host.ts";
import { SwarmPeers } from "./swarm-peers.ts";

export interface OpenModelsDeps extends OpenModelDeps {
  readonly self: PeerId;
  readonly relayOrigin: string;
  /** The operator's list. */
  readonly offers: readonly OfferedModel[];
  readonly directory: Directory;
  readonly desk: HeldSpans;
  readonly startSpan: StartSpan;
  readonly exchange: (shelf: TileShelf) => Promise<TileExchange>;
  /** Bytes of weights that this browser keeps. */
  readonly keepBytes: () => number;
  /** The folder that a person opened for a model. */
  readonly folderOf: (model: ModelId) => FolderHandle | undefined;
}

export interface DeskModel {
  readonly model: OpenModel;
  /** The whole of it in this tab, for its own prompts. */
  readonly solo: SoloSpan;
}

interface Opened extends DeskModel {
  readonly peers: SwarmPeers;
}

export class OpenModels {
  readonly #deps: OpenModelsDeps;
  readonly #opening = new Map<ModelId, Promise<Opened>>();
  readonly #solos = new Set<SoloSpan>();
  readonly #stopping = new AbortController();
  #exchange: Promise<TileExchange> | undefined;
  readonly #shelves = new Set<TileShelf>();
  /** Tiles of all models that are open here: they go by their hash, whichever model they belong to. */
  readonly shelf: TileShelf = {
    get: async (hash) => {
      for (const each of this.#shelves) {
        const bytes = await each.get(hash);
        if (bytes) return bytes;
      }
      return undefined;
    },
  };

  constructor(deps: OpenModelsDeps) {
    this.#deps = deps;
  }

  /** Throws MODEL_UNAVAILABLE, MODEL_CORRUPT, MODEL_UNSUPPORTED or the signal's reason; the next call tries again. */
  async open(id: ModelId | undefined, signal: AbortSignal): Promise<DeskModel> {
    const offer = this.#deps.offers.find((offered) => offered.id === id);
    if (!offer) throw new ManyhandsError("MODEL_UNAVAILABLE", "This relay serves no model. Its operator can add one with --models.");
    let opening = this.#opening.get(offer.id);
    if (!opening) {
      opening = this.#open(offer);
      this.#opening.set(offer.id, opening);
      opening.then(
        // Without a wish a model's own store decides: where storage is blocked it keeps far less.
        () => (this.#deps.keepBytes() === DEFAULTS.storeBytes ? undefined : this.keepBudget()),
        () => this.#opening.delete(offer.id), // told to whoever waits for it
      );
    }
    return abortable(opening, signal);
  }

  /** Reads the weights of a model that is open from `folder` from now on; one that is opened later asks by itself. */
  async mount(id: ModelId, folder: FolderHandle): Promise<void> {
    const opened = await this.#opening.get(id)?.catch(() => undefined); // told to whoever opened it
    await opened?.model.bytes.mount(folder);
  }

  /** Holds what is kept to the budget of now, which a person may have changed. */
  async keepBudget(): Promise<void> {
    const { keepBytes, log } = this.#deps;
    for (const entry of await Promise.allSettled(this.#opening.values())) {
      if (entry.status !== "fulfilled") continue;
      await entry.value.model.bytes.setBudget(keepBytes()).catch((error: unknown) => {
        log.warn("what is kept could not be held to its budget", { error: String(error) }); // storage went away: nothing is kept then
      });
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const settled = await Promise.allSettled(this.#opening.values());
    for (const entry of settled) if (entry.status === "fulfilled") await Promise.all([entry.value.peers.stop(), entry.value.solo.stop()]);
    const exchange = await this.#exchange?.catch(() => undefined); // it never ran
    await exchange?.stop();
  }

  async #open(offer: OfferedModel): Promise<Opened> {
    const { self, relayOrigin, directory, desk, startSpan, backend } = this.#deps;
    const opened = await openModel(this.#deps, relayOrigin, offer, this.#stopping.signal);
    const model: OpenModel = {
      ...opened,
      loadSpan: async (...args) => {
        await this.#freeIdle(); // room for what is loaded now
        return opened.loadSpan(...args);
      },
    };
    const peers = new SwarmPeers({
      self,
      model: model.id,
      directory,
      shelf: model.bytes.shelf,
      exchange: (shelf) => this.share(shelf),
    });
    model.bytes.usePeers(peers);
    const folder = this.#deps.folderOf(model.id);
    if (folder) await model.bytes.mount(folder);
    const solo = new SoloSpan({ self, model, desk, startSpan, backend, clock: this.#deps.clock });
    this.#solos.add(solo);
    return { model, peers, solo };
  }

  /** Frees models that were loaded for prompts which have been answered. */
  async #freeIdle(): Promise<void> {
    for (const solo of this.#solos) await solo.free();
  }

  /** One exchange for all models and whatever else has tiles. It stops with the desk. */
  async share(shelf: TileShelf): Promise<TileExchange> {
    this.#shelves.add(shelf);
    this.#exchange ??= this.#deps.exchange(this.shelf);
    const exchange = await this.#exchange;
    return {
      fetch: (...args) => exchange.fetch(...args),
      gained: (sha256) => exchange.gained(sha256),
      stop: () => {
        this.#shelves.delete(shelf);
        return Promise.resolve();
      },
    };
  }
}
