// Soak of the ledger: a relay under a load of receipts is killed by SIGKILL again and again; nothing acknowledged may be lost or paid twice.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { audit } from "../../relay/ledger/audit.ts";
import { openDatabase } from "../../relay/ledger/open-database.ts";
import type { Engine } from "../../relay/ledger/migrations.ts";
import { abortable } from "../../src/shared/abort.ts";
import { startPostgres } from "../postgres/start-postgres.ts";
import { ReceiptLoad } from "./parts/receipt-load.ts";
import { type RelayProcess, spawnRelay } from "./parts/relay-process.ts";

const DEFAULTS = Object.freeze({
  kills: 100,
  /** Milliseconds of load before a kill, at most: a few dozen transactions. */
  loadMs: 600,
  /** Part of the kills that hit the relay while it starts, and within how many milliseconds. */
  earlyPart: 0.15,
  earlyMs: 1200,
  /** Milliseconds for the first receipts of a relay that runs. */
  progressMs: 60_000,
  /** Milliseconds for the last receipts to be acknowledged. */
  settleMs: 60_000,
});

export interface LedgerSoak {
  readonly soak: "ledger";
  readonly engine: Engine;
  readonly kills: number;
  /** Of all entries, microcredits. */
  readonly sum: number;
  /** Receipts that the relay said it had and that are not there. */
  readonly lostAcknowledged: number;
  /** Receipts whose price moved more than once. */
  readonly postedTwice: number;
  /** Events that do not sum to zero, balances that are not the sum of their entries, receipts without their event, or refused. */
  readonly broken: number;
  readonly acknowledged: number;
  /** Acknowledged receipts that were sent again. */
  readonly replayed: number;
}

/** `location`: where the ledger is. The relay's key is kept under `data`. */
export async function soakLedger(location: string, data: string, kills: number): Promise<LedgerSoak> {
  const args = ["--data", data, "--site", path.join(data, "no-site"), "--ledger", location];
  const load = new ReceiptLoad();
  let relay: RelayProcess | undefined;
  try {
    for (let kill = 0; kill < kills; kill++) {
      relay = spawnRelay(args);
      if (Math.random() < DEFAULTS.earlyPart) {
        await pause(Math.random() * DEFAULTS.earlyMs);
      } else {
        await load.start(await relay.address);
        await within(DEFAULTS.progressMs, load.progress());
        await pause(Math.random() * DEFAULTS.loadMs);
      }
      await relay.kill("SIGKILL");
      await load.stop();
    }
    relay = spawnRelay(args);
    await load.start(await relay.address);
    await within(DEFAULTS.settleMs, load.settle(AbortSignal.timeout(DEFAULTS.settleMs)));
    await load.stop();
  } finally {
    await load.stop();
    await relay?.kill("SIGKILL");
  }
  return { soak: "ledger", kills, ...(await inspect(location, load)), acknowledged: load.acknowledged.size, replayed: load.replayed };
}

/** Reads the tables, not the ledger's own words. */
async function inspect(
  location: string,
  load: ReceiptLoad,
): Promise<Pick<LedgerSoak, "engine" | "sum" | "lostAcknowledged" | "postedTwice" | "broken">> {
  const { engine, db, close } = await openDatabase({ location });
  try {
    const posted = await db
      .selectFrom("events")
      .innerJoin("entries", "entries.event_id", "events.id")
      .select(["events.business_id", "entries.amount"])
      .where("events.kind", "=", "receipt")
      .where("entries.amount", ">", 0)
      .execute();
    const paid = new Map<string, number>();
    for (const { business_id, amount } of posted) paid.set(business_id, (paid.get(business_id) ?? 0) + amount);
    const { sum, unbalanced, drifted, torn } = await audit(db);
    return {
      engine,
      sum,
      lostAcknowledged: [...load.acknowledged].filter((work) => !paid.has(`receipt/${work}`)).length,
      postedTwice: [...paid.values()].filter((amount) => amount !== load.price).length,
      broken: unbalanced + drifted + torn + load.problems.length,
    };
  } finally {
    await close();
  }
}

const within = <T>(ms: number, work: Promise<T>): Promise<T> => abortable(work, AbortSignal.timeout(ms));

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** `--kills N`, `--engine sqlite|postgres` (default both). Fails where anything was lost, paid twice or does not sum to zero. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { kills: { type: "string" }, engine: { type: "string" } } });
  const kills = Number(values.kills ?? DEFAULTS.kills);
  const dir = await mkdtemp(path.join(tmpdir(), "manyhands-soak-"));
  const report = (result: LedgerSoak): void => {
    console.log(JSON.stringify(result));
    if (result.sum !== 0 || result.lostAcknowledged + result.postedTwice + result.broken > 0) process.exitCode = 1;
  };
  try {
    if (values.engine !== "postgres") report(await soakLedger(path.join(dir, "ledger.sqlite"), path.join(dir, "sqlite"), kills));
    if (values.engine !== "sqlite") {
      const started = await startPostgres({ durable: true });
      if (started.kind === "missing") {
        console.log(JSON.stringify({ soak: "ledger", engine: "postgres", skipped: started.why }));
      } else {
        try {
          report(await soakLedger(await started.postgres.database("soak"), path.join(dir, "postgres"), kills));
        } finally {
          await started.postgres.stop();
        }
      }
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
