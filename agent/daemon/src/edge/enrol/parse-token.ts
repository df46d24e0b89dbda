import { SondeError } from "@sonde/schemas/errors";
import { TOKEN_PREFIX } from "@sonde/schemas/wire";

/** An enrolment token. */
export type EnrolToken = {
  /** The whole token, to be sent to the hub. */
  text: string;
  /** SHA-256 of the DER of the hub's CA certificate, 64 hex digits. */
  fingerprint: string;
};

const FORM = new RegExp(`^${TOKEN_PREFIX}[A-Za-z0-9_-]{43}\\.([0-9a-f]{64})$`);

/** @throws SondeError TOKEN_REFUSED; the message never repeats the token */
export function parseToken(input: string): EnrolToken {
  const text = input.trim();
  const fingerprint = FORM.exec(text)?.[1];
  if (fingerprint === undefined) {
    throw new SondeError("TOKEN_REFUSED", `expected a token of the form ${TOKEN_PREFIX}...`);
  }
  return { text, fingerprint };
}
