// A relay under a load of receipts that is killed again and again: no acknowledged receipt is lost or paid twice.
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
  /** Part of the kills that hit the relay while it starts, and within how many milliseconds of its start. */
  earlyPart: 0.15,
  earlyMs: 1200,
  /** Milliseconds for the first receipts of a running relay. */
  progressMs: 60_000,
  /** Milliseconds for the last receipts to be acknowledged. */
  settleMs: 60_000,
});

export interface LedgerSoak {
  readonly soak: "ledger";
  readonly engine: Engine;
  readonly kills: number;
  /** Sum of all entries in microcredits. */
  readonly sum: number;
  /** Receipts that the relay acknowledged and that the ledger does not have. */
  readonly lostAcknowledged: number;
  /** Receipts whose price moved more than once. */
  readonly postedTwice: number;
  /**
   * Events that do not sum to zero, balances that are not the sum of their entries, receipts without their event, and
   * receipts that were refused.
   */
  readonly broken: number;
  readonly acknowledged: number;
  /** Acknowledged receipts that were sent again. */
  readonly replayed: number;
}

/** Kills a relay `kills` times. Its ledger is at `location`; its key is kept under `data`. */
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

/** Inspects the database itself, rather than ask the ledger. */
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
      lostAcknowledged: [...load.acknowledged].filter((id) => !paid.has(`receipt/${id}`)).length,
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

/**
 * Arguments: `--kills N`, `--engine sqlite|postgres` (default both). The exit code is 1 if a receipt was lost or paid
 * twice, or if the ledger does not sum to zero.
 */
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
