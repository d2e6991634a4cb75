// Blocks between peers by Helia's bitswap over the mesh's own libp2p node; loaded when a tab first holds or wants weights.
import { withBitswap } from "@helia/bitswap";
import type { Connection, Libp2p, PeerId as Libp2pPeerId } from "@libp2p/interface";
import { CID } from "multiformats/cid";
import { create as createDigest } from "multiformats/hashes/digest";
import { sha256 as sha256Hasher } from "multiformats/hashes/sha2";
import { abortable, withDeadline } from "../shared/abort.ts";
import { bytesEqual, toHex } from "../shared/bytes.ts";
import { errorMessage, ManyhandsError } from "../shared/errors.ts";
import { asPeerId, type PeerId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import type { TileExchange, TileShelf } from "./tile-exchange.ts";

export const DEFAULTS = Object.freeze({
  /** Bytes of one message: a block of 1 MiB and its frame. Larger ones hold their streams for longer and gain nothing. */
  messageBytes: 1024 * 1024 + 4096,
  /** Milliseconds for one message: 1 MiB over 300 kbit/s. */
  messageMs: 30_000,
  /** Milliseconds to reach a peer: another has the tile as well, or the origin. */
  connectMs: 10_000,
  /** Messages under way in and out, all peers together. */
  streams: 64,
  /** Blocks that one peer may have asked us for and wait for. */
  wants: 1024,
});

const RAW = 0x55; // multicodec: a block is its bytes
const SHA2_256 = 0x12;

/** The part of bitswap's inside that asking one peer for one block takes; its public face asks everybody. */
interface BitswapInside {
  readonly bitswap: {
    readonly wantList: EventTarget & {
      wantSessionBlock(
        cid: CID,
        peer: Libp2pPeerId,
        options: { readonly signal: AbortSignal },
      ): Promise<{ readonly has: boolean; readonly block?: Uint8Array }>;
    };
    notify(cid: CID): Promise<void>;
  };
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface ReceivedBlock {
  readonly sender: Libp2pPeerId;
  readonly cid: CID;
  readonly block: Uint8Array;
}

export interface BitswapExchangeOptions {
  readonly node: Libp2p;
  /** Opens a connection where there is none. Throws PEER_UNREACHABLE, or the signal's reason. */
  readonly connect: (peer: PeerId, signal: AbortSignal) => Promise<Connection>;
  readonly shelf: TileShelf;
  readonly log: Log;
}

/** A block that is asked for: settled by its coming, or by the peer's sending something else. */
interface Want {
  readonly peer: PeerId;
  readonly sha256: Uint8Array;
  readonly arrived: (block: Uint8Array<ArrayBuffer>) => void;
  readonly lied: (error: Error) => void;
}

export class BitswapExchange implements TileExchange {
  readonly #options: BitswapExchangeOptions;
  readonly #inside: BitswapInside;
  readonly #wants = new Set<Want>();
  /** Hashes ever asked of each peer: one that was given up may still come, any other is a lie. */
  readonly #asked = new Map<PeerId, Set<string>>();
  readonly #life = new AbortController();

  private constructor(options: BitswapExchangeOptions, inside: BitswapInside) {
    this.#options = options;
    this.#inside = inside;
    inside.bitswap.wantList.addEventListener("block", this.#onBlock);
  }

  static async start(options: BitswapExchangeOptions): Promise<BitswapExchange> {
    const inside = makeBroker(options);
    await inside.start();
    return new BitswapExchange(options, inside);
  }

  async fetch(
    peer: PeerId,
    sha256: Uint8Array<ArrayBuffer>,
    wait: boolean,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const both = AbortSignal.any([signal, this.#life.signal]);
    const late = (): Error =>
      new ManyhandsError("PEER_UNREACHABLE", `${peer} could not be reached in ${DEFAULTS.connectMs / 1000} seconds`);
    const { remotePeer } = await withDeadline(both, DEFAULTS.connectMs, late, (limit) => this.#options.connect(peer, limit));
    both.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
    const want: Want = { peer, sha256, arrived: resolve, lied: reject };
    this.#wants.add(want);
    this.#asked.set(peer, (this.#asked.get(peer) ?? new Set()).add(toHex(sha256)));
    promise.catch(() => {}); // it may lose the race below
    try {
      const answer = this.#inside.bitswap.wantList.wantSessionBlock(cidOf(sha256), remotePeer, { signal: both });
      answer.catch(() => {}); // it may lose the race, or outlive it
      const first = await abortable(Promise.race([promise, answer]), both);
      if (first instanceof Uint8Array) return first;
      if (!first.has && !wait) return undefined;
      return await abortable(promise, both);
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof ManyhandsError) throw cause;
      throw new ManyhandsError("PEER_UNREACHABLE", `${peer} could not be asked for a tile: ${errorMessage(cause)}`, { cause });
    } finally {
      this.#wants.delete(want);
    }
  }

  gained(sha256: Uint8Array<ArrayBuffer>): void {
    this.#inside.bitswap.notify(cidOf(sha256)).catch((error: unknown) => {
      this.#options.log.debug("peers could not be told of a tile", { reason: errorMessage(error) });
    });
  }

  async stop(): Promise<void> {
    this.#life.abort(new ManyhandsError("PEER_LOST", "this tab has left the swarm"));
    this.#inside.bitswap.wantList.removeEventListener("block", this.#onBlock);
    await this.#inside.stop();
  }

  /** Bitswap names a block by the hash that it has, so a wrong one is a block that nobody asked for. */
  readonly #onBlock = (event: Event): void => {
    const { sender, cid, block } = (event as CustomEvent<ReceivedBlock>).detail; // bitswap's own event
    const peer = asPeerId(sender.toString());
    const own = [...this.#wants].filter((want) => want.peer === peer);
    const wanted = own.filter((want) => bytesEqual(want.sha256, cid.multihash.digest));
    for (const want of wanted) want.arrived(new Uint8Array(block)); // apart from its message, which may carry other blocks
    if (wanted.length > 0 || this.#asked.get(peer)?.has(toHex(cid.multihash.digest))) return;
    this.#options.log.warn("a peer sends blocks that nobody asked for", { peer });
    for (const want of own)
      want.lied(new ManyhandsError("MODEL_CORRUPT", `${peer} sent something else than the tile that it was asked for`));
  };
}

const cidOf = (sha256: Uint8Array): CID => CID.createV1(RAW, createDigest(SHA2_256, sha256));

/**
 * Bitswap alone, without the rest of Helia: it asks its host for libp2p, a blockstore and routing. Routing finds nobody,
 * because the directory knows who holds what.
 */
function makeBroker({ node, shelf }: BitswapExchangeOptions): BitswapInside {
  let broker: BitswapInside | undefined;
  const read = new Map<string, Promise<Uint8Array<ArrayBuffer> | undefined>>();
  const host = {
    status: "starting",
    libp2p: node,
    logger: node.logger,
    routing: { async *findProviders() {} },
    getHasher: () => sha256Hasher,
    blockstore: {
      // Asked whether it has a block and then for the block, one right after the other: read once.
      has: async (cid: CID): Promise<boolean> => {
        const hash = toHex(cid.multihash.digest);
        const block = shelf.get(hash);
        read.set(hash, block);
        const found = (await block) !== undefined;
        if (!found) read.delete(hash);
        return found;
      },
      async *get(cid: CID): AsyncGenerator<Uint8Array> {
        const hash = toHex(cid.multihash.digest);
        const block = await (read.get(hash) ?? shelf.get(hash));
        read.delete(hash);
        if (!block) throw Object.assign(new Error("not here"), { name: "NotFoundError" });
        yield block;
      },
    },
    hasBlockBroker: () => false,
    addBlockBroker: (made: BitswapInside) => {
      broker = made;
    },
    addMixin: (mixin: { start(host: unknown): Promise<void> }) => {
      start = () => mixin.start(host);
    },
  };
  let start: () => Promise<void> = () => Promise.resolve();
  withBitswap(host as unknown as Parameters<typeof withBitswap>[0], {
    maxInboundStreams: DEFAULTS.streams,
    maxOutboundStreams: DEFAULTS.streams,
    maxOutgoingMessageSize: DEFAULTS.messageBytes,
    maxIncomingMessageSize: 2 * DEFAULTS.messageBytes,
    messageSendTimeout: DEFAULTS.messageMs,
    messageReceiveTimeout: DEFAULTS.messageMs,
    sendBlocksTimeout: DEFAULTS.messageMs,
    maxWantlistSize: DEFAULTS.wants,
  });
  return {
    get bitswap() {
      if (!broker) throw new ManyhandsError("BROWSER_UNSUPPORTED", "the exchange of tiles has not started");
      return broker.bitswap;
    },
    start: () => start(),
    stop: async () => broker?.stop(),
  };
}
