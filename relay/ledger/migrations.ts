// The steps that build the ledger's schema, for SQLite and PostgreSQL alike. A step that was released is never edited.
import { type Kysely, sql } from "kysely";
import type { Migration, MigrationProvider } from "kysely/migration";
import type { LedgerTables } from "./schema.ts";

export type Engine = "sqlite" | "postgres";

/** Tables whose rows are never changed or removed. */
const APPEND_ONLY = ["events", "entries"] as const;

export const migrationsOf = (engine: Engine): MigrationProvider => ({
  getMigrations: async () => ({ "0001-ledger": first(engine), "0002-reopened": second }),
});

const first = (engine: Engine): Migration => ({
  async up(db: Kysely<LedgerTables>): Promise<void> {
    const { schema } = db;
    await schema
      .createTable("events")
      // AUTOINCREMENT: no id is used twice, even after a rollback.
      .addColumn("id", engine === "sqlite" ? "integer" : "bigint", (column) =>
        engine === "sqlite" ? column.primaryKey().autoIncrement() : column.primaryKey().generatedAlwaysAsIdentity(),
      )
      .addColumn("business_id", "text", (column) => column.notNull().unique())
      .addColumn("kind", "text", (column) => column.notNull())
      .addColumn("at_ms", "bigint", (column) => column.notNull())
      .addColumn("about", "text", (column) => column.notNull())
      .execute();
    await schema
      .createTable("entries")
      .addColumn("event_id", "bigint", (column) => column.notNull().references("events.id"))
      .addColumn("account", "text", (column) => column.notNull())
      .addColumn("amount", "bigint", (column) => column.notNull())
      .addPrimaryKeyConstraint("entries_key", ["event_id", "account"])
      .execute();
    await schema.createIndex("entries_by_account").on("entries").columns(["account", "event_id"]).execute();
    await schema
      .createTable("accounts")
      .addColumn("account", "text", (column) => column.primaryKey())
      .addColumn("balance", "bigint", (column) => column.notNull())
      // The last defence against double spending: even if the code is wrong, only the issuer's balance can be negative.
      .addCheckConstraint("accounts_solvent", sql`balance >= 0 or account = 'issue'`)
      .execute();
    await schema
      .createTable("peers")
      .addColumn("peer", "text", (column) => column.primaryKey())
      .addColumn("first_ms", "bigint", (column) => column.notNull())
      .addColumn("starter_used", "bigint", (column) => column.notNull())
      .addColumn("checked", "integer", (column) => column.notNull())
      .addColumn("trusted", "integer", (column) => column.notNull())
      .addColumn("convictions", "integer", (column) => column.notNull())
      .execute();
    await schema
      .createTable("vouchers")
      .addColumn("worker", "text", (column) => column.notNull())
      .addColumn("requester", "text", (column) => column.notNull())
      .addPrimaryKeyConstraint("vouchers_key", ["worker", "requester"])
      .execute();
    await schema
      .createTable("reservations")
      .addColumn("id", "text", (column) => column.primaryKey())
      .addColumn("peer", "text", (column) => column.notNull())
      .addColumn("own", "bigint", (column) => column.notNull())
      .addColumn("starter", "bigint", (column) => column.notNull())
      .addColumn("expires_ms", "bigint", (column) => column.notNull())
      .addColumn("is_open", "integer", (column) => column.notNull())
      .execute();
    await schema.createIndex("reservations_by_end").on("reservations").columns(["is_open", "expires_ms"]).execute();
    await schema
      .createTable("receipts")
      .addColumn("work_id", "text", (column) => column.primaryKey())
      .addColumn("worker", "text", (column) => column.notNull())
      .addColumn("requester", "text", (column) => column.notNull())
      .addColumn("verdict", "text", (column) => column.notNull())
      .addColumn("digest", "text", (column) => column.notNull())
      .addColumn("price", "bigint", (column) => column.notNull())
      .addColumn("at_ms", "bigint", (column) => column.notNull())
      .execute();
    await forbidChanges(db, engine);
  },
});

const second: Migration = {
  async up(db: Kysely<LedgerTables>): Promise<void> {
    // For earlier payments it was not written down how much went into escrow. They count as if all of it had.
    for (const column of ["escrowed", "reopened", "waiting"] as const)
      await db.schema
        .alterTable("receipts")
        .addColumn(column, "bigint", (definition) => definition.notNull().defaultTo(0))
        .execute();
    await db
      .updateTable("receipts")
      .set((row) => ({ escrowed: row.ref("price") }))
      .execute();
    await db.schema.createIndex("receipts_by_worker").on("receipts").columns(["worker", "verdict", "at_ms"]).execute();
  },
};

async function forbidChanges(db: Kysely<LedgerTables>, engine: Engine): Promise<void> {
  if (engine === "postgres") {
    await sql`create function ledger_is_append_only() returns trigger language plpgsql as
      $$ begin raise exception 'the ledger is append-only'; end $$`.execute(db);
  }
  for (const table of APPEND_ONLY) {
    for (const verb of ["update", "delete"] as const) {
      const name = sql.id(`${table}_no_${verb}`);
      await (
        engine === "sqlite"
          ? sql`create trigger ${name} before ${sql.raw(verb)} on ${sql.table(table)} begin select raise(abort, 'the ledger is append-only'); end`
          : sql`create trigger ${name} before ${sql.raw(verb)} on ${sql.table(table)} for each row execute function ledger_is_append_only()`
      ).execute(db);
    }
  }
}
