// What the relay says over HTTP as JSON. The relay writes these shapes; the node and the page read them.
import * as v from "valibot";
import { modelId, natural, peerId, range } from "./fields.ts";
import { LIMITS } from "./version.ts";

export const RELAY_API_LIMITS = Object.freeze({
  /** Models that one relay offers. */
  models: 256,
  /** Addresses of one relay. A relay that is reached under one host name has one. */
  addresses: 16,
  /** STUN and TURN servers that one relay names. */
  iceServers: 8,
  /**
   * Characters of an address, a URL or a path. The percent-encoded name of a model's folder takes up to 765 of them.
   */
  placeLength: 1000,
  /** Characters of a licence, as in a manifest. */
  licenceLength: 400,
  /** Characters of the name of a data type, as in a manifest. */
  dtypeLength: 20,
  /** Characters of the JSON of an overview with `LIMITS.directoryPeers` peers. */
  overviewLength: 4_000_000,
});

const count = natural(Number.MAX_SAFE_INTEGER);
const name = v.pipe(v.string(), v.maxLength(LIMITS.nameLength));
const place = v.pipe(v.string(), v.maxLength(RELAY_API_LIMITS.placeLength));
const models = <Model extends v.GenericSchema>(model: Model) => v.pipe(v.array(model), v.maxLength(RELAY_API_LIMITS.models));

/** `ModelSummary` of `src/model`, which explains the fields. */
const summary = {
  name,
  layerCount: v.pipe(natural(LIMITS.layers), v.minValue(1)),
  contextLength: count,
  sizeBytes: count,
  licence: v.pipe(v.string(), v.maxLength(RELAY_API_LIMITS.licenceLength)),
  dtype: v.pipe(v.string(), v.maxLength(RELAY_API_LIMITS.dtypeLength)),
  chat: v.boolean(),
  layerBytes: count,
  edgeBytes: count,
  cacheBytes: count,
};

/** `GET /api/bootstrap`: what a peer needs to join. */
export const Bootstrap = v.object({
  protocolVersion: count,
  /** What the operator calls the relay. */
  name,
  /** The relay's own id. */
  peerId,
  /** Multiaddrs of the relay under the host name that it was asked by. Empty if that name makes no sense. */
  addrs: v.pipe(v.array(place), v.maxLength(RELAY_API_LIMITS.addresses)),
  /** `stun:` and `turn:` URLs that the operator offers. */
  iceServers: v.pipe(v.array(place), v.maxLength(RELAY_API_LIMITS.iceServers)),
  /** The operator's list, the best first. */
  models: models(
    v.object({
      /** Of the model's folder. */
      name: place,
      id: modelId,
      /** Path of the manifest at the relay. */
      manifest: place,
      summary: v.object(summary),
    }),
  ),
});
export type Bootstrap = v.InferOutput<typeof Bootstrap>;
/** One model of the operator's list. */
export type OfferedModel = Bootstrap["models"][number];

const OverviewModel = v.object({ id: modelId, ...summary });

/** A peer that holds layers, or loads them. */
const OverviewPeer = v.object({
  peer: peerId,
  /** A page that has not joined is none of the peers. */
  isSelf: v.literal(false),
  model: modelId,
  host: v.picklist(["page", "widget", "volunteer"]),
  backend: v.picklist(["wasm", "webgpu"]),
  /** What it holds or is loading. Missing while it has not chosen. */
  span: v.nullish(range(LIMITS.layers)),
  serving: v.boolean(),
  sessions: count,
  tokensServed: count,
  /** Milliseconds per layer and decode step. Missing until measured. */
  layerMs: v.nullish(v.pipe(v.number(), v.finite(), v.minValue(0))),
});
export type OverviewPeer = v.InferOutput<typeof OverviewPeer>;

/** `GET /api/swarm`: the swarm as a page that has not joined shows it. */
export const SwarmOverview = v.object({
  /** What the operator calls the relay. */
  name,
  /** Counts up with each change of the directory. */
  revision: count,
  /** The first of `models`. Missing if there is none. */
  model: v.optional(OverviewModel),
  /** The operator's list, the best first. */
  models: models(OverviewModel),
  /** Peers of all models. */
  peers: v.pipe(v.array(OverviewPeer), v.maxLength(LIMITS.directoryPeers)),
});
export type SwarmOverview = v.InferOutput<typeof SwarmOverview>;

/** `GET /healthz`: for an operator's monitoring. */
export const Health = v.object({
  ok: v.literal(true),
  protocolVersion: count,
  /** In the directory. */
  peers: count,
  /** Of libp2p. */
  connections: count,
  /** Streams of the directory protocol. */
  watchers: count,
  /** Since the start, by reason. */
  refusedFrames: v.record(v.string(), count),
});
export type Health = v.InferOutput<typeof Health>;
