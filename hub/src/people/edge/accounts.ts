import { randomUUID } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import type { PersonRole, SignInMethod } from "@sonde/schemas/people";
import { buildAuditRecord } from "../../audit/index.ts";
import { hashSecret } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import { findWeakness } from "../core/common-passwords.ts";
import type { Link, LinkStore } from "./link-store.ts";
import type { Passwords } from "./passwords.ts";
import type { Credential, PasswordCredential, PersonStore } from "./person-store.ts";
import { acceptTotp, makeRecoveryCodes } from "./second-factor.ts";
import type { Vault } from "./vault.ts";

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
 * @param build makes the credential of the person with that id
 * @throws SondeError LINK_REFUSED, NAME_TAKEN, BAD_REQUEST
 */
export async function joinByLink<Built extends Credential>(
  { auditLog, now, people, links }: AccountPorts,
  asked: { secret: string; name: string },
  build: (personId: string) => Promise<Built>,
): Promise<{ id: string; link: Link; credential: Built }> {
  const link = await links.find(asked.secret, now());
  if (await people.isNameTaken(asked.name)) {
    throw new SondeError("NAME_TAKEN", `expected a new name, but ${asked.name} is taken`);
  }
  const id = randomUUID();
  const credential = await build(id);
  const at = now();
  await recordCreated({ auditLog }, at, { id, name: asked.name, role: link.role, link: link.id });
  const { createdBy, role } = link;
  await people.join(
    { id, name: asked.name, role, createdBy, at, credential },
    hashSecret(asked.secret),
  );
  return { id, link, credential };
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

/** How somebody has proved who they are by making an account. */
export function methodsOf({ kind }: Credential): SignInMethod[] {
  return kind === "password" ? ["password", "totp"] : [kind];
}
