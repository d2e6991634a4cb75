// Where a ledger lies, as one string: a file of SQLite, or a PostgreSQL server. Apart from `open-database.ts`, so that
// the relay reads its command line without loading the databases.

/** Whether `location` is a PostgreSQL server. */
export const isPostgres = (location: string): boolean => /^postgres(ql)?:\/\//.test(location);
