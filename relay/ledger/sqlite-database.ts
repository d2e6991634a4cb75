// Node's own SQLite in the shape in which Kysely's SQLite dialect wants a database.
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { SqliteDatabase, SqliteStatement } from "kysely";

const DEFAULTS = Object.freeze({
  /** Prepared statements kept: the ledger has about forty. */
  statements: 200,
  /** Milliseconds to wait for another process that holds the file: a backup, a relay that is on its way out. */
  busyMs: 5000,
});

export interface SqliteFileOptions {
  /** Path, or `:memory:`. */
  readonly file: string;
  /** Pages of 4 KiB that the file may have: a disk quota, and how tests fill it up. Default: SQLite's own. */
  readonly maxPages?: number;
}

/**
 * Opens (and makes) the file: write-ahead log, every commit on the disk before it is acknowledged, foreign keys held.
 * Throws what SQLite says where the file is none of its own.
 */
export function openSqlite({ file, maxPages }: SqliteFileOptions): SqliteDatabase {
  const database = new DatabaseSync(file, { timeout: DEFAULTS.busyMs, enableForeignKeyConstraints: true });
  try {
    database.exec("pragma journal_mode = wal; pragma synchronous = full;");
    if (maxPages !== undefined) database.exec(`pragma max_page_count = ${Math.trunc(maxPages)}`);
    const damage = database.prepare("pragma quick_check(1)").get()?.["quick_check"];
    if (damage !== "ok") throw new Error(String(damage));
  } catch (error) {
    database.close();
    throw error;
  }
  // A full disk rolls the transaction back by itself; to ask again would hide what went wrong behind a second error.
  const rollback: SqliteStatement = {
    reader: false,
    all: () => [],
    iterate: () => [].values(),
    run: () => {
      if (database.isTransaction) database.exec("rollback");
      return { changes: 0, lastInsertRowid: 0 };
    },
  };
  const statements = new Map<string, SqliteStatement>([["rollback", rollback]]);
  return {
    close: () => database.close(),
    prepare: (sql) => {
      const known = statements.get(sql);
      if (known !== undefined) return known;
      if (statements.size >= DEFAULTS.statements) for (const sql of statements.keys()) if (sql !== "rollback") statements.delete(sql);
      const statement = statementOf(database.prepare(sql));
      statements.set(sql, statement);
      return statement;
    },
  };
}

function statementOf(statement: StatementSync): SqliteStatement {
  // Kysely compiles nothing but what SQLite takes: the dialect's queries carry numbers, strings, bytes and nulls.
  const values = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[];
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...values(parameters)),
    run: (parameters) => statement.run(...values(parameters)),
    iterate: (parameters) => statement.iterate(...values(parameters)),
  };
}
