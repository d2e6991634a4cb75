// Receipts that are made while the relay is away: they wait, and are posted once when the relay is back.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccountKeeper, type CreditState } from "../../src/credit/account-keeper.ts";
import { MemoryReceiptStore } from "../../src/credit/memory-receipt-store.ts";
import { ReceiptOutbox } from "../../src/credit/receipt-outbox.ts";
import { systemClock } from "../../src/shared/clock.ts";
import { silentLog } from "../../src/shared/log.ts";
import { newSigner, taskReceipt } from "../../tools/soak/parts/make-receipts.ts";
import { joinMesh, reached, testRelay } from "./relay-harness.ts";

let data: string;
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "manyhands-keeper-"));
});
afterAll(() => rm(data, { recursive: true, force: true }));

/** Resolves once the keeper's state passes `check`. */
function seen(keeper: AccountKeeper, check: (state: CreditState) => boolean): Promise<CreditState> {
  if (check(keeper.state)) return Promise.resolve(keeper.state);
  return new Promise((resolve) => {
    const stop = keeper.on("credit:changed", (state) => {
      if (!check(state)) return;
      stop();
      resolve(state);
    });
  });
}

test("a receipt is posted at once if the relay is there, and else as soon as the relay is back", async () => {
  let served = await testRelay({ data });
  const mesh = await joinMesh(() => served.relay.address);
  const outbox = new ReceiptOutbox({ store: new MemoryReceiptStore(), now: Date.now, clock: systemClock, log: silentLog });
  const keeper = new AccountKeeper({
    relay: mesh,
    outbox,
    shelf: { get: () => Promise.resolve(undefined) },
    clock: systemClock,
    random: () => 0,
    log: silentLog,
  });
  const life = new AbortController();
  const running = keeper.run(life.signal);
  const requester = newSigner();

  expect((await seen(keeper, ({ account }) => account !== undefined)).account).toMatchObject({ available: 0, isTrusted: false });
  await keeper.add(taskReceipt({ worker: newSigner(), requester }));
  await seen(keeper, ({ waiting }) => waiting === 1);
  await seen(keeper, ({ waiting }) => waiting === 0);
  expect((await served.relay.ledger.audit()).receipts).toBe(1);

  await served.relay.stop();
  await reached(mesh, "lost");
  await keeper.add(taskReceipt({ worker: newSigner(), requester }));
  await keeper.add(taskReceipt({ worker: newSigner(), requester }));
  expect(keeper.state.waiting).toBe(2);
  expect(keeper.state.account).toBeDefined(); // the last known account

  served = await testRelay({ data });
  await seen(keeper, ({ waiting }) => waiting === 0);
  expect(await served.relay.ledger.audit()).toMatchObject({ receipts: 3, sum: 0, torn: 0 });
  life.abort(new Error("the test is over"));
  await running;
  await mesh.stop();
  await served.stop();
});
