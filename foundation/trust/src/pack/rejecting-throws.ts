import { SondeError } from "@sonde/schemas/errors";

/** Libraries throw TypeError, SyntaxError and OpenSSL errors on bad input: each is a rejection. */
export function rejectingThrows<T>(step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw new SondeError("SIGNATURE_INVALID", "bundle: expected a valid signature, got none", {
      cause,
    });
  }
}
