// A store on this browser's disk, or one in memory if the browser blocks storage.
import { errorMessage } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";

/** Returns what was opened, or what `inMemory` returns; then it logs that `what` are lost with the page. */
export function orInMemory<T>(opened: Promise<T>, inMemory: () => T, what: string, log: Log): Promise<T> {
  return opened.catch((error: unknown) => {
    log.warn(`${what} are lost when this page closes`, { message: errorMessage(error) });
    return inMemory();
  });
}
