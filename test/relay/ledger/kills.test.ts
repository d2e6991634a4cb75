// A small soak: a relay process under a load of receipts is killed three times without a warning, over each engine.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { soakLedger } from "../../../tools/soak/ledger.ts";
import { startPostgres } from "../../../tools/postgres/start-postgres.ts";

const dir = await mkdtemp(join(tmpdir(), "manyhands-kills-"));
const started = await startPostgres({ durable: true });
if (started.kind === "missing") console.log(`PostgreSQL is skipped: ${started.why}`);
afterAll(async () => {
  if (started.kind === "running") await started.postgres.stop();
  await rm(dir, { recursive: true, force: true });
});

const intact = { kills: 3, sum: 0, lostAcknowledged: 0, postedTwice: 0, broken: 0 };

test("SQLite: nothing acknowledged is lost, nothing is paid twice", { timeout: 180_000 }, async () => {
  const result = await soakLedger(join(dir, "ledger.sqlite"), join(dir, "sqlite"), 3);
  expect(result).toMatchObject({ engine: "sqlite", ...intact });
  expect(result.acknowledged).toBeGreaterThan(0);
});

test.skipIf(started.kind === "missing")("PostgreSQL: the same", { timeout: 180_000 }, async () => {
  if (started.kind === "missing") throw new Error(started.why);
  const result = await soakLedger(await started.postgres.database("kills"), join(dir, "postgres"), 3);
  expect(result).toMatchObject({ engine: "postgres", ...intact });
  expect(result.acknowledged).toBeGreaterThan(0);
});
