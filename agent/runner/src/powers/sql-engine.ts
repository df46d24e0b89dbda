import { SondeError } from "@sonde/schemas/errors";
import type { SqlSource } from "@sonde/schemas/manifest";
import type { FilledRead } from "@sonde/schemas/reads";

export type SqlConnection = {
  /** A path of the socket that is connected to. */
  path: string;
  /** Of this process, whose role is asked by. */
  user: string;
  /** How long the statement may take, in ms. */
  statementMs: number;
  /** More than that is not taken from the server. */
  mostBytes: number;
  signal: AbortSignal;
};

/** A value is a text as the server spells it; null is its NULL. */
export type SqlRecord = Record<string, string | null>;

/**
 * Connects to one kind of database server without a password, refuses a role that may do more than
 * look, asks the statement in a transaction that only reads, and leaves.
 *
 * @param take is given each row, and says whether it wants more
 * @returns the server's version as a number
 * @throws SondeError for an error of the server, with what to do; others as they come
 */
export type AskEngine = (
  source: SqlSource,
  values: FilledRead["values"],
  connection: SqlConnection,
  take: (record: SqlRecord) => boolean,
) => Promise<number>;

/** Says of which server an error is. */
export function serverFailure(
  code: "PERMISSION_NEEDED" | "SOURCE_NOT_FOUND" | "READ_TIMEOUT" | "READ_FAILED",
  { socket }: SqlSource,
  why: string,
  cause: unknown,
): SondeError {
  return new SondeError(code, `${socket}: ${why}`, { cause });
}

/** A session in which a setting does not hold is asked nothing. */
export function settingsLost(): SondeError {
  return new SondeError(
    "READ_FAILED",
    "expected a session that only reads, with its own timeouts and names; the server, or a pooler before it, did not take the settings",
  );
}
