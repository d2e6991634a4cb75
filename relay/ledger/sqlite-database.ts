// Adapts Node's own SQLite to the database interface of Kysely's SQLite dialect.
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { SqliteDatabase, SqliteStatement } from "kysely";

const DEFAULTS = Object.freeze({
  /** Prepared statements that are kept. The ledger has about forty. */
  statements: 200,
  /** Milliseconds to wait for another process that has locked the file: a backup, or a relay that is about to stop. */
  busyMs: 5000,
});

export interface SqliteFileOptions {
  /** Path, or `:memory:`. */
  readonly file: string;
  /** Pages of 4 KiB that the file may have: a disk quota, by which tests fill the disk. Default: SQLite's own. */
  readonly maxPages?: number;
}

/**
 * Opens the file, and makes it on first use. It has a write-ahead log, each commit is on the disk before it is
 * acknowledged, and foreign keys are enforced. Throws SQLite's own error if the file is not a database.
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
  // On a full disk SQLite rolls the transaction back itself. A second rollback would hide the cause behind its own
  // error.
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
  // Kysely compiles only values that SQLite accepts: the dialect's queries carry numbers, strings, bytes and nulls.
  const values = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[];
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...values(parameters)),
    run: (parameters) => statement.run(...values(parameters)),
    iterate: (parameters) => statement.iterate(...values(parameters)),
  };
}
