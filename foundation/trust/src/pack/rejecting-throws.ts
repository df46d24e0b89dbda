import { SondeError } from "@sonde/schemas/errors";

/**
 * Turns any error into a rejection: libraries throw TypeError, SyntaxError and OpenSSL
 * errors for bad input.
 */
export function rejectingThrows<T>(step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw new SondeError("SIGNATURE_INVALID", "bundle: expected a valid signature, got none", {
      cause,
    });
  }
}
