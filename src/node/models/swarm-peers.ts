// The peers of a model as sources of its tiles: which layers each one holds, and the exchange that asks them.
import type { Directory } from "../../mesh/ports/directory.ts";
import type { TileExchange, TileShelf } from "../../mesh/ports/tile-exchange.ts";
import type { TileHolder, TilePeers } from "../../model/tiles/tile-peers.ts";
import { isCovered } from "../../route/coverage.ts";
import { abortable } from "../../shared/abort.ts";
import { ManyhandsError } from "../../shared/errors.ts";
import { type ModelId, type PeerId, sameSpan, type Span } from "../../shared/ids.ts";

const DEFAULTS = Object.freeze({
  /** Spans that are remembered of each peer: those that it held, or meant to hold, before. */
  formerSpans: 4,
});

export interface SwarmPeersOptions {
  readonly self: PeerId;
  readonly model: ModelId;
  readonly directory: Directory;
  /** Tiles that this tab has. Other peers get them only while this tab lends. */
  readonly shelf: TileShelf;
  readonly exchange: (shelf: TileShelf) => Promise<TileExchange>;
}

export class SwarmPeers implements TilePeers {
  readonly self: PeerId;
  readonly #options: SwarmPeersOptions;
  readonly #former = new Map<PeerId, readonly Span[]>();
  #holders: readonly TileHolder[] = [];
  #exchange: Promise<TileExchange> | undefined;
  #running: TileExchange | undefined;
  readonly #stopWatching: () => void;

  constructor(options: SwarmPeersOptions) {
    this.#options = options;
    this.self = options.self;
    this.#stopWatching = options.directory.on("swarm:changed", () => this.#readDirectory());
    this.#readDirectory();
  }

  /** Loads and starts the exchange; nothing is fetched or given away before. Idempotent. */
  async start(signal: AbortSignal): Promise<void> {
    const { exchange, shelf, directory } = this.#options;
    const lends = (): boolean => directory.swarm.peers.some(({ peer }) => peer === this.self);
    this.#exchange ??= exchange({ get: async (hash) => (lends() ? shelf.get(hash) : undefined) });
    this.#running = await abortable(this.#exchange, signal);
  }

  holders(): readonly TileHolder[] {
    return this.#holders;
  }

  async fetch(
    peer: PeerId,
    sha256: Uint8Array<ArrayBuffer>,
    wait: boolean,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (!this.#exchange) throw new ManyhandsError("PEER_UNREACHABLE", "the exchange of tiles has not started");
    return (await this.#exchange).fetch(peer, sha256, wait, signal);
  }

  gained(sha256: Uint8Array<ArrayBuffer>): void {
    this.#running?.gained(sha256);
  }

  async stop(): Promise<void> {
    this.#stopWatching();
    const running = await this.#exchange?.catch(() => undefined); // it never started
    await running?.stop();
  }

  #readDirectory(): void {
    const { directory, model } = this.#options;
    const others = directory.swarm.peers.filter((peer) => peer.model === model && peer.peer !== this.self);
    const present = new Set(others.map(({ peer }) => peer));
    for (const peer of this.#former.keys()) if (!present.has(peer)) this.#former.delete(peer);
    const holders = others.map(({ peer, serving, target }): TileHolder => {
      const before = this.#former.get(peer) ?? [];
      const now = target ? [target, ...serving] : serving;
      const spans = [...now, ...before.filter((span) => !now.some((other) => sameSpan(span, other)))];
      this.#former.set(peer, spans.slice(0, DEFAULTS.formerSpans));
      return {
        peer,
        holds: serving,
        mayHold: before.filter((span) => !target || !sameSpan(span, target)),
        fetching: target && !isCovered(target, serving) ? target : undefined,
      };
    });
    // The same array for the same holders: readers plan anew only when it changes.
    if (JSON.stringify(holders) !== JSON.stringify(this.#holders)) this.#holders = holders;
  }
}
