// The exchange of tiles: blocks between peers by Helia's bitswap, over the mesh's own libp2p node. A tab loads this
// file when it first holds or wants weights.
import { withBitswap } from "@helia/bitswap";
import type { Connection, Libp2p, PeerId as Libp2pPeerId } from "@libp2p/interface";
import { CID } from "multiformats/cid";
import { create as createDigest } from "multiformats/hashes/digest";
import { sha256 as sha256Hasher } from "multiformats/hashes/sha2";
import { abortable, withDeadline } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { toHex } from "../../shared/bytes.ts";
import { errorMessage, ManyhandsError } from "../../shared/errors.ts";
import { asPeerId, type PeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { RecentMap } from "../../shared/recent-map.ts";
import type { TileExchange, TileShelf } from "../ports/tile-exchange.ts";

export const DEFAULTS = Object.freeze({
  /**
   * Bytes of one message: a block of 1 MiB and its frame. Larger messages occupy a stream for longer and gain nothing.
   */
  messageBytes: 1024 * 1024 + 4096,
  /** Milliseconds for one message: 1 MiB over 300 kbit/s. */
  messageMs: 30_000,
  /** Milliseconds to reach a peer. Another peer or the origin has the tile as well. */
  connectMs: 10_000,
  /** Messages under way in each direction, with all peers together. */
  streams: 64,
  /** Blocks that one peer may be waiting for from this peer. */
  wants: 1024,
  /**
   * Requests of this peer that it remembers, some 250 bytes each: eight times what one other peer keeps open for it. A
   * block that comes for an older request is taken for a lie.
   */
  remembered: 8192,
});

const RAW = 0x55; // multicodec: a block is its bytes
const SHA2_256 = 0x12;

/** One entry of a message to a peer. */
interface WantEntry {
  readonly cid: Uint8Array;
  readonly priority: number;
  readonly sendDontHave?: boolean;
  readonly cancel?: boolean;
}

/** The inner parts of bitswap by which one peer is asked for one block. Its public interface asks all peers. */
interface BitswapInside {
  readonly bitswap: {
    readonly wantList: EventTarget;
    readonly network: {
      /**
       * Merges all messages that wait for the same peer by the keys of their maps, and sends the entries in that order.
       */
      sendMessage(
        peer: Libp2pPeerId,
        message: {
          readonly full: boolean;
          readonly pendingBytes: number;
          readonly wantlist: Map<string, WantEntry>;
          readonly blocks: Map<string, never>;
          readonly blockPresences: Map<string, never>;
        },
        options: { readonly signal: AbortSignal; readonly onProgress: (event: { readonly type: string }) => void },
      ): Promise<void>;
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

interface ReceivedPresence {
  readonly sender: Libp2pPeerId;
  readonly cid: CID;
  readonly has: boolean;
}

export interface BitswapExchangeOptions {
  readonly node: Libp2p;
  /** Opens a connection if there is none. Throws PEER_UNREACHABLE, or the signal's reason. */
  readonly connect: (peer: PeerId, signal: AbortSignal) => Promise<Connection>;
  readonly shelf: TileShelf;
  readonly clock: Clock;
  readonly log: Log;
  /** How many requests are remembered. Default: `DEFAULTS.remembered`. */
  readonly remembered?: number;
}

/** A block that one peer was asked for. All callers that want it from that peer now share it. */
class Want {
  readonly peer: PeerId;
  /** Whether the peer has the block now. */
  readonly presence = Promise.withResolvers<boolean>();
  readonly block = Promise.withResolvers<Uint8Array>();
  users = 0;

  constructor(peer: PeerId) {
    this.peer = peer;
    for (const { promise } of [this.presence, this.block]) promise.catch(() => {}); // the callers may have given up
  }

  fail(error: Error): void {
    this.presence.reject(error);
    this.block.reject(error);
  }
}

export class BitswapExchange implements TileExchange {
  readonly #options: BitswapExchangeOptions;
  readonly #inside: BitswapInside;
  /** By `wantName`. */
  readonly #wants = new Map<string, Want>();
  /**
   * Names of the latest wants, over or not. A block that nobody waits for any more may still come. Any other is a lie.
   */
  readonly #asked: RecentMap<string, true>;
  #requests = 0;
  readonly #life = new AbortController();

  private constructor(options: BitswapExchangeOptions, inside: BitswapInside) {
    this.#options = options;
    this.#inside = inside;
    this.#asked = new RecentMap(options.remembered ?? DEFAULTS.remembered);
    inside.bitswap.wantList.addEventListener("block", this.#onBlock);
    inside.bitswap.wantList.addEventListener("presence", this.#onPresence);
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
    const { clock } = this.#options;
    const both = AbortSignal.any([signal, this.#life.signal]);
    const onTimeout = (): Error =>
      new ManyhandsError("PEER_UNREACHABLE", `${peer} could not be reached in ${DEFAULTS.connectMs / 1000} seconds`);
    const { remotePeer } = await withDeadline({ clock, ms: DEFAULTS.connectMs, onTimeout }, both, (limit) =>
      this.#options.connect(peer, limit),
    );
    both.throwIfAborted();
    const name = wantName(peer, sha256);
    const want = this.#wants.get(name) ?? this.#request(name, remotePeer, sha256);
    want.users++;
    try {
      if (!(await abortable(want.presence.promise, both)) && !wait) return undefined;
      return new Uint8Array(await abortable(want.block.promise, both)); // a copy: the message and other callers share the block
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      if (--want.users === 0) this.#wants.delete(name);
    }
  }

  gained(sha256: Uint8Array<ArrayBuffer>): void {
    this.#inside.bitswap.notify(cidOf(sha256)).catch((error: unknown) => {
      this.#options.log.debug("peers that wait for a tile could not be notified", { reason: errorMessage(error) });
    });
  }

  async stop(): Promise<void> {
    this.#life.abort(new ManyhandsError("PEER_LOST", "this tab has left the swarm"));
    this.#inside.bitswap.wantList.removeEventListener("block", this.#onBlock);
    this.#inside.bitswap.wantList.removeEventListener("presence", this.#onPresence);
    await this.#inside.stop();
  }

  /**
   * Asks a peer for a block. The peer remembers the request: it says only once that it does not have the block, and it
   * does not send the block again for 5 s. A further request therefore cancels the one before, in the same message,
   * which keeps the order.
   */
  #request(name: string, remotePeer: Libp2pPeerId, sha256: Uint8Array<ArrayBuffer>): Want {
    const peer = asPeerId(remotePeer.toString());
    const want = new Want(peer);
    this.#wants.set(name, want);
    const cid = cidOf(sha256).bytes;
    const request = this.#requests++;
    const wantlist = new Map<string, WantEntry>();
    if (this.#asked.has(name)) wantlist.set(`${request} cancel`, { cid, priority: 1, cancel: true });
    wantlist.set(`${request}`, { cid, priority: 1, sendDontHave: true });
    this.#asked.set(name, true);
    const fail = (why: string, cause?: unknown): void =>
      want.fail(new ManyhandsError("PEER_UNREACHABLE", `${peer} could not be asked for a tile: ${why}`, { cause }));
    const message = { full: false, pendingBytes: 0, wantlist, blocks: new Map<string, never>(), blockPresences: new Map<string, never>() };
    const onTimeout = (): Error => new Error(`the message took more than ${DEFAULTS.messageMs / 1000} seconds`);
    void withDeadline({ clock: this.#options.clock, ms: DEFAULTS.messageMs, onTimeout }, this.#life.signal, (limit) =>
      this.#inside.bitswap.network.sendMessage(remotePeer, message, {
        signal: limit,
        // The only sign of a failure: bitswap resolves `sendMessage` even if the message did not get through.
        onProgress: ({ type }) => type === "bitswap:send-wantlist:error" && fail("the message did not get through"),
      }),
    ).catch((cause: unknown) => fail(errorMessage(cause), cause));
    return want;
  }

  readonly #onPresence = (event: Event): void => {
    const { sender, cid, has } = (event as CustomEvent<ReceivedPresence>).detail; // bitswap's own event
    this.#wants.get(wantName(asPeerId(sender.toString()), cid.multihash.digest))?.presence.resolve(has);
  };

  /** Bitswap computes the name of a block from its bytes, so a wrong block is one that nobody asked for. */
  readonly #onBlock = (event: Event): void => {
    const { sender, cid, block } = (event as CustomEvent<ReceivedBlock>).detail; // bitswap's own event
    const peer = asPeerId(sender.toString());
    const name = wantName(peer, cid.multihash.digest);
    const want = this.#wants.get(name);
    want?.presence.resolve(true);
    want?.block.resolve(block);
    if (want !== undefined || this.#asked.has(name)) return;
    this.#options.log.warn("a peer sends blocks that nobody asked for", { peer });
    const lie = new ManyhandsError("MODEL_CORRUPT", `${peer} sent something else than the tile that it was asked for`);
    for (const own of this.#wants.values()) if (own.peer === peer) own.fail(lie);
  };
}

const wantName = (peer: PeerId, sha256: Uint8Array): string => `${peer} ${toHex(sha256)}`;

const cidOf = (sha256: Uint8Array): CID => CID.createV1(RAW, createDigest(SHA2_256, sha256));

/**
 * Makes bitswap alone, without the rest of Helia. Bitswap wants libp2p, a blockstore and routing from its host. The
 * routing here finds nobody, because the directory already knows the holders.
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
      // Bitswap calls `get` right after `has`: read the block once for both.
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
        if (!block) throw Object.assign(new Error("the block is not here"), { name: "NotFoundError" });
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
