// The log of sent steps: sent again over a new link, in the same chunks, cut if positions were taken back, spilled and
// freed.
import { beforeEach, describe, expect, it } from "vitest";
import { Outbox } from "../../../src/inference/log/outbox.ts";
import { OutputBudget } from "../../../src/inference/log/output-budget.ts";
import { MemoryOutputStore } from "../../../src/inference/log/output-store.ts";
import { memoryLinkPair } from "../../../src/mesh/memory/memory-mesh.ts";
import { decodeFrame } from "../../../src/protocol/frame.ts";
import { HASH_BYTES, readSessionHeader, type StepFrame } from "../../../src/protocol/session-frames.ts";
import { asPeerId, asSessionId } from "../../../src/shared/ids.ts";
import { silentLog } from "../../../src/shared/log.ts";
import type { Link } from "../../../src/mesh/ports/link.ts";

const SESSION = asSessionId("5".repeat(32));
/** Two tensors of one and two numbers a position. */
const BOUNDARY = [
  { name: "a", type: "float16", width: 1 },
  { name: "b", type: "float16", width: 2 },
] as const;

describe("an outbox", () => {
  let store: MemoryOutputStore;
  let budget: OutputBudget;
  let outbox: Outbox;
  let lost: unknown[] = [];
  beforeEach(() => {
    store = new MemoryOutputStore();
    budget = new OutputBudget(store, silentLog, 40);
    lost = [];
    outbox = new Outbox({ session: SESSION, boundary: BOUNDARY, budget, onLost: (error) => lost.push(error) });
  });

  /** Appends a step whose payload names each of its positions: 2 bytes of the first tensor, then 4 of the second. */
  const append = (position: number, count: number, extra: { readonly truncate?: boolean } = {}): void => {
    const rows = Array.from({ length: count }, (_, row) => position + row);
    const payload = Uint8Array.from([...rows.flatMap((row) => [row, row]), ...rows.flatMap((row) => [row, 100, 100, row])]);
    const chain = Uint8Array.from(rows.flatMap((row) => Array.from({ length: HASH_BYTES }, () => row + 1)));
    const prefix = new Uint8Array(HASH_BYTES).fill(position);
    outbox.append({ position, count, prefix, chain, truncate: extra.truncate ?? false, replay: false, logitRows: 1, timings: [] }, payload);
  };
  const link = (): {
    readonly near: Link;
    readonly receive: (count: number) => Promise<readonly (StepFrame & { readonly rows: readonly number[] })[]>;
  } => {
    const [near, far] = memoryLinkPair(asPeerId("the one before"), asPeerId("the one after"));
    const frames = far.frames[Symbol.asyncIterator]();
    return {
      near,
      receive: async (count) => {
        const steps = [];
        for (let n = 0; n < count; n++) {
          const { header, payload } = decodeFrame((await frames.next()).value as Uint8Array);
          const frame = readSessionHeader(header);
          if (frame.kind !== "step") throw new Error("a step");
          steps.push({ ...frame, rows: Array.from({ length: frame.count }, (_, row) => payload[2 * frame.count + 4 * row] ?? -1) });
        }
        return steps;
      },
    };
  };

  it("sends each step once, and all of them again over another link", async () => {
    append(0, 3);
    const first = link();
    outbox.relink(first.near);
    append(3, 1);
    await outbox.flush();
    expect((await first.receive(2)).map(({ position, replay }) => [position, replay])).toEqual([
      [0, true],
      [3, false],
    ]);
    const second = link();
    expect(outbox.relink(second.near)).toBe(4);
    append(4, 2, { truncate: true });
    await outbox.flush();
    expect((await second.receive(3)).map(({ position, count, replay, truncate }) => [position, count, replay, truncate])).toEqual([
      [0, 3, true, false],
      [3, 1, true, false],
      [4, 2, false, true],
    ]);
    await first.near.closed;
    expect(lost).toEqual([]);
  });

  it("cuts a step whose last positions were taken back", async () => {
    append(0, 4);
    append(4, 2);
    outbox.truncate(2);
    append(2, 1, { truncate: true });
    const { near, receive } = link();
    outbox.relink(near);
    const steps = await receive(2);
    expect(steps.map(({ position, count, rows }) => [position, count, rows])).toEqual([
      [0, 2, [0, 1]],
      [2, 1, [2]],
    ]);
    expect(steps[0]?.chain.byteLength).toBe(2 * HASH_BYTES);
    expect(budget.usedBytes).toBe(3 * 6);
  });

  it("spills outputs beyond the budget, reads them again for a replay, and frees all of them", async () => {
    const first = link();
    outbox.relink(first.near);
    for (let n = 0; n < 6; n++) {
      append(2 * n, 2);
      await outbox.flush();
    }
    expect(budget.usedBytes).toBeLessThanOrEqual(40);
    expect(store.size).toBeGreaterThan(2);
    await first.receive(6);
    const second = link();
    outbox.relink(second.near);
    expect((await second.receive(6)).flatMap(({ rows }) => rows)).toEqual(Array.from({ length: 12 }, (_, row) => row));
    await outbox.free();
    expect([budget.usedBytes, store.size]).toEqual([0, 0]);
  });

  it("reports that the store lost an output that a replay needs", async () => {
    for (let n = 0; n < 6; n++) append(2 * n, 2);
    const first = link();
    outbox.relink(first.near);
    await first.receive(6);
    await outbox.flush();
    await store.drop(SESSION, 0);
    outbox.relink(link().near);
    await outbox.flush();
    expect(lost).toMatchObject([{ code: "ENGINE_FAILED" }]);
  });

  it("keeps the log when the link is lost", async () => {
    const first = link();
    outbox.relink(first.near);
    append(0, 1);
    await outbox.flush();
    first.near.abort(new Error("gone"));
    await first.near.closed;
    await Promise.resolve();
    expect(lost).toMatchObject([{ code: "PEER_LOST" }]);
    append(1, 1);
    const second = link();
    outbox.relink(second.near);
    expect((await second.receive(2)).map(({ position }) => position)).toEqual([0, 1]);
  });
});
