// Stores of this browser, or their like in memory where its storage is blocked.
import { errorMessage } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";

/** What was opened; else what `inMemory` answers, and the log is told that `what` ends with the page. */
export function orInMemory<T>(opened: Promise<T>, inMemory: () => T, what: string, log: Log): Promise<T> {
  return opened.catch((error: unknown) => {
    log.warn(`${what} are not kept when this page closes`, { message: errorMessage(error) });
    return inMemory();
  });
}
