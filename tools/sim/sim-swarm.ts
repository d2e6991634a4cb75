// A swarm in virtual time: real sessions, services, routes and detours over a simulated network and a tiny model.
import type { Engine } from "../../src/engine/contract.ts";
import { generate, type Requester } from "../../src/inference/generate.ts";
import type { GenerateEvent } from "../../src/inference/generate-event.ts";
import type { SessionShelf } from "../../src/inference/requester/session-shelf.ts";
import { SpanService } from "../../src/inference/server/span-service.ts";
import type { Directory } from "../../src/mesh/ports/directory.ts";
import type { Mesh } from "../../src/mesh/ports/mesh.ts";
import { MemoryBoard } from "../../src/mesh/memory/memory-directory.ts";
import { createSampler } from "../../src/model/text/sampler.ts";
import type { Tokenizer } from "../../src/model/text/tokenizer.ts";
import { findDetour, findRoute } from "../../src/inference/requester/find-route.ts";
import { sessionProtocol } from "../../src/protocol/version.ts";
import { ManyhandsError } from "../../src/shared/errors.ts";
import { asModelId, asPeerId, type PeerId, sameSpan, type Span } from "../../src/shared/ids.ts";
import { silentLog } from "../../src/shared/log.ts";
import { Random } from "./random.ts";
import { RecurrenceEngine, VOCABULARY } from "./recurrence-engine.ts";
import { servingSpan } from "./serving-span.ts";
import { SimNetwork } from "./sim-mesh.ts";
import { VirtualClock } from "./virtual-clock.ts";

const MODEL = asModelId("model-of-recurrences");

/** Each character is a token. */
export const CHARACTERS: Tokenizer = {
  encode: (text) => Array.from(text, (character) => (character.codePointAt(0) ?? 0) % VOCABULARY),
  decode: (tokens) => tokens.map((token) => String.fromCodePoint(97 + token)).join(""),
  decoder: () => ({ push: (token) => String.fromCodePoint(97 + token), flush: () => "" }),
};

export interface SimPeer {
  readonly peer: PeerId;
  readonly span: Span;
  readonly engine: RecurrenceEngine;
  readonly service: SpanService;
}

export interface AskedFor {
  readonly prompt: string;
  readonly maxTokens: number;
  readonly seed: number;
}

export interface SimRequester {
  readonly self: PeerId;
  readonly mesh: Mesh;
  readonly directory: Directory;
  readonly shelf: SessionShelf | undefined;
}

/** Looks after answers that are over. */
export type OnAnswered = NonNullable<Requester["onAnswered"]>;

export class SimSwarm {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly network: SimNetwork;
  readonly board = new MemoryBoard();
  readonly layerCount: number;
  readonly rowInvariant: boolean;
  /** The living peers. */
  readonly peers = new Map<PeerId, SimPeer>();
  #names = 0;

  /** `rowInvariant`: whether spans can verify drafts. */
  constructor(seed: number, layerCount: number, rowInvariant = false) {
    this.rowInvariant = rowInvariant;
    this.random = new Random(seed);
    this.network = new SimNetwork(this.clock, this.random);
    this.layerCount = layerCount;
  }

  /**
   * Adds a peer that serves `span`, and that is listed after `listedMs`. A peer that lies sends numbers that are off by
   * `lie`.
   */
  join(
    span: Span,
    options: {
      readonly listedMs?: number;
      readonly lie?: number;
      readonly stepMs?: (count: number) => number;
      readonly wrap?: (engine: RecurrenceEngine) => Engine;
    } = {},
  ): SimPeer {
    const peer = asPeerId(`peer-${String(++this.#names).padStart(3, "0")}-${span.start}-${span.end}`);
    const { clock, network, layerCount, random } = this;
    const mesh = network.join(peer);
    const slowness = 0.2 + 3 * random.next() ** 4;
    const stepMs = options.stepMs ?? ((count: number): number => slowness * (1 + 0.2 * count) * (0.8 + 0.4 * random.next()));
    const engine = new RecurrenceEngine({ model: MODEL, layerCount, span, clock, stepMs, rowInvariant: this.rowInvariant });
    engine.lie = options.lie ?? 0;
    const service = new SpanService({ engine: options.wrap?.(engine) ?? engine, mesh, clock, log: silentLog });
    mesh.handle(sessionProtocol(MODEL, span), (link) => service.accept(link));
    const joined: SimPeer = { peer, span, engine, service };
    this.peers.set(peer, joined);
    clock.in(options.listedMs ?? 0, () => {
      if (this.peers.has(peer)) this.#list(joined);
    });
    return joined;
  }

  /** Returns the living peers that serve `span`. */
  holders(span: Span): readonly SimPeer[] {
    return [...this.peers.values()].filter((peer) => sameSpan(peer.span, span));
  }

  /** The peer is gone at once. Its links end after `noticeMs()`, and the directory drops it after `listedMs`. */
  kill(peer: PeerId, noticeMs: () => number, listedMs: number): void {
    this.peers.delete(peer);
    this.network.kill(peer, noticeMs);
    this.clock.in(listedMs, () => this.board.remove(peer));
  }

  /** Adds a peer that asks and lends nothing. With a shelf, its sessions are kept for prompts that begin alike. */
  requester(shelf?: SessionShelf): SimRequester {
    const self = asPeerId(`requester-${++this.#names}`);
    return { self, mesh: this.network.join(self), directory: this.board.join(self), shelf };
  }

  /** Asks this swarm, and returns the events that the requester gets. */
  ask(
    { prompt, maxTokens, seed }: AskedFor,
    signal: AbortSignal,
    { self, mesh, directory, shelf }: SimRequester = this.requester(),
    onAnswered?: OnAnswered,
  ): { readonly self: PeerId; readonly events: AsyncGenerator<GenerateEvent, void> } {
    const { clock, random, layerCount } = this;
    const model = {
      id: MODEL,
      layerCount,
      contextLength: 512,
      vocabularySize: VOCABULARY,
      stopTokens: new Set<number>(),
      tokenizer: CHARACTERS,
      chat: undefined,
    };
    const solo = {
      peer: undefined,
      // oxlint-disable-next-line require-yield -- it throws before there is any progress
      load: async function* (): AsyncGenerator<undefined, void> {
        throw new ManyhandsError("NO_ROUTE", "this tab holds no model");
      },
    };
    const found = { model: { id: MODEL, layerCount, sizeBytes: Infinity }, directory, solo, clock };
    const events = generate(
      {
        mesh,
        model,
        clock,
        createSampler,
        ...(shelf && { shelf }),
        ...(onAnswered && { onAnswered }),
        random: (bytes) => random.bytes(bytes),
        findRoute: (exclude, until) => findRoute(found, exclude, until),
        findDetour: (request, until) => findDetour(found, request, until),
      },
      prompt,
      { maxTokens, seed, temperature: 0.9 },
      signal,
    );
    return { self, events };
  }

  #list({ peer, span }: SimPeer): void {
    this.board.put(peer, servingSpan(MODEL, span));
  }
}
