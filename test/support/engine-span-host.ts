// Serves a span in the same thread: an engine and its service, as one `SpanHost`.
import type { Engine, StartEngine } from "../../src/engine/contract.ts";
import { SpanService, type SpanServiceOptions, type SpanServiceEvents } from "../../src/inference/server/span-service.ts";
import type { Link } from "../../src/mesh/ports/link.ts";
import type { SpanHost, StartSpan } from "../../src/node/spans/span-host.ts";

type HostDeps = Omit<SpanServiceOptions, "engine">;

/** Serves what `startEngine` builds. */
export function startEngineSpan(deps: HostDeps, startEngine: StartEngine): StartSpan {
  return async (source, options, signal) => new EngineSpanHost(await startEngine(source, options, signal), deps);
}

class EngineSpanHost implements SpanHost {
  readonly #engine: Engine;
  readonly #service: SpanService;

  constructor(engine: Engine, deps: HostDeps) {
    this.#engine = engine;
    this.#service = new SpanService({ ...deps, engine });
  }

  get plan(): SpanHost["plan"] {
    return this.#engine.plan;
  }

  get report(): SpanHost["report"] {
    return this.#engine.report;
  }

  get died(): Promise<Error> {
    return this.#engine.died;
  }

  get openSessions(): number {
    return this.#service.openSessions;
  }

  get reservedPositions(): number {
    return this.#service.reservedPositions;
  }

  on<Name extends keyof SpanServiceEvents>(name: Name, listener: (payload: SpanServiceEvents[Name]) => void): () => void {
    return this.#service.on(name, listener);
  }

  accept(link: Link): void {
    this.#service.accept(link);
  }

  retire(signal: AbortSignal): Promise<void> {
    return this.#service.retire(signal);
  }

  leave(signal: AbortSignal): Promise<void> {
    return this.#service.leave(signal);
  }

  setShare(share: number): void {
    this.#engine.setShare(share);
  }

  async dispose(): Promise<void> {
    await this.#service.stop();
    await this.#engine.dispose();
  }
}
