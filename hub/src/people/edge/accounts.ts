import { SondeError } from "@sonde/schemas/errors";
import type { PersonRole } from "@sonde/schemas/people";
import { buildAuditRecord } from "../../audit/index.ts";
import { hashSecret } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import { findWeakness } from "../core/common-passwords.ts";
import type { LinkStore } from "./link-store.ts";
import type { Passwords } from "./passwords.ts";
import type { Credential, PersonStore } from "./person-store.ts";
import { acceptTotp, makeRecoveryCodes } from "./second-factor.ts";
import type { Vault } from "./vault.ts";
import type { PasswordCredential } from "./write-credential.ts";

export type AccountPorts = Pick<Hub, "auditLog" | "now"> & {
  people: PersonStore;
  links: LinkStore;
  passwords: Passwords;
  vault: Vault;
};

/** A password as a form gives it, with the first code of the app for the secret in `sealed`. */
export type PasswordForm = { name: string; password: string; sealed: string; code: string };

/** To what the secret of an app is bound until its first code is right. */
export const totpPurpose = (of: string): string => `totp offer ${of}`;

/**
 * Checks and hashes a password with its second factor.
 *
 * @param of what the secret of the app was offered for
 * @throws SondeError BAD_REQUEST
 */
export async function buildPassword(
  { passwords, vault, now }: Pick<AccountPorts, "passwords" | "vault" | "now">,
  form: PasswordForm,
  { of, personId }: { of: string; personId: string },
): Promise<PasswordCredential> {
  const weakness = findWeakness(form.password, form.name);
  if (weakness !== null) throw new SondeError("BAD_REQUEST", weakness);
  const totp = acceptTotp(vault, totpPurpose(of), { ...form, personId, now: now() });
  const passwordHash = await passwords.hash(form.password);
  return { ...totp, passwordHash, recoveryCodes: makeRecoveryCodes() };
}

/**
 * Makes the person of a one-time link. It is recorded before it takes effect.
 *
 * @param build makes the credential, once the link is known to be in force
 * @returns the person's id
 * @throws SondeError LINK_REFUSED, NAME_TAKEN, BAD_REQUEST
 */
export async function joinByLink(
  { auditLog, now, people, links }: AccountPorts,
  asked: { secret: string; personId: string; name: string },
  build: () => Promise<Credential>,
): Promise<string> {
  const { secret, personId: id, name } = asked;
  const { id: link, role, createdBy } = await links.find(secret, now());
  if (await people.isNameTaken(name)) {
    throw new SondeError("NAME_TAKEN", `expected a new name, but ${name} is taken`);
  }
  const credential = await build();
  const at = now();
  await recordCreated({ auditLog }, at, { id, name, role, link });
  await people.join({ id, name, role, createdBy, at, credential }, hashSecret(secret));
  return id;
}

export async function recordCreated(
  { auditLog }: Pick<Hub, "auditLog">,
  at: Date,
  person: { id: string; name: string; role: PersonRole; link?: string; issuer?: string },
): Promise<void> {
  const { id, ...detail } = person;
  await auditLog.append(
    buildAuditRecord(at, "person.created", { principal: `person:${id}`, detail }),
  );
}
