// Keeps a tab connected to its relay, with a reservation there, so that other tabs can call it; retries with backoff.
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
import { DEFAULTS as NODE_DEFAULTS, type TabNode } from "./libp2p-node.ts";
import type { Link } from "../ports/link.ts";
import { StreamLink } from "./stream-link.ts";

/** The relay as others see it: whether it answers, and links to it. */
export interface RelayPort extends Observable<{ readonly "relay:changed": RelayStatus }> {
  readonly relay: RelayStatus;
  /** Opens a link to the relay. Throws RELAY_UNREACHABLE while there is no connection, or the signal's reason. */
  openRelay(protocol: string, signal: AbortSignal): Promise<Link>;
}

export interface RelayConnectionOptions {
  readonly node: TabNode;
  /**
   * Where the relay is, asked before each try, as multiaddrs with the relay's peer id (`/dns4/…/tcp/443/wss/p2p/…`).
   * A relay may have moved or changed its key since the last try.
   */
  readonly relayAddresses: (signal: AbortSignal) => Promise<readonly string[]>;
  readonly clock: Clock;
  /** In [0, 1), for the jitter. */
  readonly random: () => number;
  readonly log: Log;
}

/** Runs from `start` until the signal given there aborts. */
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

  /** The address to call others through, ending in the relay's id; undefined while there is no connection. */
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
      throw new ManyhandsError("RELAY_UNREACHABLE", `the relay does not answer: ${errorMessage(cause)}`, { cause });
    }
  }

  /** Settles, never rejects, when `signal` aborts. */
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
        if (!isAbort(error, signal)) throw error; // the loop's head ends it
      });
    }
  }

  /** Dials and reserves. `closed` resolves when the connection ends. */
  async #connect(signal: AbortSignal): Promise<{ readonly closed: Promise<void> }> {
    const attempt = AbortSignal.any([signal, AbortSignal.timeout(NODE_DEFAULTS.dialTimeoutMs)]);
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
      // A listener of a lost connection would take up the next one's reservation a second time.
      void closed
        .then(() => listener.close())
        .catch((error: unknown) => this.#options.log.warn("listener", { message: errorMessage(error) }));
    } catch (error) {
      await connection.close(); // a relay that cannot signal for us is of no use
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
      listening.catch(() => undefined); // reported through the race already
      await listener?.close();
      throw error;
    }
    if (listener === undefined) throw new ManyhandsError("RELAY_UNREACHABLE", "no reservation could be made at the relay");
    return listener;
  }

  #changed(status: RelayStatus): void {
    this.#relay = status;
    this.#events.emit("relay:changed", status);
  }
}
