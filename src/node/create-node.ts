// Makes the node of this tab: the wiring diagram in code. Nothing is fetched or computed before `lend(true)` or `generate`.
import { startWorkerEngine } from "../engine/engine-client.ts";
import type { GenerateEvent } from "../inference/generate-event.ts";
import { generate } from "../inference/generate.ts";
import type { RelayStatus, Swarm } from "../mesh/directory.ts";
import { createSampler } from "../model/sampler.ts";
import { findGaps } from "../route/coverage.ts";
import { abortable } from "../shared/abort.ts";
import { systemClock } from "../shared/clock.ts";
import { errorCode, ManyhandsError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import { RetryPause } from "../shared/retry-pause.ts";
import { readConfig } from "./config.ts";
import { findRoute } from "./find-route.ts";
import type { BackendChoice, GenerateOptions, HostKind, Node, NodeState, SwarmPeer } from "./handle.ts";
import { join, type Joined } from "./joined.ts";
import { Lender } from "./lender.ts";
import { toProblem } from "./problem.ts";
import { fetchBootstrap, type Bootstrap } from "./relay-api.ts";
import { StateStore } from "./state-store.ts";

const DEFAULTS = Object.freeze({
  /** Milliseconds for which a prompt waits for a relay that does not answer. */
  askPatienceMs: 12_000,
});

const consoleLog: Log = {
  debug: (message, fields) => console.debug(message, fields),
  info: (message, fields) => console.info(message, fields),
  warn: (message, fields) => console.warn(message, fields),
};

export function createNode(options: { readonly host: HostKind }): Promise<Node> {
  return Promise.resolve(new TabNode(options.host));
}

class TabNode implements Node {
  readonly #config;
  readonly #store = new StateStore();
  readonly #life = new AbortController();
  /** Between two calls to a relay that does not answer. */
  readonly #pause = new RetryPause(systemClock, Math.random);
  #joining: Promise<Joined> | undefined;
  #joined: Joined | undefined;
  #lender: Lender | undefined;
  #lendWanted = false;
  #stopped: Promise<void> | undefined;

  constructor(host: HostKind) {
    this.#config = readConfig(host);
  }

  get state(): NodeState {
    return this.#store.state;
  }

  subscribe(listener: (state: NodeState) => void): () => void {
    return this.#store.subscribe(listener);
  }

  async lend(on: boolean): Promise<void> {
    this.#lendWanted = on;
    await this.#lender?.stop();
    this.#lender = undefined;
    if (!on) {
      this.#store.update({ lend: { kind: "off" } });
      return;
    }
    this.#store.update({ lend: { kind: "joining", step: "Asking the relay where to join" } });
    try {
      const joined = await this.#join();
      // The switch may have been thrown again while this tab joined.
      if (this.#lendWanted && !this.#lender) this.#startLending(joined);
    } catch (error) {
      if (this.#lendWanted && !this.#life.signal.aborted) this.#store.update({ lend: { kind: "failed", problem: toProblem(error) } });
    }
  }

  setShare(share: number): void {
    this.#store.update({ share: Math.min(1, Math.max(0.1, share)) });
    this.#lender?.settingsChanged();
  }

  setBackend(choice: BackendChoice): void {
    this.#store.update({ backendChoice: choice });
    this.#lender?.settingsChanged();
  }

  async *generate(prompt: string, options: Partial<GenerateOptions>, signal: AbortSignal): AsyncGenerator<GenerateEvent, void> {
    if (prompt.trim() === "") throw new ManyhandsError("BAD_INPUT", "The prompt is empty. Type the beginning of a text and ask again.");
    const until = AbortSignal.any([signal, this.#life.signal]);
    yield { kind: "waiting", message: this.#joined ? "Looking for a route." : "Joining the swarm.", progress: undefined };
    const joined = await this.#joinForPrompt(until);
    const { model, directory, solo } = joined;
    yield* generate(
      {
        mesh: joined.mesh,
        model,
        clock: systemClock,
        random: (bytes) => crypto.getRandomValues(bytes),
        createSampler,
        findRoute: (exclude, routeSignal) => findRoute({ model, directory, solo, clock: systemClock }, exclude, routeSignal),
      },
      prompt,
      options,
      until,
    );
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await this.lend(false);
    this.#life.abort(new ManyhandsError("PEER_LOST", "This tab has left the swarm."));
    const joined = await this.#joining?.catch(() => undefined); // a join that failed left nothing to stop
    await joined?.stop();
  }

  #startLending(joined: Joined): void {
    const { mesh, model, directory, service } = joined;
    this.#lender = new Lender({
      self: mesh.self,
      host: this.#config.host,
      model,
      directory,
      service,
      startEngine: startWorkerEngine,
      clock: systemClock,
      settings: () => ({ share: this.state.share, backend: this.state.backendChoice }),
      onState: (lend) => this.#store.update({ lend }),
      onNotice: (sentence) => this.#store.notice(sentence),
    });
    this.#lender.start();
  }

  /** A prompt does not wait for ever for a relay that is away; joining itself goes on trying. */
  async #joinForPrompt(signal: AbortSignal): Promise<Joined> {
    const patience = AbortSignal.timeout(DEFAULTS.askPatienceMs);
    try {
      return await abortable(this.#join(), AbortSignal.any([signal, patience]));
    } catch (error) {
      signal.throwIfAborted();
      if (!patience.aborted || this.#joined) throw error;
      throw new ManyhandsError(
        "RELAY_UNREACHABLE",
        `The relay at ${this.#config.relayOrigin} does not answer, so no peers can be found. Your prompt is kept: check your connection and ask again.`,
        { cause: error },
      );
    }
  }

  #join(): Promise<Joined> {
    this.#pause.hurry(); // whoever wants to join wants it now
    this.#joining ??= this.#joinOnce().catch((error: unknown) => {
      this.#joining = undefined; // the next call tries again
      throw error;
    });
    return this.#joining;
  }

  async #joinOnce(): Promise<Joined> {
    const { signal } = this.#life;
    const bootstrap = await this.#bootstrap(signal);
    const joined = await join(
      {
        config: this.#config,
        bootstrap,
        log: consoleLog,
        backend: () => this.state.backendChoice,
        onNotice: (sentence) => this.#store.notice(sentence),
      },
      signal,
    );
    this.#joined = joined;
    this.#store.update({ self: joined.mesh.self, model: joined.model.summary });
    const onRelay = (status: RelayStatus): void => this.#showRelay(status, bootstrap.name);
    onRelay(joined.directory.relay);
    joined.directory.on("relay:changed", onRelay);
    joined.directory.on("swarm:changed", (swarm) => this.#showSwarm(joined, swarm));
    joined.service.on("span:served", ({ positions }) => this.#count({ tokens: positions }));
    joined.service.on("frame:refused", () => this.#count({ refusedFrames: 1 }));
    joined.service.on("sessions:changed", ({ open }) => this.#store.update({ served: { ...this.state.served, sessions: open } }, "counts"));
    // The event that a closing tab still gets; a page kept for the back button comes to life again as a new one.
    addEventListener("pagehide", () => joined.vanish(), { signal });
    addEventListener("pageshow", (event) => event.persisted && location.reload(), { signal });
    return joined;
  }

  /** Asks until the relay answers, showing when the next try comes. */
  async #bootstrap(signal: AbortSignal): Promise<Bootstrap> {
    for (;;) {
      try {
        const bootstrap = await fetchBootstrap(this.#config.relayOrigin, signal);
        this.#store.update({ relay: { kind: "connecting", name: bootstrap.name, retryInMs: undefined } });
        return bootstrap;
      } catch (error) {
        if (errorCode(error) !== "RELAY_UNREACHABLE") throw error;
        await this.#pause.take((retryInMs) => this.#store.update({ relay: { kind: "lost", name: undefined, retryInMs } }), signal);
      }
    }
  }

  #showRelay(status: RelayStatus, name: string): void {
    this.#store.update({ relay: { kind: status.kind, name, retryInMs: status.kind === "lost" ? status.retryInMs : undefined } });
  }

  #showSwarm({ mesh, model }: Joined, { peers }: Swarm): void {
    const here = peers.filter((peer) => peer.model === model.id);
    const swarm = here.map((peer): SwarmPeer => ({
      peer: peer.peer,
      isSelf: peer.peer === mesh.self,
      host: peer.host,
      backend: peer.backend,
      span: peer.serving[0] ?? peer.target ?? undefined,
      serving: peer.serving.length > 0,
      sessions: peer.sessions,
      tokensServed: peer.tokensServed,
      layerMs: peer.layerMs ?? undefined,
    }));
    const gaps = findGaps(
      here.flatMap((peer) => peer.serving),
      model.layerCount,
    );
    const places = (peers: readonly SwarmPeer[]): string => JSON.stringify(peers.map(({ peer, span, serving }) => [peer, span, serving]));
    this.#store.update({ swarm, gaps }, places(swarm) === places(this.state.swarm) ? "counts" : "frame");
  }

  #count(more: { readonly tokens?: number; readonly refusedFrames?: number }): void {
    const { served } = this.state;
    const tokens = served.tokens + (more.tokens ?? 0);
    const refusedFrames = served.refusedFrames + (more.refusedFrames ?? 0);
    this.#store.update({ served: { ...served, tokens, refusedFrames } }, "counts");
  }
}
