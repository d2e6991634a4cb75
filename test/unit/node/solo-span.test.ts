// The whole model for a tab's own prompts: it is loaded when a prompt needs it, and freed when none does.
import { beforeEach, describe, expect, test } from "vitest";
import type { StartEngine } from "../../../src/engine/contract.ts";
import { MemoryNetwork } from "../../../src/mesh/memory/memory-mesh.ts";
import { SoloSpan } from "../../../src/node/spans/solo-span.ts";
import { HeldSpans } from "../../../src/node/spans/held-spans.ts";
import type { SpanHost, StartSpan } from "../../../src/node/spans/span-host.ts";
import { joinParts } from "../../../src/protocol/span-plan.ts";
import type { Clock } from "../../../src/shared/clock.ts";
import { asPeerId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { BUNDLED, bundledEngine, bundledSpan } from "../../support/bundled-model.ts";
import { startEngineSpan } from "../../support/engine-span-host.ts";

/** Time that stands still until the test moves it. */
class ManualClock implements Clock {
  #now = 0;
  readonly #waiting = new Set<{ readonly at: number; readonly wake: () => void }>();

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const entry = { at: this.#now + ms, wake: resolve };
      this.#waiting.add(entry);
      signal?.addEventListener("abort", () => {
        this.#waiting.delete(entry);
        reject(signal.reason as Error);
      });
    });
  }

  /** Wakes all that have waited long enough, and lets them run. */
  async move(ms: number): Promise<void> {
    this.#now += ms;
    for (const entry of this.#waiting) {
      if (entry.at > this.#now) continue;
      this.#waiting.delete(entry);
      entry.wake();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const MINUTE = 60_000;
const startEngine: StartEngine = (source) => bundledEngine(source.plan.span.start, source.plan.span.end);
const never = new AbortController().signal;

describe("SoloSpan", () => {
  let clock: ManualClock;
  let solo: SoloSpan;
  let hosts: (SpanHost & { disposed: boolean })[];

  beforeEach(() => {
    clock = new ManualClock();
    hosts = [];
    const mesh = new MemoryNetwork().join(asPeerId("self"));
    const start = startEngineSpan({ mesh, clock, log: silentLog }, startEngine);
    const noting: StartSpan = async (...args) => {
      const host = await start(...args);
      const dispose = host.dispose.bind(host);
      const noted = Object.assign(host, {
        disposed: false,
        dispose: async () => {
          noted.disposed = true;
          await dispose();
        },
      });
      hosts.push(noted);
      return noted;
    };
    solo = new SoloSpan({
      self: asPeerId("self"),
      model: {
        id: BUNDLED.id,
        layerCount: 8,
        headLayers: 0,
        loadSpan: (span) => Promise.resolve(joinParts([bundledSpan(span.start, span.end)])),
      },
      heldSpans: new HeldSpans(mesh),
      startSpan: noting,
      backend: () => "wasm",
      clock,
    });
  });

  const load = async (): Promise<void> => {
    for await (const progress of solo.load(never)) expect(progress).toBeUndefined(); // the model is at hand
  };

  test("is freed after a while without prompts, and loaded again for the next prompt", async () => {
    await load();
    expect(solo.peer?.serving).toEqual([{ start: 0, end: 8 }]);
    await clock.move(4 * MINUTE);
    expect(solo.peer).toBeDefined(); // a route was looked for, so the idle time starts anew
    await clock.move(4 * MINUTE);
    expect(hosts.map(({ disposed }) => disposed)).toEqual([false]);
    await clock.move(2 * MINUTE);
    expect(hosts.map(({ disposed }) => disposed)).toEqual([true]);
    expect(solo.peer).toBeUndefined();
    await load();
    expect(solo.peer).toBeDefined();
    expect(hosts).toHaveLength(2);
    await solo.stop();
    expect(hosts.map(({ disposed }) => disposed)).toEqual([true, true]);
  });

  test("is freed on demand, and freeing does nothing if it is not loaded", async () => {
    await solo.free();
    await load();
    await solo.free();
    expect(solo.peer).toBeUndefined();
    expect(hosts.map(({ disposed }) => disposed)).toEqual([true]);
    await solo.stop();
  });
});
