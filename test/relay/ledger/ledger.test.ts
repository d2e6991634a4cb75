// The ledger's suites over SQLite and PostgreSQL, and what only one of them can show: a torn file, a full disk, two
// relays.
import { copyFile, mkdtemp, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { afterAll, describe, expect, test } from "vitest";
import { Ledger } from "../../../relay/ledger/ledger.ts";
import { startPostgres } from "../../../tools/postgres/start-postgres.ts";
import { newReservation, newSigner, taskReceipt } from "../../../tools/soak/parts/make-receipts.ts";
import { describeConvictions } from "./conviction-suite.ts";
import { sound } from "./ledger-bed.ts";
import { describeLedger } from "./ledger-suite.ts";

const dir = await mkdtemp(join(tmpdir(), "manyhands-ledger-"));
const started = await startPostgres({ durable: false });
if (started.kind === "missing") console.log(`PostgreSQL is skipped: ${started.why}`);
afterAll(async () => {
  if (started.kind === "running") await started.postgres.stop();
  await rm(dir, { recursive: true, force: true });
});

let count = 0;
const newFile = (): string => join(dir, `ledger-${count++}.sqlite`);
const now = Date.now;
const receiptNow = () => sound(taskReceipt({ worker: newSigner(), requester: newSigner() }), now());

describeLedger("SQLite", async () => ({ location: newFile() }));
describeConvictions("SQLite", async () => ({ location: newFile() }));

describe.skipIf(started.kind === "missing")("PostgreSQL", () => {
  const place = async () => {
    if (started.kind === "missing") throw new Error(started.why);
    return { location: await started.postgres.database(`ledger-${count++}`) };
  };
  describeLedger("PostgreSQL", place);
  describeConvictions("PostgreSQL", place);

  test("two relays with one ledger pay a receipt once, and give the same credit out once", async () => {
    const { location } = await place();
    const [one, two] = await Promise.all([Ledger.open({ location, now }), Ledger.open({ location, now })]);
    const receipt = receiptNow();
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : two).post([receipt])));
    expect(outcomes.flat().filter(({ kind }) => kind === "posted").length).toBe(1);
    const { peer } = newSigner();
    const reserve = (index: number) => (index % 2 === 0 ? one : two).reserve(peer, newReservation(), 1_500_000_000, 60_000);
    const asked = await Promise.all(Array.from({ length: 10 }, (_, index) => reserve(index)));
    expect(asked.filter((priority) => priority === "low").length).toBe(1);
    expect(await one.audit()).toMatchObject({ sum: 0, drifted: 0, torn: 0 });
    await Promise.all([one.close(), two.close()]);
  });

  test("entries can be neither changed nor removed", async () => {
    const { location } = await place();
    const ledger = await Ledger.open({ location, now });
    await ledger.post([receiptNow()]);
    await ledger.close();
    const client = new pg.Client({ connectionString: location });
    await client.connect();
    await expect(client.query("update entries set amount = 1")).rejects.toThrow(/append-only/);
    await expect(client.query("delete from events")).rejects.toThrow(/append-only/);
    await client.end();
  });

  test("a server that cannot be reached is reported", async () => {
    const location = "postgres://nobody@127.0.0.1:1/none";
    await expect(Ledger.open({ location, now })).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  });
});

describe("SQLite's file", () => {
  test("entries can be neither changed nor removed, and only the issuer's balance may be negative", async () => {
    const location = newFile();
    const ledger = await Ledger.open({ location, now });
    await ledger.post([receiptNow()]);
    await ledger.close();
    const database = new DatabaseSync(location);
    expect(() => database.exec("update entries set amount = 1")).toThrow(/append-only/);
    expect(() => database.exec("delete from events")).toThrow(/append-only/);
    expect(() => database.exec("update accounts set balance = -1 where account <> 'issue'")).toThrow(/CHECK/);
    database.close();
  });

  test("cut anywhere in the middle of a write, it opens with whole events only and everything acknowledged before", async () => {
    const location = newFile();
    const ledger = await Ledger.open({ location, now });
    const receipts = Array.from({ length: 12 }, receiptNow);
    const ends: number[] = [];
    for (const receipt of receipts) {
      await ledger.post([receipt]);
      ends.push((await stat(`${location}-wal`)).size);
    }
    const last = ends.at(-1) ?? 0;
    expect(last).toBeGreaterThan(0);
    // A crash in the middle of the last write leaves the log cut at some byte of that write.
    const from = ends.at(-2) ?? 0;
    for (const cut of [from, from + 1, from + 24, Math.floor((from + last) / 2), last - 4096, last - 1, last]) {
      const copy = newFile();
      await copyFile(location, copy);
      await copyFile(`${location}-wal`, `${copy}-wal`);
      await truncate(`${copy}-wal`, cut);
      const opened = await Ledger.open({ location: copy, now });
      const survived = cut === last ? receipts.length : receipts.length - 1;
      expect(await opened.audit()).toMatchObject({ sum: 0, unbalanced: 0, drifted: 0, torn: 0, receipts: survived });
      const again = await opened.post(receipts.slice(-1));
      expect(again[0]?.kind).toBe(cut === last ? "already" : "posted");
      await opened.close();
    }
    await ledger.close();
  });

  test("a file of an earlier version is brought up to date, and goes on", async () => {
    const location = newFile();
    const ledger = await Ledger.open({ location, now });
    const [worker, requester] = [newSigner(), newSigner()];
    const receipt = sound(taskReceipt({ worker, requester }), now());
    await ledger.post([receipt]);
    const before = await ledger.account(worker.peer);
    await ledger.close();
    // The schema as the first version left it.
    const database = new DatabaseSync(location);
    database.exec("drop index receipts_by_worker");
    for (const column of ["escrowed", "reopened", "waiting"]) database.exec(`alter table receipts drop column ${column}`);
    database.exec("delete from kysely_migration where name = '0002-reopened'");
    database.close();

    const again = await Ledger.open({ location, now });
    expect(await again.account(worker.peer)).toEqual({ ...before, nowMs: expect.any(Number) });
    expect(await again.post([receipt])).toEqual([{ kind: "already" }]);
    const wrong = taskReceipt({ worker, requester, witnesses: [newSigner(), newSigner()], verdict: "wrong" });
    expect(await again.post([sound(wrong, now())])).toEqual([{ kind: "convicted", takenBack: before.escrow }]);
    expect((await again.account(worker.peer)).available).toBe(before.available);
    await again.close();
  });

  test("a damaged file is refused, with a message that says what to do, and left as it is", async () => {
    const location = newFile();
    const ledger = await Ledger.open({ location, now });
    for (let i = 0; i < 10; i++) await ledger.post([receiptNow()]);
    await ledger.close();
    const { size } = await stat(location);
    await truncate(location, Math.floor(size / 2));
    await expect(Ledger.open({ location, now })).rejects.toMatchObject({
      code: "LEDGER_UNAVAILABLE",
      message: expect.stringMatching(/Restore it from a backup/),
    });
    expect((await stat(location)).size).toBe(Math.floor(size / 2));
  });

  test("a ledger that does not add up is refused", async () => {
    const location = newFile();
    const ledger = await Ledger.open({ location, now });
    await ledger.post([receiptNow()]);
    await ledger.close();
    const database = new DatabaseSync(location);
    database.exec("update accounts set balance = balance + 1 where account = 'pool'");
    database.close();
    await expect(Ledger.open({ location, now })).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  });

  test("a full file refuses a receipt as a whole, keeps those that were acknowledged, and goes on once there is space", async () => {
    const location = newFile();
    const small = await Ledger.open({ location, now, maxPages: 40 });
    const acknowledged: ReturnType<typeof receiptNow>[] = [];
    const failed = await (async () => {
      for (;;) {
        const receipt = receiptNow();
        try {
          await small.post([receipt]);
          acknowledged.push(receipt);
        } catch (error) {
          return { receipt, error };
        }
      }
    })();
    expect(failed.error).toMatchObject({ code: "LEDGER_UNAVAILABLE", message: expect.stringMatching(/full/) });
    expect(acknowledged.length).toBeGreaterThan(3);
    expect(await small.audit()).toMatchObject({ sum: 0, unbalanced: 0, drifted: 0, torn: 0, receipts: acknowledged.length });
    await small.close();
    const larger = await Ledger.open({ location, now });
    const outcomes = await larger.post([...acknowledged, failed.receipt]);
    expect(outcomes.map(({ kind }) => kind)).toEqual([...acknowledged.map(() => "already"), "posted"]);
    await larger.close();
  });
});
