// How programs join a swarm: the same in a page, in a worker of a page, and in Node.
import { createNode } from "../node/create-node.ts";
import type { Node } from "../node/face.ts";
import type { Platform } from "../node/platform/platform.ts";
import { plainPlatform } from "../node/platform/plain-platform.ts";
import { tabPlatform } from "../node/platform/tab-platform.ts";
import { ManyhandsError } from "../shared/errors.ts";
import type { PeerId } from "../shared/ids.ts";
import { type Log, silentLog } from "../shared/log.ts";

const SEED_BYTES = 32;

export interface JoinOptions {
  /** Address of the relay, `https://relay.example`. May be left out in a page that the relay itself served. */
  readonly relay?: string | URL;
  /**
   * 32 secret bytes that make this peer and its account the same from run to run, for Node and workers: keep them to
   * keep the account. Without them, a fresh key is drawn. A tab has a key in the browser's storage, and accepts no
   * other.
   */
  readonly seed?: Uint8Array;
  /** By default the console in a tab, and nothing elsewhere. */
  readonly log?: Log;
}

/** A peer that has joined. With `await using` it leaves the swarm at the end of the block. */
export interface JoinedNode extends Node, AsyncDisposable {
  /** This peer's id, which names its key and its account. */
  readonly self: PeerId;
}

/**
 * Joins the swarm of a relay, to ask it for answers and jobs. Resolves once this peer has joined. Nothing is lent
 * before `lend(true)`, which only works in tabs. Throws BAD_INPUT for options that make no sense, RELAY_UNREACHABLE, or
 * BROWSER_UNSUPPORTED.
 */
export async function join(options: JoinOptions = {}): Promise<JoinedNode> {
  const node = await createNode({ host: "page", platform: platformFor(options) });
  try {
    return Object.assign(node, { self: await node.join(), [Symbol.asyncDispose]: () => node.stop() });
  } catch (error) {
    await node.stop();
    throw error;
  }
}

function platformFor({ relay, seed, log }: JoinOptions): Platform {
  const config = { relayOrigin: originOf(relay), host: "page" as const };
  if (seed !== undefined && (!(seed instanceof Uint8Array) || seed.byteLength !== SEED_BYTES))
    throw new ManyhandsError("BAD_INPUT", `A seed is a Uint8Array of ${SEED_BYTES} secret bytes.`);
  if ("RTCPeerConnection" in globalThis) {
    if (seed !== undefined) throw new ManyhandsError("BAD_INPUT", "A tab keeps its own key in the browser's storage: leave the seed out.");
    const platform = tabPlatform(config);
    return log === undefined ? platform : { ...platform, log };
  }
  return plainPlatform({
    config,
    log: log ?? silentLog,
    seed: seed ?? crypto.getRandomValues(new Uint8Array(SEED_BYTES)),
    isKept: seed !== undefined,
  });
}

function originOf(relay: string | URL | undefined): string {
  const here = (globalThis as { readonly location?: { readonly origin: string } }).location?.origin; // Node has none
  const given = relay ?? here;
  if (given === undefined) throw new ManyhandsError("BAD_INPUT", 'Say which relay to join: join({ relay: "https://relay.example" }).');
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:")
    throw new ManyhandsError("BAD_INPUT", `"${String(given)}" is not the address of a relay: it starts with https:// or http://.`);
  return url.origin;
}
