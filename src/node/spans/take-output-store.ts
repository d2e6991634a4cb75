// A place on disk for one span's long logs: numbered databases, each of which one worker of the profile holds at a time.
import { openIdbOutputStore } from "../../inference/log/idb-output-store.browser.ts";
import type { OutputStore } from "../../inference/log/output-store.ts";
import { holdLock } from "../../mesh/identity/hold-lock.browser.ts";
import { errorMessage } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";

const DEFAULTS = Object.freeze({
  /** Spans that one browser profile holds with a log on disk; further ones keep theirs in memory. */
  slots: 32,
  name: "manyhands-outputs",
});

/** The first database that no other worker holds, until this thread ends. Undefined, and logged why, where there is none. */
export async function takeOutputStore(log: Log): Promise<OutputStore | undefined> {
  // `locks` is missing in insecure contexts, whatever the type says.
  const { locks } = navigator as Partial<Navigator>;
  if (locks === undefined) return undefined;
  try {
    for (let slot = 0; slot < DEFAULTS.slots; slot++) {
      const name = `${DEFAULTS.name}-${slot}`;
      if (await holdLock(locks, name)) return await openIdbOutputStore(name);
    }
  } catch (error) {
    log.info("long logs of outputs stay in memory", { error: errorMessage(error) }); // storage is blocked
  }
  return undefined;
}
