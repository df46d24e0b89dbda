import { SondeError } from "@sonde/schemas/errors";
import type { PersonRole } from "@sonde/schemas/people";

export type RoleMapping = {
  /** The claim that has the person's groups; `groups` by default. */
  groupsClaim?: string;
  /** The first one whose group the person is in decides. */
  roles: readonly { group: string; role: PersonRole }[];
};

export type Claims = {
  subject: string;
  name: string;
  role: PersonRole;
  /** When the person signed in at the provider; null when it does not say. */
  authenticatedAt: Date | null;
};

/**
 * Who somebody is at the hub, by the claims of a verified token. Without the claim of groups, and
 * without a group that has a role, it is nobody.
 *
 * @throws SondeError SIGN_IN_REFUSED
 */
export function readClaims(
  claims: Record<string, unknown>,
  { groupsClaim = "groups", roles }: RoleMapping,
): Claims {
  const groups = Object.hasOwn(claims, groupsClaim) ? claims[groupsClaim] : undefined;
  if (!Array.isArray(groups)) {
    throw new SondeError(
      "SIGN_IN_REFUSED",
      `expected the claim ${groupsClaim} with a list of groups, got none`,
    );
  }
  const found = roles.find(({ group }) => groups.includes(group));
  if (found === undefined) {
    throw new SondeError("SIGN_IN_REFUSED", "expected a group that has a role at this hub");
  }
  const { sub, auth_time: time } = claims;
  return {
    subject: String(sub),
    name: nameOf(claims),
    role: found.role,
    authenticatedAt: typeof time === "number" ? new Date(time * 1000) : null,
  };
}

/** A name that a person may have here: what the provider calls it, without other characters. */
function nameOf({ preferred_username: username, email, sub }: Record<string, unknown>): string {
  const [given = ""] = [username, email, sub].filter((name) => typeof name === "string");
  const name = given
    .toLowerCase()
    .replaceAll(/[^a-z0-9._@+-]/g, "")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, 100);
  return name === "" ? "person" : name;
}
