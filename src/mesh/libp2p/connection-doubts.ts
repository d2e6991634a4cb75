// Doubts about connections that look open and may be dead: a connection in doubt is cut unless it replies to a ping in
// time.
import type { Connection, Stream } from "@libp2p/interface";
import { PING_PROTOCOL } from "@libp2p/ping";
import { errorMessage } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";

export class ConnectionDoubts {
  readonly #running = new Map<Connection, Promise<void>>();
  readonly #openStream: (connection: Connection, protocol: string, signal: AbortSignal) => Promise<Stream>;
  readonly #patienceMs: number;
  readonly #log: Log;

  constructor(
    openStream: (connection: Connection, protocol: string, signal: AbortSignal) => Promise<Stream>,
    patienceMs: number,
    log: Log,
  ) {
    this.#openStream = openStream;
    this.#patienceMs = patienceMs;
    this.#log = log;
  }

  /** Returns a promise that settles when the doubt about `connection` does, or undefined if there is none. */
  of(connection: Connection): Promise<void> | undefined {
    return this.#running.get(connection);
  }

  /**
   * Doubts a connection that looks open and over which something failed. Resolves once the doubt is settled; never
   * rejects.
   */
  raise(connection: Connection): Promise<void> {
    const running = this.#running.get(connection);
    if (running !== undefined) return running;
    const patience = AbortSignal.timeout(this.#patienceMs);
    const doubt = this.#openStream(connection, PING_PROTOCOL, patience)
      .then(
        (stream) => stream.close(),
        (error: Error) => {
          if (patience.aborted) connection.abort(error); // any other error is a reply of some kind
        },
      )
      .catch((error: unknown) => this.#log.debug("closing a ping", { message: errorMessage(error) }))
      .finally(() => this.#running.delete(connection));
    this.#running.set(connection, doubt);
    return doubt;
  }
}
