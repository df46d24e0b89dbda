import { SondeError } from "@sonde/schemas/errors";
import { SinkFailure } from "../core/sink-failure.ts";

/**
 * What an exchange with a receiver failed with. Of the system's error only the code is said: its
 * message may have an address with a secret in it.
 *
 * @param lateMs the time limit, when it is over
 */
export function failureOf(thrown: unknown, lateMs: number | null): SondeError {
  if (thrown instanceof SondeError) return thrown;
  if (lateMs !== null) {
    return new SinkFailure("SINK_TIMEOUT", `expected an answer within ${lateMs} ms, got none`);
  }
  return new SinkFailure(
    "SINK_UNREACHABLE",
    `expected a connection to the receiver, got ${codeOf(thrown)}`,
  );
}

/** Such as `ECONNREFUSED` and `DEPTH_ZERO_SELF_SIGNED_CERT`. */
export function codeOf(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  return /^[A-Z0-9_]{1,60}$/.test(code) ? code : "an error without a code";
}
