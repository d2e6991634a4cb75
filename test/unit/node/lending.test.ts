// The state machine of lending: the newest wish wins, and nothing of an older one goes on.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StartEngine } from "../../../src/engine/contract.ts";
import { MemoryBoard } from "../../../src/mesh/memory/memory-directory.ts";
import { MemoryNetwork } from "../../../src/mesh/memory/memory-mesh.ts";
import type { ModelOffer } from "../../../src/model/model-summary.ts";
import type { LendState } from "../../../src/node/face.ts";
import { HeldSpans } from "../../../src/node/spans/held-spans.ts";
import type { SpanLoader } from "../../../src/node/spans/lender.ts";
import { Lending, type LendingGround, type LendingOptions } from "../../../src/node/lending.ts";
import { Presence } from "../../../src/node/spans/presence.ts";
import { joinParts } from "../../../src/protocol/span-plan.ts";
import { abortable } from "../../../src/shared/abort.ts";
import { systemClock } from "../../../src/shared/clock.ts";
import { ManyhandsError } from "../../../src/shared/errors.ts";
import { asModelId, asPeerId, type ModelId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { BUNDLED, bundledEngine, bundledSpan } from "../../support/bundled-model.ts";
import { startEngineSpan } from "../../support/engine-span-host.ts";

const [FIRST, SECOND] = [asModelId("first"), asModelId("second")];
const SELF = asPeerId("self");

const offerOf = (id: ModelId): ModelOffer => ({
  id,
  name: id,
  layerCount: 8,
  contextLength: 512,
  sizeBytes: 1,
  licence: "MIT",
  dtype: "fp32",
  chat: false,
  layerBytes: 1,
  edgeBytes: 1,
  cacheBytes: 1,
});
const loaderOf = (id: ModelId): SpanLoader => ({
  id,
  layerCount: 8,
  headLayers: 0,
  loadSpan: (span) => Promise.resolve(joinParts([bundledSpan(span.start, span.end)])),
});
const startEngine: StartEngine = (source) => bundledEngine(source.plan.span.start, source.plan.span.end);

/** A tab over a swarm in memory. Tests replace how it joins, and how it opens a model. */
class Tab {
  readonly board = new MemoryBoard();
  readonly states: LendState[] = [];
  /** What the volunteer was asked to do, and the models that were opened and lent, in order. */
  readonly calls: string[] = [];
  readonly life = new AbortController();
  offers = [FIRST, SECOND].map(offerOf);
  join: () => Promise<LendingGround> = () => Promise.resolve(this.ground);
  open: (id: ModelId) => Promise<{ readonly model: SpanLoader }> = (id) => Promise.resolve({ model: loaderOf(id) });
  #onState = (): void => {};
  readonly #mesh = new MemoryNetwork().join(SELF);

  start(links: LendingOptions["links"] = "direct"): Lending {
    return new Lending({
      links,
      host: "page",
      join: () => this.join(),
      settings: () => ({ share: 1, backend: "auto" }),
      onState: (state) => {
        this.states.push(state);
        this.#onState();
      },
      onNotice: () => {},
      onModel: (model) => this.calls.push(`lends ${model}`),
      clock: systemClock,
      signal: this.life.signal,
    });
  }

  get ground(): LendingGround {
    const { board, offers } = this;
    const directory = board.join(SELF);
    return {
      mesh: this.#mesh,
      directory,
      offers,
      presence: new Presence(directory, "page"),
      heldSpans: new HeldSpans(this.#mesh),
      startSpan: startEngineSpan({ mesh: this.#mesh, clock: systemClock, log: silentLog }, startEngine),
      models: {
        open: (model, signal) => {
          this.calls.push(`opens ${model}`);
          return abortable(this.open(model), signal);
        },
      },
      volunteer: { lend: (on) => this.calls.push(`tasks ${on}`) },
    };
  }

  /** The kinds of the states, without repetitions. */
  get kinds(): string[] {
    return this.states.map(({ kind }) => kind).filter((kind, index, all) => kind !== all[index - 1]);
  }

  /** Resolves when the newest state is of this kind. */
  async until(kind: LendState["kind"]): Promise<void> {
    while (this.states.at(-1)?.kind !== kind) await new Promise<void>((resolve) => (this.#onState = resolve));
  }
}

describe("Lending", () => {
  let tab: Tab;
  let lending: Lending;
  beforeEach(() => {
    tab = new Tab();
    lending = tab.start();
  });
  afterEach(() => lending.lend(false));

  it("joins, opens a model, serves it, and computes tasks, until it is switched off", async () => {
    await lending.lend(true);
    await tab.until("serving");
    expect(tab.calls).toEqual(["tasks true", "opens first", "lends first"]);
    expect(tab.board.swarm.peers).toMatchObject([{ peer: SELF, model: FIRST }]);
    await lending.lend(false);
    expect(tab.kinds).toEqual(["joining", "loading", "preparing", "serving", "off"]);
    expect(tab.calls.at(-1)).toBe("tasks false");
    expect(tab.board.swarm.peers).toEqual([]);
  });

  it("lends nothing if it is switched off while it joins", async () => {
    const joining = Promise.withResolvers<LendingGround>();
    tab.join = () => joining.promise;
    const on = lending.lend(true);
    expect(tab.kinds).toEqual(["joining"]);
    await Promise.all([lending.lend(false), on]); // neither waits for joining
    joining.resolve(tab.ground);
    await new Promise((resolve) => setImmediate(resolve));
    expect(tab.kinds).toEqual(["joining", "off"]);
    expect(tab.calls).toEqual([]);
  });

  it("lends once, however often it is switched while it opens a model", async () => {
    const opening = Promise.withResolvers<void>();
    tab.open = (id) => opening.promise.then(() => ({ model: loaderOf(id) }));
    const switched = [true, false, true, true].map((on) => lending.lend(on));
    await new Promise((resolve) => setImmediate(resolve));
    opening.resolve();
    await Promise.all(switched);
    await tab.until("serving");
    expect(tab.calls.filter((call) => call.startsWith("lends"))).toEqual(["lends first"]);
  });

  it("opens another model if the wish changes while one is opened, and does not wait for the first", async () => {
    tab.open = (id) => (id === FIRST ? new Promise(() => {}) : Promise.resolve({ model: loaderOf(id) }));
    const on = lending.lend(true);
    while (!tab.calls.includes("opens first")) await new Promise((resolve) => setImmediate(resolve));
    lending.setModel(SECOND);
    await on;
    await tab.until("serving");
    expect(tab.calls.filter((call) => call !== "tasks true")).toEqual(["opens first", "opens second", "lends second"]);
  });

  it("changes over to another model while it lends, and keeps computing tasks", async () => {
    await lending.lend(true);
    await tab.until("serving");
    lending.setModel(FIRST); // as it does already
    lending.setModel(undefined);
    expect(tab.kinds.at(-1)).toBe("serving");
    lending.setModel(SECOND);
    await tab.until("loading");
    await tab.until("serving");
    expect(tab.board.swarm.peers).toMatchObject([{ peer: SELF, model: SECOND }]);
    expect(tab.calls).not.toContain("tasks false");
  });

  it("stops for good if it is switched off in the middle of a change", async () => {
    await lending.lend(true);
    await tab.until("serving");
    lending.setModel(SECOND);
    await lending.lend(false);
    expect(tab.states.at(-1)).toEqual({ kind: "off" });
    expect(tab.calls).not.toContain("opens second");
    expect(tab.board.swarm.peers).toEqual([]);
  });

  it("shows why it failed, stops computing tasks, and tries again when it is switched on again", async () => {
    tab.open = () => Promise.reject(new ManyhandsError("MODEL_UNAVAILABLE", "no such file"));
    await lending.lend(true);
    expect(tab.states.at(-1)).toEqual({ kind: "failed", problem: { code: "MODEL_UNAVAILABLE", message: "no such file" } });
    expect(tab.calls.at(-1)).toBe("tasks false");
    tab.open = (id) => Promise.resolve({ model: loaderOf(id) });
    await lending.lend(true);
    await tab.until("serving");
    expect(tab.calls.filter((call) => call.startsWith("tasks"))).toEqual(["tasks true", "tasks false", "tasks true"]);
  });

  it("stops computing tasks when its Lender fails", async () => {
    const loadSpan = (): Promise<never> => Promise.reject(new ManyhandsError("MODEL_CORRUPT", "not what was promised"));
    tab.open = (id) => Promise.resolve({ model: { ...loaderOf(id), loadSpan } });
    await lending.lend(true);
    await tab.until("failed");
    expect(tab.calls.at(-1)).toBe("tasks false");
  });

  it("only computes tasks if the relay offers no model, or none fits", async () => {
    tab.offers = [];
    await lending.lend(true);
    expect(tab.states.at(-1)).toEqual({ kind: "tasks-only", why: "no-model" });
    tab.offers = [offerOf(BUNDLED.id)];
    tab.open = (id) => Promise.resolve({ model: { ...loaderOf(id), fit: () => undefined } });
    await lending.lend(true);
    expect(tab.states.at(-1)).toEqual({ kind: "tasks-only", why: "no-room" });
    expect(tab.calls).not.toContain("tasks false");
  });

  it("refuses before it joins if other peers cannot reach this one", async () => {
    tab.join = () => Promise.reject(new Error("joined"));
    await tab.start("relayed").lend(true);
    expect(tab.states.at(-1)).toMatchObject({ kind: "failed", problem: { code: "BROWSER_UNSUPPORTED" } });
  });

  it("shows no failure once its node has stopped", async () => {
    const joining = Promise.withResolvers<LendingGround>();
    tab.join = () => joining.promise;
    const on = lending.lend(true);
    tab.life.abort(new Error("the node stops"));
    joining.reject(new Error("the node stops"));
    await on;
    expect(tab.kinds).toEqual(["joining"]);
  });
});
