// Keeps a tab connected to its relay, with a reservation there by which other tabs can call it. Retries with backoff.
import type { Connection, Listener } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { abortable, isAbort } from "../../shared/abort.ts";
import type { Clock } from "../../shared/clock.ts";
import { errorMessage, ManyhandsError } from "../../shared/errors.ts";
import { Emitter, type Observable } from "../../shared/events.ts";
import { asPeerId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { backoffMs, RELAY_BACKOFF } from "../../shared/backoff.ts";
import type { RelayStatus } from "../ports/directory.ts";
import { TAB_NODE_LIMITS, type TabNode } from "./libp2p-node.ts";
import type { Link } from "../ports/link.ts";
import { StreamLink } from "./stream-link.ts";

/** The relay as the directory and the credit client see it: whether it replies, and links to it. */
export interface RelayPort extends Observable<{ readonly "relay:changed": RelayStatus }> {
  readonly relay: RelayStatus;
  /** Opens a link to the relay. Throws RELAY_UNREACHABLE while there is no connection, or the signal's reason. */
  openRelay(protocol: string, signal: AbortSignal): Promise<Link>;
}

export interface RelayConnectionOptions {
  readonly node: TabNode;
  /**
   * Resolves with the relay's multiaddrs, which end in its peer id (`/dns4/…/tcp/443/wss/p2p/…`). It is called before
   * each try, because the relay may have moved or changed its key.
   */
  readonly relayAddresses: (signal: AbortSignal) => Promise<readonly string[]>;
  readonly clock: Clock;
  /** In [0, 1), for the jitter. */
  readonly random: () => number;
  readonly log: Log;
}

/** Works while `run` does. */
export class RelayConnection implements RelayPort {
  readonly #options: RelayConnectionOptions;
  readonly #events = new Emitter<{ readonly "relay:changed": RelayStatus }>();
  #relay: RelayStatus = { kind: "connecting" };
  #connection: Connection | undefined;

  constructor(options: RelayConnectionOptions) {
    this.#options = options;
  }

  get relay(): RelayStatus {
    return this.#relay;
  }

  /**
   * The address through which other peers are called. It ends in the relay's id. Undefined while there is no
   * connection.
   */
  get address(): string | undefined {
    return this.#connection?.remoteAddr.toString();
  }

  on(name: "relay:changed", listener: (status: RelayStatus) => void): () => void {
    return this.#events.on(name, listener);
  }

  async openRelay(protocol: string, signal: AbortSignal): Promise<Link> {
    signal.throwIfAborted();
    const connection = this.#connection;
    if (connection === undefined) throw new ManyhandsError("RELAY_UNREACHABLE", "not connected to the relay");
    try {
      const stream = await connection.newStream(protocol, { signal });
      return new StreamLink(stream, asPeerId(connection.remotePeer.toString()));
    } catch (cause) {
      signal.throwIfAborted();
      throw new ManyhandsError("RELAY_UNREACHABLE", `the relay does not reply: ${errorMessage(cause)}`, { cause });
    }
  }

  /** Resolves when `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      let message = "the connection to the relay closed";
      try {
        this.#changed({ kind: "connecting" });
        const { closed } = await this.#connect(signal);
        failures = 0;
        this.#changed({ kind: "connected" });
        await abortable(closed, signal);
      } catch (error) {
        if (isAbort(error, signal)) break;
        message = errorMessage(error);
        this.#options.log.debug("no connection to the relay", { message });
      } finally {
        this.#connection = undefined;
      }
      failures++;
      const retryInMs = Math.round(backoffMs(RELAY_BACKOFF, failures, this.#options.random()));
      this.#changed({ kind: "lost", retryInMs, message });
      await this.#options.clock.sleep(retryInMs, signal).catch((error: unknown) => {
        if (!isAbort(error, signal)) throw error; // an abort ends the loop at its head
      });
    }
  }

  /** Dials the relay and makes a reservation. `closed` resolves when the connection ends. */
  async #connect(signal: AbortSignal): Promise<{ readonly closed: Promise<void> }> {
    const attempt = AbortSignal.any([signal, AbortSignal.timeout(TAB_NODE_LIMITS.dialTimeoutMs)]);
    const addresses = await this.#options.relayAddresses(attempt);
    const connection = await this.#options.node.dial(
      addresses.map((address) => multiaddr(address)),
      { signal: attempt },
    );
    const closed = new Promise<void>((resolve) => {
      connection.addEventListener("close", () => resolve(), { once: true });
      if (connection.status !== "open") resolve();
    });
    try {
      const listener = await this.#reserve(connection, attempt);
      // If the listener outlived its connection, it would take up the next connection's reservation a second time.
      void closed
        .then(() => listener.close())
        .catch((error: unknown) => this.#options.log.warn("listener", { message: errorMessage(error) }));
    } catch (error) {
      await connection.close(); // without a reservation no peer can call this tab
      throw error;
    }
    this.#connection = connection;
    return { closed };
  }

  async #reserve(connection: Connection, signal: AbortSignal): Promise<Listener> {
    const { transportManager } = this.#options.node.services.inside;
    const before = new Set(transportManager.getListeners());
    const listening = transportManager.listen([connection.remoteAddr.encapsulate("/p2p-circuit")]);
    const listener = transportManager.getListeners().find((candidate) => !before.has(candidate));
    try {
      await abortable(listening, signal);
    } catch (error) {
      listening.catch(() => undefined); // `abortable` has thrown this error, or the signal's reason
      await listener?.close();
      throw error;
    }
    if (listener === undefined) throw new ManyhandsError("RELAY_UNREACHABLE", "the relay made no reservation");
    return listener;
  }

  #changed(status: RelayStatus): void {
    this.#relay = status;
    this.#events.emit("relay:changed", status);
  }
}
