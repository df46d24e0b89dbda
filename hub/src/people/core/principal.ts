import { createHash } from "node:crypto";
import type { PersonRole } from "@sonde/schemas/people";
import { canonicalJson } from "@sonde/trust/canonical-json";
import type { AccessGrant, Principal } from "../../identity/index.ts";

/** Roles that run the fleet. */
const MANAGES: readonly PersonRole[] = ["owner", "admin", "operator"];

/** Whoever asks, as the hub's one decision about rights takes it. */
export function principalOf(person: { id: string; name: string; role: PersonRole }): Principal {
  const { id, name, role } = person;
  const capability = MANAGES.includes(role) ? "manage" : "observe";
  const grants: AccessGrant[] = [{ role, agents: "*", probes: "*", capability }];
  const hash = createHash("sha256").update(canonicalJson(grants)).digest("hex");
  return { subject: { id: `person:${id}`, name }, grants, policyHash: `sha256:${hash}` };
}
