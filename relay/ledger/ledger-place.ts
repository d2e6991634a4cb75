// Where a ledger lies, by one string: a file, or a PostgreSQL server.

/** Whether a place means PostgreSQL. */
export const isPostgres = (place: string): boolean => /^postgres(ql)?:\/\//.test(place);
