// Lenders in a swarm in memory, with real spans: who holds which layers, and that coverage never breaks on the way.
import { afterEach, describe, expect, it } from "vitest";
import type { StartEngine } from "../../../src/engine/contract.ts";
import { MemoryBoard } from "../../../src/mesh/memory/memory-directory.ts";
import { MemoryNetwork } from "../../../src/mesh/memory/memory-mesh.ts";
import { startEngineSpan } from "../../support/engine-span-host.ts";
import type { LendState } from "../../../src/node/face.ts";
import { isStillNeeded } from "../../../src/node/spans/lender-facts.ts";
import { Lender, type SpanLoader } from "../../../src/node/spans/lender.ts";
import { HeldSpans } from "../../../src/node/spans/held-spans.ts";
import { joinParts } from "../../../src/protocol/span-plan.ts";
import { findGaps } from "../../../src/route/coverage.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { ManyhandsError } from "../../../src/shared/errors.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { BUNDLED, bundledEngine, bundledSpan } from "../../support/bundled-model.ts";

const model: SpanLoader = {
  id: BUNDLED.id,
  layerCount: 8,
  headLayers: 0,
  loadSpan: (span) => Promise.resolve(joinParts([bundledSpan(span.start, span.end)])),
};
const startEngine: StartEngine = (source) => bundledEngine(source.plan.span.start, source.plan.span.end);

class World {
  readonly board = new MemoryBoard();
  readonly network = new MemoryNetwork();
  readonly lenders = new Map<string, Lender>();
  readonly states = new Map<string, LendState[]>();
  /** How often a layer lost its last peer after all layers had been served. */
  broken = 0;

  constructor() {
    let covered = false;
    this.board.on("swarm:changed", ({ peers }) => {
      const whole =
        findGaps(
          peers.flatMap((peer) => peer.serving),
          8,
        ).length === 0;
      if (covered && !whole) this.broken++;
      covered = whole;
    });
  }

  join(name: string, loader: SpanLoader = model): void {
    const self = asPeerId(name);
    const mesh = this.network.join(self);
    const states: LendState[] = [];
    const lender = new Lender({
      self,
      host: "page",
      model: loader,
      directory: this.board.join(self),
      heldSpans: new HeldSpans(mesh),
      startSpan: startEngineSpan({ mesh, clock: systemClock, log: silentLog }, startEngine),
      clock: systemClock,
      settings: () => ({ share: 1, backend: "auto" }),
      onState: (state) => states.push(state),
      onNotice: () => {},
    });
    this.lenders.set(name, lender);
    this.states.set(name, states);
    lender.start();
  }

  spans(): string[] {
    return this.board.swarm.peers
      .map(({ peer, serving }) => `${peer} ${serving.map((span) => `${span.start}-${span.end}`).join()}`)
      .toSorted((a, b) => a.localeCompare(b));
  }

  async until(expected: readonly string[]): Promise<void> {
    const reached = (): boolean => this.spans().join("|") === expected.join("|");
    if (reached()) return;
    await new Promise<void>((resolve) => {
      const stop = this.board.on("swarm:changed", () => {
        if (!reached()) return;
        stop();
        resolve();
      });
    });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.lenders.values()].map((lender) => lender.stop()));
  }
}

describe("Lender", () => {
  let world = new World();
  afterEach(async () => {
    await world.stop();
    world = new World();
  });

  it("grows from one tab to three and back to one, and leaves no layer unserved while tabs join", async () => {
    world.join("a");
    await world.until(["a 0-8"]);
    world.join("b");
    await world.until(["a 0-4", "b 4-8"]);
    world.join("c");
    await world.until(["a 0-2", "b 4-8", "c 2-4"]);
    expect(world.broken).toBe(0);
    await world.lenders.get("c")?.stop();
    await world.until(["a 0-4", "b 4-8"]);
    world.board.remove(asPeerId("a")); // as the relay does when a tab is killed
    await world.lenders.get("a")?.stop();
    await world.until(["b 0-8"]);
  });

  it("settles when several join at once", async () => {
    for (const name of ["a", "b", "c", "d"]) world.join(name);
    await new Promise<void>((resolve) => {
      const stop = world.board.on("swarm:changed", ({ peers }) => {
        const spans = peers.flatMap((peer) => peer.serving);
        const layers = spans.reduce((sum, span) => sum + span.end - span.start, 0);
        if (spans.length !== 4 || layers !== 8 || findGaps(spans, 8).length > 0) return;
        stop();
        resolve();
      });
    });
  });

  it("makes pipelines of tabs that have room for half the model, and announces how many layers fit, and the class", async () => {
    const half: SpanLoader = { ...model, fit: ({ start, end }) => ({ start, end: Math.min(end, start + 4) }) };
    for (const [name, spans] of [
      ["a", ["a 0-4"]],
      ["b", ["a 0-4", "b 4-8"]],
      ["c", ["a 0-4", "b 4-8", "c 0-4"]],
      ["d", ["a 0-4", "b 4-8", "c 0-4", "d 4-8"]],
    ] as const) {
      world.join(name, half);
      await world.until(spans);
    }
    expect(world.broken).toBe(0);
    for (const peer of world.board.swarm.peers) {
      expect(peer.maxLayers).toBe(4);
      expect(peer.determinismClass).toBe("test");
      expect(peer.freeCacheBytes).toBe(256 * 1024 * 1024);
    }
    await world.lenders.get("a")?.stop();
    await world.lenders.get("b")?.stop();
    await world.until(["c 0-4", "d 4-8"]);
  });

  it("keeps serving the span that it left for as long as a route needs that span", () => {
    const span = (start: number, end: number) => ({ start, end });
    expect(isStillNeeded(span(0, 5), [span(0, 4), span(5, 8)], 8)).toBe(true);
    expect(isStillNeeded(span(0, 5), [span(0, 4), span(4, 8)], 8)).toBe(false);
    expect(isStillNeeded(span(0, 5), [span(0, 4), span(6, 8)], 8)).toBe(false); // with it there is no route either
  });

  it("shows that it is off when it is stopped while it starts", async () => {
    world.join("a");
    await world.lenders.get("a")?.stop();
    expect(world.states.get("a")?.at(-1)).toEqual({ kind: "off" });
    expect(world.board.swarm.peers).toEqual([]);
  });

  it("shows why it failed, and leaves the swarm, if its span cannot be loaded", async () => {
    const failing: SpanLoader = { ...model, loadSpan: () => Promise.reject(new ManyhandsError("MODEL_CORRUPT", "not what was promised")) };
    const left = new Promise<void>((resolve) => {
      const stop = world.board.on("swarm:changed", ({ revision, peers }) => {
        if (revision < 2 || peers.length > 0) return;
        stop();
        resolve();
      });
    });
    world.join("a", failing);
    await left;
    expect(world.states.get("a")?.at(-1)).toEqual({ kind: "failed", problem: { code: "MODEL_CORRUPT", message: "not what was promised" } });
  });
});
