// Opens the ledger's database, a file of SQLite or a PostgreSQL server, and brings its schema up to date.
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Kysely, PostgresDialect, SqliteDialect, sql, type Transaction } from "kysely";
import { Migrator } from "kysely/migration";
import pg from "pg";
import { errorMessage, ManyhandsError } from "../../src/shared/errors.ts";
import { isPostgres } from "./ledger-location.ts";
import { type Engine, migrationsOf } from "./migrations.ts";
import type { LedgerTables } from "./schema.ts";
import { openSqlite } from "./sqlite-database.ts";

const DEFAULTS = Object.freeze({
  /** Connections of this relay to PostgreSQL. Writes go one after the other, and reads go beside them. */
  connections: 4,
  /** Milliseconds to wait for a connection to PostgreSQL. */
  connectMs: 10_000,
  /** Milliseconds for one statement, including the wait for other relays. */
  statementMs: 15_000,
  /** Number of the lock by which relays that share a ledger take turns. Any fixed number does. */
  turnLock: 0x6d68_6c64,
});

export interface LedgerDatabase {
  readonly engine: Engine;
  readonly db: Kysely<LedgerTables>;
  /** Runs `run` in a transaction while no other writer of this ledger runs, in this relay or in another. */
  alone<T>(run: (transaction: Transaction<LedgerTables>) => Promise<T>): Promise<T>;
  readonly close: () => Promise<void>;
}

export interface LedgerLocation {
  /** A SQLite file, `:memory:`, or `postgres://…`. */
  readonly location: string;
  /** See `SqliteFileOptions`. */
  readonly maxPages?: number;
}

/** Throws LEDGER_UNAVAILABLE with what to look at: no such server, a damaged file, a full disk. */
export async function openDatabase({ location, maxPages }: LedgerLocation): Promise<LedgerDatabase> {
  const engine: Engine = isPostgres(location) ? "postgres" : "sqlite";
  let db: Kysely<LedgerTables> | undefined;
  try {
    if (engine === "sqlite" && location !== ":memory:") await mkdir(dirname(location), { recursive: true });
    const opened = new Kysely<LedgerTables>({
      dialect:
        engine === "postgres"
          ? new PostgresDialect({ pool: openPool(location) })
          : new SqliteDialect({ database: openSqlite({ file: location, ...(maxPages !== undefined && { maxPages }) }) }),
    });
    db = opened;
    const { error } = await new Migrator({ db: opened, provider: migrationsOf(engine) }).migrateToLatest();
    if (error !== undefined) throw new Error(errorMessage(error), { cause: error });
    return { engine, db: opened, alone: turnsOf(opened, engine), close: () => opened.destroy() };
  } catch (cause) {
    await db?.destroy().catch(() => undefined); // the error of opening says more
    const where = engine === "sqlite" ? `the ledger's file ${location}` : "the ledger's PostgreSQL server";
    const advice =
      engine === "sqlite" ? "Restore it from a backup, or name another with --ledger" : "Check the address given with --ledger";
    throw new ManyhandsError("LEDGER_UNAVAILABLE", `${where} cannot be used (${errorMessage(cause)}). ${advice}.`, { cause });
  }
}

function openPool(connectionString: string): pg.Pool {
  // Amounts and times are far below 2^53. A larger number is a fault, and has to stop the relay.
  const types = new pg.TypeOverrides();
  types.setTypeParser(pg.types.builtins.INT8, readInteger);
  const pool = new pg.Pool({
    connectionString,
    max: DEFAULTS.connections,
    connectionTimeoutMillis: DEFAULTS.connectMs,
    statement_timeout: DEFAULTS.statementMs,
    types,
  });
  pool.on("error", () => undefined); // an idle connection was lost: the next query opens another one, or reports the error
  return pool;
}

function readInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is not a safe integer`);
  return value;
}

/**
 * One writer runs at a time: a queue orders them within this process, and a lock that ends with the transaction between
 * relays.
 */
function turnsOf(db: Kysely<LedgerTables>, engine: Engine): LedgerDatabase["alone"] {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const runLocked = async () =>
      db.transaction().execute(async (transaction) => {
        if (engine === "postgres") await sql`select pg_advisory_xact_lock(${DEFAULTS.turnLock})`.execute(transaction);
        return run(transaction);
      });
    const mine = last.then(runLocked, runLocked);
    last = mine.catch(() => undefined); // the caller gets the error, and the next one's turn comes all the same
    return mine;
  };
}
