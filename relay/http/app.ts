// The relay over HTTP: the built page, the models, and a small read-only API.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import fastifyStatic, { type FastifyStaticOptions } from "@fastify/static";
import Fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import type { SwarmFrame } from "../../src/protocol/directory-frames.ts";
import { type Bootstrap, type Health, type OverviewPeer, RELAY_API_LIMITS, type SwarmOverview } from "../../src/protocol/relay-api.ts";
import { PROTOCOL_VERSION } from "../../src/protocol/version.ts";
import { asPeerId, type ModelId } from "../../src/shared/ids.ts";
import type { RelayConfig } from "../config.ts";
import { headersFor, isShared } from "./headers.ts";
import { MANIFEST_FILE } from "../../src/model/tiles/manifest.ts";
import type { ModelFolder } from "../models.ts";

/** Makes the server. It has no routes and does not listen yet, but its logger works. */
export const createApp = ({ verbose }: Pick<RelayConfig, "verbose">): FastifyInstance =>
  Fastify({
    logger: { level: verbose ? "info" : "warn" },
    trustProxy: "loopback", // a TLS proxy on this machine knows the page's real scheme
    forceCloseConnections: true,
    bodyLimit: 64 * 1024, // no route reads a body
  });

export interface RoutesOptions {
  readonly config: RelayConfig;
  readonly models: readonly ModelFolder[];
  readonly peerId: string;
  /** Returns the directory as it is now. */
  readonly swarm: () => SwarmFrame;
  /** Returns the numbers of `/healthz`. */
  readonly health: () => Omit<Health, "ok" | "protocolVersion">;
}

export async function addRoutes(app: FastifyInstance, options: RoutesOptions): Promise<void> {
  const origins = [...new Set(options.models.flatMap(({ origin }) => origin ?? []))];
  app.addHook("onRequest", async (request, reply) => {
    const path = request.url.split("?", 1)[0] ?? "/";
    reply.headers(headersFor(path, request.host, origins));
    if (request.method !== "OPTIONS" || !isShared(path)) return;
    await reply
      .headers({ "access-control-allow-methods": "GET, HEAD", "access-control-allow-headers": "range", "access-control-max-age": "86400" })
      .code(204)
      .send();
  });

  app.get("/healthz", (): Health => ({ ok: true, protocolVersion: PROTOCOL_VERSION, ...options.health() }));
  app.get("/api/bootstrap", (request): Bootstrap => bootstrapOf(options, request));
  app.get("/api/swarm", (): SwarmOverview => overviewOf(options));

  await serveFiles(app, options);
}

async function serveFiles(app: FastifyInstance, { config, models }: RoutesOptions): Promise<void> {
  const common = {
    cacheControl: false, // `headersFor` sets it
    dotfiles: "ignore",
    setHeaders: (reply) => {
      void reply.header("vary", "accept-encoding");
    },
  } satisfies Partial<FastifyStaticOptions>;
  for (const { name, path, bundled } of models) {
    if (!bundled)
      await app.register(fastifyStatic, { ...common, root: path, prefix: `/models/${encodeURIComponent(name)}/`, decorateReply: false });
  }
  const site = resolve(config.site);
  if (existsSync(site)) {
    await app.register(fastifyStatic, { ...common, root: site, preCompressed: true, decorateReply: false });
    return;
  }
  app.log.warn({ site }, "the page is not built, so only the API is served");
  app.get("/", (_request, reply) =>
    reply
      .type("text/plain; charset=utf-8")
      .send(`This relay works, but its page is not built: ${config.site} does not exist. Build it with: npm run build\n`),
  );
}

function bootstrapOf({ config, models, peerId }: RoutesOptions, { host, protocol }: Pick<FastifyRequest, "host" | "protocol">): Bootstrap {
  return {
    protocolVersion: PROTOCOL_VERSION,
    name: config.name,
    peerId: asPeerId(peerId),
    addrs: [...relayAddress(host, protocol, peerId)],
    iceServers: config.stun,
    models: offered(models).map(({ name, id, summary }) => ({
      name,
      id,
      manifest: `/models/${encodeURIComponent(name)}/${MANIFEST_FILE}`,
      summary,
    })),
  };
}

/**
 * Returns the multiaddr of the relay's libp2p node for a client that reached `host` over `protocol`, in an array. The
 * array is empty if `host` makes no sense.
 */
export function relayAddress(host: string, protocol: string, peerId: string): readonly string[] {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(host);
  if (match === null) return [];
  const secure = protocol === "https";
  const [, ip6, name = "", port = secure ? "443" : "80"] = match;
  const place = ip6 !== undefined ? `/ip6/${ip6}` : /^\d+\.\d+\.\d+\.\d+$/.test(name) ? `/ip4/${name}` : `/dns/${name}`;
  return [`${place}/tcp/${port}/${secure ? "tls/ws" : "ws"}/p2p/${peerId}`];
}

function overviewOf({ config, models, swarm }: RoutesOptions): SwarmOverview {
  const { revision, peers } = swarm();
  const offers = offered(models).map(({ id, summary }) => ({ id, ...summary }));
  return {
    name: config.name,
    revision,
    model: offers[0],
    models: offers,
    peers: peers.flatMap((record) => (record.model === null ? [] : [overviewPeer(record, record.model)])),
  };
}

/** Tabs refuse a longer list as a whole. */
const offered = (models: readonly ModelFolder[]): readonly ModelFolder[] => models.slice(0, RELAY_API_LIMITS.models);

const overviewPeer = (record: SwarmFrame["peers"][number], model: ModelId): OverviewPeer => ({
  peer: record.peer,
  isSelf: false,
  host: record.host,
  backend: record.backend,
  model,
  span: record.target ?? record.serving[0],
  serving: record.serving.length > 0,
  sessions: record.sessions,
  tokensServed: record.tokensServed,
  layerMs: record.layerMs ?? undefined,
});
