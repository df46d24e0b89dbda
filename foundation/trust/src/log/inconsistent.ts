import { SondeError } from "@sonde/schemas/errors";

/** Builds the error for a log that differs from what was expected. */
export function inconsistent(sentence: string): SondeError {
  return new SondeError("REGISTRY_LOG_INCONSISTENT", `registry log: ${sentence}`);
}
