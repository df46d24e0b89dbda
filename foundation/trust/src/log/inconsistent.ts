import { SondeError } from "@sonde/schemas/errors";

/** What a registry's log should have been and is not. */
export function inconsistent(sentence: string): SondeError {
  return new SondeError("REGISTRY_LOG_INCONSISTENT", `registry log: ${sentence}`);
}
