// Joins the swarm when that is first wanted, keeps trying while the relay is away, and shows what it finds.
import { awaitRelay } from "../shared/await-relay.ts";
import { Backoff } from "../shared/backoff.ts";
import { errorCode } from "../shared/errors.ts";
import { join, type Joined, type JoinOptions } from "./joined.ts";
import type { Bootstrap } from "../protocol/relay-api.ts";
import { fetchBootstrap } from "./fetch-bootstrap.ts";
import { showJoined } from "./show-joined.ts";
import type { StateStore } from "./state-store.ts";

export interface JoiningOptions extends Pick<JoinOptions, "platform" | "folderOf" | "standings" | "clock"> {
  readonly store: StateStore;
  /** The node's life. */
  readonly signal: AbortSignal;
}

/** Its maker stops it: first aborts `signal`, then calls `stop`. */
export class Joining {
  readonly #options: JoiningOptions;
  /** Pauses between two calls to a relay that does not reply. */
  readonly #backoff: Backoff;
  #joining: Promise<Joined> | undefined;
  #joined: Joined | undefined;

  constructor(options: JoiningOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.clock, Math.random);
  }

  /** Undefined until this tab has joined. */
  get joined(): Joined | undefined {
    return this.#joined;
  }

  /** Waits for a relay that is away. Throws BROWSER_UNSUPPORTED or the signal's reason; the next call tries again. */
  join(): Promise<Joined> {
    this.#backoff.hurry(); // the caller wants to join now
    this.#joining ??= this.#joinOnce().catch((error: unknown) => {
      this.#joining = undefined;
      throw error;
    });
    return this.#joining;
  }

  /** As `join`, but does not wait forever. `advice`: what the person should do. Throws RELAY_UNREACHABLE too. */
  joinSoon(signal: AbortSignal, advice: string): Promise<Joined> {
    return this.soon(this.join(), signal, advice);
  }

  /**
   * Settles like `waiting`, which waits until this tab has joined, but does not wait forever for the relay; joining
   * goes on. `advice`: what the person should do. Throws RELAY_UNREACHABLE, what `waiting` throws, or the signal's
   * reason.
   */
  soon<T>(waiting: Promise<T>, signal: AbortSignal, advice: string): Promise<T> {
    const { clock, platform } = this.#options;
    return awaitRelay(waiting, { clock, relay: platform.config.relayOrigin, isAway: () => this.#joined === undefined, advice }, signal);
  }

  async stop(): Promise<void> {
    const joined = await this.#joining?.catch(() => undefined); // a join that failed left nothing to stop
    await joined?.stop();
  }

  async #joinOnce(): Promise<Joined> {
    const { store, signal, ...options } = this.#options;
    const bootstrap = await this.#bootstrap();
    const joined = await join(
      {
        ...options,
        bootstrap,
        backend: () => store.state.backendChoice,
        keepBytes: () => store.state.keepBytes,
        share: () => store.state.share,
        onNotice: (sentence) => store.notice(sentence),
        onServedTasks: (servedTasks) => store.update({ servedTasks }, "tallies"),
        onCredit: (credit) => store.update({ credit }, "tallies"),
      },
      signal,
    );
    this.#joined = joined;
    showJoined(joined, store, bootstrap.name);
    options.platform.onHide({ going: () => joined.going(), vanish: () => joined.vanish() }, signal);
    return joined;
  }

  /** Asks until the relay replies, and shows when the next try comes. */
  async #bootstrap(): Promise<Bootstrap> {
    const { store, signal, platform } = this.#options;
    for (;;) {
      try {
        const bootstrap = await fetchBootstrap(platform.config.relayOrigin, signal);
        store.update({ relay: { kind: "connecting", name: bootstrap.name, retryInMs: undefined } });
        return bootstrap;
      } catch (error) {
        if (errorCode(error) !== "RELAY_UNREACHABLE") throw error;
        await this.#backoff.pause((retryInMs) => store.update({ relay: { kind: "lost", name: undefined, retryInMs } }), signal);
      }
    }
  }
}
