/** A failure to open or migrate a database. The message is one sentence for the operator. */
export class DatabaseError extends Error {
  readonly code = "DATABASE_UNAVAILABLE";
  override readonly name = "DatabaseError";
}
