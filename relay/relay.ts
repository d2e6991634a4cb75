// Puts one relay together: HTTP, libp2p behind the same port, the directory and the ledger. The program, tests and
// tools start it from here.
import { join } from "node:path";
import type { FastifyInstance } from "fastify";
import { PROTOCOLS } from "../src/protocol/version.ts";
import { systemClock } from "../src/shared/clock.ts";
import { ManyhandsError } from "../src/shared/errors.ts";
import type { Log } from "../src/shared/log.ts";
import { addRoutes, createApp } from "./http/app.ts";
import { type RelayNode, startRelayNode } from "./streams/relay-node.ts";
import { checkConfig, CONFIG_DEFAULTS, type RelayConfig } from "./config.ts";
import { CreditService } from "./ledger/credit-service.ts";
import { Directory } from "./directory/directory.ts";
import { DirectoryService } from "./directory/directory-service.ts";
import { loadRelaySeed } from "./identity.ts";
import { Ledger } from "./ledger/ledger.ts";
import { ModelStorageAudit } from "./ledger/storage-audit.ts";
import { findModels } from "./models.ts";
import { UpgradePipe } from "./http/upgrade-pipe.ts";

export const DEFAULTS = Object.freeze({
  /** Ports to try, one after the other, before giving up. */
  portTries: 20,
});

export interface Relay {
  /** The address of the page, ending in a slash. */
  readonly url: string;
  readonly port: number;
  readonly peerId: string;
  /** Multiaddr of this relay, for tabs on this machine. */
  readonly address: string;
  /** Whether the configured port was taken. */
  readonly moved: boolean;
  readonly models: readonly string[];
  readonly directory: Directory;
  readonly directoryService: DirectoryService;
  readonly ledger: Ledger;
  readonly creditService: CreditService;
  readonly log: Log;
  /** Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a relay with the defaults of what `options` leaves out. Throws BAD_INPUT for options that make no sense or if
 * no port is free, MODEL_CORRUPT, or LEDGER_UNAVAILABLE.
 */
export async function startRelay(options: Partial<RelayConfig> = {}): Promise<Relay> {
  const config = checkConfig(options);
  const models = await findModels(config.site, config.models);
  const seed = await loadRelaySeed(config.data);
  const ledger = await Ledger.open({ location: config.ledger ?? join(config.data, CONFIG_DEFAULTS.ledgerFile), now: Date.now });
  const directory = new Directory();
  const app = createApp(config);
  const log = pinoLog(app);
  let node: RelayNode | undefined;
  try {
    const started = await startRelayNode(seed);
    node = started;
    const directoryService = new DirectoryService({ directory, clock: systemClock, log });
    const creditService = new CreditService({
      ledger,
      costOf: (model) => models.find(({ id }) => id === model)?.cost,
      storage: new ModelStorageAudit({ models, swarm: () => directory.swarm, log }),
      clock: systemClock,
      now: Date.now,
      random: Math.random,
      log,
    });
    await started.handle(PROTOCOLS.directory, directoryService.accept);
    await started.handle(PROTOCOLS.credit, creditService.accept);
    await addRoutes(app, {
      config,
      models,
      peerId: started.peerId,
      swarm: () => directory.swarm,
      health: () => ({
        peers: directory.swarm.peers.length,
        connections: started.connectionCount,
        watchers: directoryService.clientCount,
        refusedFrames: directoryService.refused,
      }),
    });
    const pipe = new UpgradePipe({ server: app.server, targetPort: started.port, clock: systemClock, log });
    const port = await listen(app, config);
    directoryService.start();
    creditService.start();
    const parts: Parts = { app, pipe, directoryService, creditService, node: started, ledger };
    return {
      url: `http://${hostName(config.host)}:${port}/`,
      port,
      peerId: started.peerId,
      address: `${multiaddrHost(config.host)}/tcp/${port}/ws/p2p/${started.peerId}`,
      moved: config.port !== 0 && port !== config.port,
      models: models.map((model) => model.name),
      directory,
      directoryService,
      ledger,
      creditService,
      log,
      stop: once(() => stopAll(parts)),
    };
  } catch (error) {
    await Promise.allSettled([app.close(), node?.stop(), ledger.close()]);
    throw error;
  }
}

interface Parts {
  readonly app: FastifyInstance;
  readonly pipe: UpgradePipe;
  readonly directoryService: DirectoryService;
  readonly creditService: CreditService;
  readonly node: RelayNode;
  readonly ledger: Ledger;
}

async function stopAll({ app, pipe, directoryService, creditService, node, ledger }: Parts): Promise<void> {
  directoryService.stop();
  await creditService.stop();
  await node.stop();
  pipe.stop();
  await app.close();
  await ledger.close();
}

function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= run());
}

/** Listens on the first free port, from the configured one on. Returns it. */
async function listen(app: FastifyInstance, { host, port: wanted }: RelayConfig): Promise<number> {
  for (let i = 0; i < DEFAULTS.portTries; i++) {
    const port = wanted === 0 ? 0 : wanted + i;
    if (port > 65_535) break;
    try {
      await app.listen({ host, port });
      const address = app.server.address();
      return typeof address === "object" && address !== null ? address.port : port;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
        throw new ManyhandsError("BAD_INPUT", `--host ${host} is not an address of this machine`, { cause: error });
      }
      if (code === "EACCES")
        throw new ManyhandsError("BAD_INPUT", `--port ${port} is not open to this user. Ports above 1023 are.`, { cause: error });
      if (code !== "EADDRINUSE") throw error;
    }
  }
  throw new ManyhandsError(
    "BAD_INPUT",
    `ports ${wanted} to ${wanted + DEFAULTS.portTries - 1} are all taken. Choose another one with --port.`,
  );
}

const ANY_HOST = /^(0\.0\.0\.0|::|\[::\]|127\.0\.0\.1|::1)$/;

/** Pages need a secure context. `localhost` is one, on any address that this relay listens on. */
const hostName = (host: string): string => (ANY_HOST.test(host) ? "localhost" : host.includes(":") ? `[${host}]` : host);

const multiaddrHost = (host: string): string => {
  if (host === "::1") return "/ip6/::1";
  if (ANY_HOST.test(host)) return "/ip4/127.0.0.1";
  if (/^\d+\.\d+\.\d+\.\d+$/.test(host)) return `/ip4/${host}`;
  return host.includes(":") ? `/ip6/${host}` : `/dns/${host}`;
};

function pinoLog(app: FastifyInstance): Log {
  return {
    debug: (message, fields = {}) => app.log.debug(fields, message),
    info: (message, fields = {}) => app.log.info(fields, message),
    warn: (message, fields = {}) => app.log.warn(fields, message),
  };
}
