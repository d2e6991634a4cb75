// Connections that may be dead though they look open: each has to answer a ping within a while, or is cut.
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

  /** Settles when the doubt does; undefined where there is none. */
  of(connection: Connection): Promise<void> | undefined {
    return this.#running.get(connection);
  }

  /** Something failed over a connection that looks open. Never rejects. */
  raise(connection: Connection): Promise<void> {
    const running = this.#running.get(connection);
    if (running !== undefined) return running;
    const patience = AbortSignal.timeout(this.#patienceMs);
    const doubt = this.#openStream(connection, PING_PROTOCOL, patience)
      .then(
        (stream) => stream.close(),
        (error: Error) => {
          if (patience.aborted) connection.abort(error); // any other error is an answer of some kind
        },
      )
      .catch((error: unknown) => this.#log.debug("closing a ping", { message: errorMessage(error) }))
      .finally(() => this.#running.delete(connection));
    this.#running.set(connection, doubt);
    return doubt;
  }
}
