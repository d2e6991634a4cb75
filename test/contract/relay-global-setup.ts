// Starts a real relay on a free port for tests in a browser, and tells them its address.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startRelay } from "../../relay/relay.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Multiaddr of the relay, with its peer id. */
    relayAddress: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const data = await mkdtemp(join(tmpdir(), "manyhands-test-"));
  const relay = await startRelay({ port: 0, data, site: join(data, "no-site") });
  project.provide("relayAddress", relay.address);
  return async () => {
    await relay.stop();
    await rm(data, { recursive: true, force: true });
  };
}
