import { SondeError } from "@sonde/schemas/errors";

/** Letters of a code: none that is a vowel, or looks like another one (RFC 8628, 6.1). */
const CODE = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/;

/**
 * A user code as it is stored: people type it in small letters, with or without the dash.
 *
 * @throws SondeError NOT_FOUND for what no code can be
 */
export function normalizeUserCode(typed: string | undefined): string {
  const code = (typed ?? "").replaceAll(/[\s-]/g, "").toUpperCase();
  if (CODE.test(code)) return code;
  throw new SondeError("NOT_FOUND", "expected the eight letters that your terminal shows now");
}

/** The code as the terminal shows it. */
export function showUserCode(code: string): string {
  return `${code.slice(0, 4)}-${code.slice(4)}`;
}
