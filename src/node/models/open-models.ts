// The models that this tab has opened, each once: to lend spans of one and ask another at the same time.
import type { Directory } from "../../mesh/ports/directory.ts";
import type { TileExchange, TileShelf } from "../../mesh/ports/tile-exchange.ts";
import { abortable } from "../../shared/abort.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import type { ModelId, PeerId } from "../../shared/ids.ts";
import type { FolderHandle } from "../../model/tiles/folder-handle.ts";
import { type OpenModel, openModel, type OpenModelOptions } from "./open-model.ts";
import type { OfferedModel } from "../../protocol/relay-api.ts";
import { DEFAULT_KEEP_BYTES } from "../state.ts";
import { SoloSpan } from "../spans/solo-span.ts";
import type { HeldSpans } from "../spans/held-spans.ts";
import type { StartSpan } from "../spans/span-host.ts";
import { SwarmPeers } from "./swarm-peers.ts";

export interface OpenModelsOptions extends OpenModelOptions {
  readonly self: PeerId;
  readonly relayOrigin: string;
  /** The operator's list. */
  readonly offers: readonly OfferedModel[];
  readonly directory: Directory;
  readonly heldSpans: HeldSpans;
  readonly startSpan: StartSpan;
  readonly exchange: (shelf: TileShelf) => Promise<TileExchange>;
  /** Bytes of weights that this browser keeps. */
  readonly keepBytes: () => number;
  /** The folder that a person opened for a model. */
  readonly folderOf: (model: ModelId) => FolderHandle | undefined;
}

/** A model that is open in this tab. */
export interface ModelHere {
  readonly model: OpenModel;
  /** Loads all of it into this tab, for the tab's own prompts. */
  readonly solo: SoloSpan;
}

interface Opened extends ModelHere {
  readonly peers: SwarmPeers;
}

export class OpenModels {
  readonly #options: OpenModelsOptions;
  readonly #opening = new Map<ModelId, Promise<Opened>>();
  readonly #solos = new Set<SoloSpan>();
  readonly #stopping = new AbortController();
  #exchange: Promise<TileExchange> | undefined;
  readonly #shelves = new Set<TileShelf>();
  /** Tiles of all that is shared here: a tile is found by its hash, whichever model it belongs to. */
  readonly shelf: TileShelf = {
    get: async (hash) => {
      for (const each of this.#shelves) {
        const bytes = await each.get(hash);
        if (bytes) return bytes;
      }
      return undefined;
    },
  };

  constructor(options: OpenModelsOptions) {
    this.#options = options;
  }

  /** Throws MODEL_UNAVAILABLE, MODEL_CORRUPT, MODEL_UNSUPPORTED or the signal's reason; the next call tries again. */
  async open(id: ModelId | undefined, signal: AbortSignal): Promise<ModelHere> {
    const offer = this.#options.offers.find((offered) => offered.id === id);
    if (!offer) throw new ManyhandsError("MODEL_UNAVAILABLE", "This relay serves no model. Its operator can add one with --models.");
    let opening = this.#opening.get(offer.id);
    if (!opening) {
      opening = this.#open(offer);
      this.#opening.set(offer.id, opening);
      opening.then(
        // Without a wish the store's own budget holds: if storage is blocked, it is far smaller.
        () => (this.#options.keepBytes() === DEFAULT_KEEP_BYTES ? undefined : this.keepBudget()),
        () => this.#opening.delete(offer.id), // the caller gets the failure
      );
    }
    return abortable(opening, signal);
  }

  /** From now on an open model reads its weights from `folder` first. A model opened later asks for its folder. */
  async mount(id: ModelId, folder: FolderHandle): Promise<void> {
    const opened = await this.#opening.get(id)?.catch(() => undefined); // `open` has thrown it
    await opened?.model.bytes.mount(folder);
  }

  /** Applies the budget for kept weights, which the person may have changed. */
  async keepBudget(): Promise<void> {
    const { keepBytes, log } = this.#options;
    for (const entry of await Promise.allSettled(this.#opening.values())) {
      if (entry.status !== "fulfilled") continue;
      await entry.value.model.bytes.setBudget(keepBytes()).catch((error: unknown) => {
        log.warn("the budget for kept weights could not be applied", { error: String(error) }); // storage is gone, so nothing is kept
      });
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    const settled = await Promise.allSettled(this.#opening.values());
    for (const entry of settled) if (entry.status === "fulfilled") await Promise.all([entry.value.peers.stop(), entry.value.solo.stop()]);
    const exchange = await this.#exchange?.catch(() => undefined); // it never started
    await exchange?.stop();
  }

  async #open(offer: OfferedModel): Promise<Opened> {
    const { self, relayOrigin, directory, heldSpans, startSpan, backend, clock } = this.#options;
    const opened = await openModel(this.#options, relayOrigin, offer, this.#stopping.signal);
    const model: OpenModel = {
      ...opened,
      loadSpan: async (...args) => {
        await this.#freeSolos(); // to make room
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
    const folder = this.#options.folderOf(model.id);
    if (folder) await model.bytes.mount(folder);
    const solo = new SoloSpan({ self, model, heldSpans, startSpan, backend, clock });
    this.#solos.add(solo);
    return { model, peers, solo };
  }

  /** Frees models that were loaded for prompts, unless an answer still runs. */
  async #freeSolos(): Promise<void> {
    for (const solo of this.#solos) await solo.free();
  }

  /** Gives away the tiles of `shelf` too. All shelves share one exchange, which stops when this object does. */
  async share(shelf: TileShelf): Promise<TileExchange> {
    this.#shelves.add(shelf);
    this.#exchange ??= this.#options.exchange(this.shelf);
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
