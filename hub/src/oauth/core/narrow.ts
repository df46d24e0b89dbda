import type { Policy } from "@sonde/schemas/policy";
import type { AgentSelector } from "@sonde/schemas/tags";
import type { Holder } from "../../identity/index.ts";
import { capabilityOf, type ResourceKind } from "./scopes.ts";

/** What a person let a client do: the scopes of its token, for these agents. */
export type Narrowing = { scopes: readonly string[]; agents: "*" | readonly AgentSelector[] };

/**
 * The holder of policies that a grant is. Beside its person's it makes the client's principal, and
 * both must allow: a client has no more than its person now, and no more than the person let it have.
 *
 * @param person the holder that the person is
 */
export function holderOfGrant(
  grantId: string,
  kind: ResourceKind,
  person: Holder,
  { scopes, agents }: Narrowing,
): Holder {
  const id = `grant:${grantId}`;
  // Over REST a client is its person; what it may write is a matter of its scopes.
  if (kind === "api") return { id, role: person.role };
  const made: Policy = {
    ...(agents !== "*" && { agents: { allow: [...agents] } }),
    capability: capabilityOf(scopes) ?? "observe",
  };
  return { id, role: "client", made };
}
