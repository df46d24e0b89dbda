import { randomUUID } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { buildAuditRecord } from "../../audit/index.ts";
import { type AccountPorts, recordCreated } from "./accounts.ts";
import type { Visitor } from "./single-sign-on.ts";

/**
 * The account of whoever comes by single sign-on: that of the provider's subject, never that of a name.
 * Its role follows the provider's groups at each sign-in.
 *
 * @returns the person's id
 * @throws SondeError SIGN_IN_REFUSED, NAME_TAKEN, LAST_OWNER
 */
export async function enterBySso(
  { auditLog, now, people }: AccountPorts,
  { issuer, subject, name, role }: Omit<Visitor, "next">,
): Promise<string> {
  const known = await people.find({ issuer, subject });
  const at = now();
  if (known === null) {
    if (await people.isNameTaken(name)) {
      throw new SondeError("NAME_TAKEN", `expected a new name, but ${name} is taken`);
    }
    const id = randomUUID();
    await recordCreated({ auditLog }, at, { id, name, role, issuer });
    await people.add({
      ...{ id, name, role, createdBy: null, at },
      credential: { kind: "sso", issuer, subject },
    });
    return id;
  }
  if (known.disabled) throw new SondeError("SIGN_IN_REFUSED", "expected a person who may sign in");
  if (known.role !== role) {
    const detail = { id: known.id, name: known.name, role, disabled: false, by: issuer };
    const principal = `person:${known.id}`;
    await auditLog.append(buildAuditRecord(at, "person.changed", { principal, detail }));
    await people.change(known.id, { role, disabled: false }, at);
  }
  return known.id;
}
