// Starts a real relay on a free port for tests in a browser. Starts further ones on request, so that a test can stop
// its own.
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { type Relay, startRelay } from "../../relay/relay.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Multiaddr of the relay, with its peer id. */
    relayAddress: string;
    /** `GET <this>/start` starts a relay and returns its multiaddr. `GET <this>/stop?address=…` stops that relay. */
    relayControl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dir = await mkdtemp(join(tmpdir(), "manyhands-test-"));
  const relays = new Map<string, Relay>();
  const start = async (): Promise<string> => {
    const data = join(dir, String(relays.size));
    const relay = await startRelay({ port: 0, data, site: join(dir, "no-site") });
    relays.set(relay.address, relay);
    return relay.address;
  };

  const control = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const job = url.pathname === "/start" ? start() : (relays.get(url.searchParams.get("address") ?? "")?.stop() ?? Promise.resolve());
    void job.then((started) => response.writeHead(200, { "access-control-allow-origin": "*" }).end(started ?? "stopped"));
  });
  await new Promise<void>((resolve) => {
    control.listen(0, "127.0.0.1", resolve);
  });
  const address = control.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  project.provide("relayControl", `http://127.0.0.1:${port}`);
  project.provide("relayAddress", await start());
  return async () => {
    control.closeAllConnections();
    control.close();
    await Promise.all([...relays.values()].map((relay) => relay.stop()));
    await rm(dir, { recursive: true, force: true });
  };
}
