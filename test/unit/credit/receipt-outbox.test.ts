// The outbox: no receipt is dropped before the ledger has settled it; a refusal that may pass is tried again later, and
// any other refusal is not.
import { expect, test, vi } from "vitest";
import { MemoryReceiptStore } from "../../../src/credit/memory-receipt-store.ts";
import { OUTBOX_LIMITS, ReceiptOutbox, type ReceiptSink } from "../../../src/credit/receipt-outbox.ts";
import type { ReceiptStore } from "../../../src/credit/receipt-store.ts";
import { CREDIT_LIMITS, type Outcome } from "../../../src/protocol/credit-frames.ts";
import { decodeReceipt, RECEIPT_LIMITS, workId } from "../../../src/protocol/receipt.ts";
import { ManyhandsError } from "../../../src/shared/errors.ts";
import { silentLog } from "../../../src/shared/log.ts";
import { newSigner, taskReceipt } from "../../../tools/soak/parts/make-receipts.ts";

const { signal } = new AbortController();
const posted: Outcome = { kind: "posted", amount: 1, escrowed: 0 };
const restless = { sleep: () => Promise.resolve() };
const parties = { worker: newSigner(), requester: newSigner() };

function setUp() {
  const clock = { nowMs: 1000 };
  const store = new MemoryReceiptStore();
  const outbox = new ReceiptOutbox({ store, now: () => clock.nowMs, clock: restless, log: silentLog });
  return { clock, store, outbox };
}

/** A ledger that returns the outcomes of `outcomeOf`, and writes down the ids of the work that came. */
function sink(outcomeOf: (id: string) => Outcome) {
  const batches: string[][] = [];
  const post: ReceiptSink["post"] = async (receipts) => {
    const ids = receipts.map((bytes) => (bytes[0] === 0xff ? "none" : workId(decodeReceipt(bytes).statement.claim)));
    batches.push(ids);
    return ids.map(outcomeOf);
  };
  return { batches, post };
}

test("many receipts go in batches, each once and the oldest first", async () => {
  const { clock, outbox } = setUp();
  const ids: string[] = [];
  for (let i = 0; i < 2 * CREDIT_LIMITS.receipts + 3; i++) {
    const receipt = taskReceipt(parties);
    clock.nowMs++;
    await outbox.add(receipt);
    await outbox.add(receipt);
    ids.push(workId(receipt.statement.claim));
  }
  const ledger = sink(() => posted);
  expect(await outbox.flush(ledger, signal)).toBe(ids.length);
  expect(ledger.batches.map((batch) => batch.length)).toEqual([CREDIT_LIMITS.receipts, CREDIT_LIMITS.receipts, 3]);
  expect(ledger.batches.flat()).toEqual(ids);
  expect(await outbox.waiting()).toBe(0);
});

test("a receipt that the ledger could not post waits, and is sent again", async () => {
  const { outbox } = setUp();
  await outbox.add(taskReceipt(parties));
  const away = { post: () => Promise.reject(new ManyhandsError("LEDGER_UNAVAILABLE", "full")) };
  await expect(outbox.flush(away, signal)).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  expect(await outbox.waiting()).toBe(1);
  await outbox.flush(
    sink(() => ({ kind: "already" })),
    signal,
  );
  expect(await outbox.waiting()).toBe(0);
});

test("receipts that were settled before the ledger was lost are not sent again", async () => {
  const { outbox } = setUp();
  for (let i = 0; i < CREDIT_LIMITS.receipts + 2; i++) await outbox.add(taskReceipt(parties));
  let isAway = false;
  const going = {
    post: async (receipts: readonly Uint8Array[]) => {
      if (isAway) throw new ManyhandsError("RELAY_UNREACHABLE", "gone");
      isAway = true;
      return receipts.map(() => posted);
    },
  };
  await expect(outbox.flush(going, signal)).rejects.toMatchObject({ code: "RELAY_UNREACHABLE" });
  expect(await outbox.waiting()).toBe(2);
  const ledger = sink(() => posted);
  expect(await outbox.flush(ledger, signal)).toBe(2);
  expect(ledger.batches.map((batch) => batch.length)).toEqual([2]);
});

test("an unfunded receipt is tried again, later each time, and a forgery is dropped at once", async () => {
  const { clock, outbox } = setUp();
  const [poor, forged] = [taskReceipt(parties), taskReceipt(parties)];
  await outbox.add(poor);
  await outbox.add(forged);
  const poorId = workId(poor.statement.claim);
  const ledger = sink((id) => ({ kind: "refused", reason: id === poorId ? "unfunded" : "bad-signature" }));
  await outbox.flush(ledger, signal);
  expect(await outbox.waiting()).toBe(1);
  await outbox.flush(ledger, signal);
  expect(ledger.batches.length).toBe(1); // the next try is not due yet
  clock.nowMs += OUTBOX_LIMITS.backoff.firstMs;
  await outbox.flush(ledger, signal);
  expect(ledger.batches[1]).toEqual([poorId]);
  clock.nowMs += OUTBOX_LIMITS.backoff.firstMs;
  await outbox.flush(ledger, signal);
  expect(ledger.batches.length).toBe(2); // the pause is twice as long now
  clock.nowMs += OUTBOX_LIMITS.backoff.firstMs;
  await outbox.flush(
    sink(() => posted),
    signal,
  );
  expect(await outbox.waiting()).toBe(0);
});

test("rows that are not receipts are dropped, and the others are sent", async () => {
  const { store, outbox } = setUp();
  const sizes = [0, 1, RECEIPT_LIMITS.bytes + 1]; // no frame may carry the first or the last
  for (const size of sizes)
    await store.write([{ key: `bad ${size}`, bytes: new Uint8Array(size).fill(0xff), addedMs: 0, tries: 0, notBeforeMs: 0 }]);
  await outbox.add(taskReceipt(parties));
  const ledger = sink((id) => (id === "none" ? { kind: "refused", reason: "malformed" } : posted));
  await outbox.flush(ledger, signal);
  expect(ledger.batches.map((batch) => batch.length)).toEqual([2]);
  expect(await outbox.waiting()).toBe(0);
});

test("two flushes at once are one", async () => {
  const { outbox } = setUp();
  await outbox.add(taskReceipt(parties));
  const ledger = sink(() => posted);
  await Promise.all([outbox.flush(ledger, signal), outbox.flush(ledger, signal)]);
  expect(ledger.batches.length).toBe(1);
});

test("receipts that are added during a write or its rest make one write; a failed write rejects for all of its receipts", async () => {
  const store = new MemoryReceiptStore();
  const writes: number[] = [];
  let isFull = true;
  const watched: ReceiptStore = {
    isKept: false,
    due: (...args) => store.due(...args),
    count: () => store.count(),
    close: () => store.close(),
    async write(receipts, gone) {
      writes.push(receipts.length);
      if (isFull) throw new Error("the disk is full");
      return store.write(receipts, gone);
    },
  };
  const resting: (() => void)[] = [];
  const clock = { sleep: () => new Promise<void>((resolve) => void resting.push(resolve)) };
  const outbox = new ReceiptOutbox({ store: watched, now: Date.now, clock, log: silentLog });
  const add = (count: number): Promise<boolean>[] => Array.from({ length: count }, () => outbox.add(taskReceipt(parties)));
  expect((await Promise.allSettled(add(4))).map(({ status }) => status)).toEqual(Array(4).fill("rejected"));
  isFull = false;
  const adding = [...add(2)];
  await vi.waitFor(() => expect(resting.length).toBe(1));
  adding.push(...add(3));
  expect(writes).toEqual([4]);
  resting[0]?.();
  expect(await Promise.all(adding)).toEqual([true, true, true, true, true]);
  expect(writes).toEqual([4, 5]);
  expect(await outbox.waiting()).toBe(5);
});
