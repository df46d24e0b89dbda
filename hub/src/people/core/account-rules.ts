import { SondeError } from "@sonde/schemas/errors";
import type { PersonRole } from "@sonde/schemas/people";

type Subject = { role: PersonRole; disabled: boolean };

/**
 * What a change would make of a person; null for a removal.
 *
 * @throws SondeError FORBIDDEN when it makes, changes or ends an owner without that right
 */
export function requireMayChange(
  before: Subject | null,
  after: Subject | null,
  managesOwners: boolean,
): void {
  const meetsOwner = before?.role === "owner" || after?.role === "owner";
  if (!meetsOwner || managesOwners) return;
  throw new SondeError("FORBIDDEN", "only an owner may make, change or end an owner");
}

/** @returns whether the change takes an owner who can sign in away */
export function endsOwner(before: Subject, after: Subject | null): boolean {
  const isOwner = (subject: Subject | null) =>
    subject !== null && subject.role === "owner" && !subject.disabled;
  return isOwner(before) && !isOwner(after);
}
