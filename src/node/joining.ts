// Joins the swarm when that is first wanted, and goes on trying while the relay is away; what it finds goes to the state.
import { abortable } from "../shared/abort.ts";
import { systemClock } from "../shared/clock.ts";
import { errorCode, ManyhandsError } from "../shared/errors.ts";
import { Backoff } from "../shared/backoff.ts";
import { join, type Joined, type JoinOptions } from "./joined.ts";
import type { Bootstrap } from "../protocol/relay-api.ts";
import { fetchBootstrap } from "./fetch-bootstrap.ts";
import { showJoined } from "./show-joined.ts";
import type { StateStore } from "./state-store.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds for which a prompt waits for a relay that does not answer. */
  askPatienceMs: 12_000,
});

export interface JoiningDeps extends Pick<JoinOptions, "platform" | "folderOf" | "standings"> {
  readonly store: StateStore;
  /** The node's life. */
  readonly signal: AbortSignal;
}

/** Whoever asked for it stops it: by `stop`, once `signal` has aborted. */
export class Joining {
  readonly #deps: JoiningDeps;
  /** Between two calls to a relay that does not answer. */
  readonly #backoff = new Backoff(systemClock, Math.random);
  #joining: Promise<Joined> | undefined;
  #joined: Joined | undefined;

  constructor(deps: JoiningDeps) {
    this.#deps = deps;
  }

  /** Undefined until the relay has answered. */
  get joined(): Joined | undefined {
    return this.#joined;
  }

  /** Waits for a relay that is away. Throws BROWSER_UNSUPPORTED or the signal's reason; the next call tries again. */
  join(): Promise<Joined> {
    this.#backoff.hurry(); // whoever wants to join wants it now
    this.#joining ??= this.#joinOnce().catch((error: unknown) => {
      this.#joining = undefined;
      throw error;
    });
    return this.#joining;
  }

  /** As `join`, but not for ever. `advice`: what a person is told to do. Throws RELAY_UNREACHABLE too. */
  joinSoon(signal: AbortSignal, advice: string): Promise<Joined> {
    return this.soon(this.join(), signal, advice);
  }

  /**
   * `waiting`, which waits for joining, but not for ever: that goes on trying. `advice`: what a person is told to do. Throws
   * RELAY_UNREACHABLE, what `waiting` throws, or the signal's reason.
   */
  async soon<T>(waiting: Promise<T>, signal: AbortSignal, advice: string): Promise<T> {
    const patience = AbortSignal.timeout(DEFAULTS.askPatienceMs);
    try {
      return await abortable(waiting, AbortSignal.any([signal, patience]));
    } catch (error) {
      signal.throwIfAborted();
      if (!patience.aborted || this.#joined) throw error;
      throw new ManyhandsError(
        "RELAY_UNREACHABLE",
        `The relay at ${this.#deps.platform.config.relayOrigin} does not answer, so no peers can be found. ${advice}`,
        { cause: error },
      );
    }
  }

  async stop(): Promise<void> {
    const joined = await this.#joining?.catch(() => undefined); // a join that failed left nothing to stop
    await joined?.stop();
  }

  async #joinOnce(): Promise<Joined> {
    const { store, signal, ...deps } = this.#deps;
    const bootstrap = await this.#bootstrap();
    const joined = await join(
      {
        ...deps,
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
    deps.platform.onHide({ going: () => joined.going(), vanish: () => joined.vanish() }, signal);
    return joined;
  }

  /** Asks until the relay answers, showing when the next try comes. */
  async #bootstrap(): Promise<Bootstrap> {
    const { store, signal, platform } = this.#deps;
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
