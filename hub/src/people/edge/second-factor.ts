import { randomBytes } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { findStep, toBase32, TOTP_SECRET_BYTES, totpAddress } from "../core/totp.ts";
import type { Vault } from "./vault.ts";

const RECOVERY_CODES = 10;
/** 80 bits: too many to guess, so their plain hash is enough. */
const RECOVERY_BYTES = 10;
const SET_UP_MS = 30 * 60_000;
const RECOVERY_CODE = /^[A-Z2-7]{16}$/;

/** What an app is given, and the same for the hub in a form that only it can read. */
export type TotpOffer = {
  /** Base32. */
  secret: string;
  address: string;
  sealed: string;
};

/** @param purpose binds the offer to the link or the person that it was made for */
export function offerTotp(
  vault: Vault,
  purpose: string,
  shown: { host: string; now: Date },
): TotpOffer {
  const secret = randomBytes(TOTP_SECRET_BYTES);
  const until = new Date(shown.now.getTime() + SET_UP_MS);
  return {
    secret: toBase32(secret),
    address: totpAddress(secret, shown.host),
    sealed: vault.seal(purpose, { secret: secret.toString("base64url") }, until),
  };
}

/** The same offer once more, for a form that is shown again. @returns null when it is too old */
export function repeatTotp(
  vault: Vault,
  purpose: string,
  shown: { sealed: string; host: string; now: Date },
): TotpOffer | null {
  const secret = openOffer(vault, purpose, shown.sealed, shown.now);
  if (secret === null) return null;
  const { host, sealed } = shown;
  return { secret: toBase32(secret), address: totpAddress(secret, host), sealed };
}

function openOffer(vault: Vault, purpose: string, sealed: string, now: Date): Buffer | null {
  const text = vault.open(purpose, sealed, now)?.["secret"];
  return typeof text === "string" ? Buffer.from(text, "base64url") : null;
}

/**
 * Takes over an offer whose app gave a right code.
 *
 * @returns the secret, sealed for good, and the step of the code
 * @throws SondeError BAD_REQUEST
 */
export function acceptTotp(
  vault: Vault,
  purpose: string,
  given: { sealed: string; code: string; personId: string; now: Date },
): { totpSealed: string; totpStep: number } {
  const secret = openOffer(vault, purpose, given.sealed, given.now);
  if (secret === null) {
    throw new SondeError("BAD_REQUEST", "expected the code of a secret of the last half hour");
  }
  const totpStep = findStep(secret, given.code, { now: given.now, after: null });
  if (totpStep === null) {
    throw new SondeError("BAD_REQUEST", "expected the app's present code of six digits");
  }
  const value = { secret: secret.toString("base64url") };
  return { totpSealed: vault.seal(`totp ${given.personId}`, value, null), totpStep };
}

export function makeRecoveryCodes(): string[] {
  return Array.from({ length: RECOVERY_CODES }, () => toBase32(randomBytes(RECOVERY_BYTES)));
}

/** `ABCD-EFGH-...` as people read and type it. */
export function formatRecoveryCode(code: string): string {
  return (code.match(/.{4}/g) ?? []).join("-");
}

/** @returns null for what is no recovery code */
export function readRecoveryCode(typed: string): string | null {
  const code = typed.replaceAll(/[\s-]/g, "").toUpperCase();
  return RECOVERY_CODE.test(code) ? code : null;
}
