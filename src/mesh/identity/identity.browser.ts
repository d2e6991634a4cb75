// A tab's identity: a key in IndexedDB, in one of several numbered slots, so that two tabs of one profile never use the
// same key.
import { errorMessage } from "../../shared/errors.ts";
import { holdLock } from "./hold-lock.browser.ts";
import { openSeedStore, SEED_BYTES, type SeedStore } from "./seed-store.browser.ts";

export const DEFAULTS = Object.freeze({
  /** Tabs of one profile that get a kept key: more than a person keeps open, and a bound for the search. */
  slots: 64,
  /** Name of the database and, with the slot's number, of the locks. */
  name: "manyhands-identity",
});

export interface Identity {
  /** 32 bytes: the seed of an Ed25519 key. */
  readonly seed: Uint8Array;
  /** Whether the next tab that uses this slot has the same key. */
  readonly kept: boolean;
  /** Says to a person why the key is not kept. Undefined if it is kept. */
  readonly notice: string | undefined;
  /** Frees the slot for another tab. Closing the tab does that as well. Idempotent. */
  release(): void;
}

export interface IdentityOptions {
  /** Undefined if the browser has none (an insecure context, a very old browser). */
  readonly locks: Pick<LockManager, "request"> | undefined;
  /** Default: IndexedDB. Rejects if the browser blocks storage. */
  readonly openStore?: (name: string) => Promise<SeedStore>;
  /** Name of the database and the locks. Each test has its own. */
  readonly name?: string;
}

/**
 * Occupies the first slot that no other tab holds, and returns its key, which is made on first use. If locks or storage
 * are missing, or all slots are held, it returns a fresh key that is gone with the tab. Throws only the signal's
 * reason.
 */
export async function acquireIdentity(options: IdentityOptions, signal: AbortSignal): Promise<Identity> {
  signal.throwIfAborted();
  const name = options.name ?? DEFAULTS.name;
  if (options.locks === undefined) return ephemeral("this browser cannot keep tabs apart (no Web Locks)");
  let store: SeedStore | undefined;
  let release: (() => void) | undefined;
  try {
    store = await (options.openStore ?? openSeedStore)(name);
    for (let slot = 0; slot < DEFAULTS.slots && release === undefined; slot++) {
      signal.throwIfAborted();
      release = await holdLock(options.locks, `${name}:${slot}`);
      if (release !== undefined) return { seed: await store.getOrCreate(slot, freshSeed), kept: true, notice: undefined, release };
    }
    return ephemeral(`${DEFAULTS.slots} tabs of this profile are open`);
  } catch (error) {
    release?.();
    signal.throwIfAborted();
    return ephemeral(`storage is blocked (${errorMessage(error)})`);
  } finally {
    store?.close();
  }
}

function ephemeral(why: string): Identity {
  return {
    seed: freshSeed(),
    kept: false,
    notice: `This tab uses a key that is gone when it closes: ${why}.`,
    release: () => undefined,
  };
}

const freshSeed = (): Uint8Array => crypto.getRandomValues(new Uint8Array(SEED_BYTES));
