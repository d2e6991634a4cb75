// A place on disk for a span's long logs: numbered databases, each held by one worker of the profile at a time.
import { openIdbOutputStore } from "../../inference/log/idb-output-store.browser.ts";
import type { OutputStore } from "../../inference/log/output-store.ts";
import { holdLock } from "../../mesh/identity/hold-lock.browser.ts";
import { errorMessage } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";

const DEFAULTS = Object.freeze({
  /** Spans of one browser profile that have a log on disk; further spans keep theirs in memory. */
  slots: 32,
  name: "manyhands-outputs",
});

/** Opens the first database that no worker holds, and holds it until this thread ends. Undefined if none is free. */
export async function acquireOutputStore(log: Log): Promise<OutputStore | undefined> {
  // `locks` is missing in insecure contexts, whatever the type says.
  const { locks } = navigator as Partial<Navigator>;
  if (locks === undefined) return undefined;
  try {
    for (let slot = 0; slot < DEFAULTS.slots; slot++) {
      const name = `${DEFAULTS.name}-${slot}`;
      if (await holdLock(locks, name)) return await openIdbOutputStore(name);
    }
  } catch (error) {
    log.info("long logs of outputs stay in memory", { error: errorMessage(error) }); // the browser blocks storage
  }
  return undefined;
}
