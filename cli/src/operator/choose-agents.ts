import { SondeError } from "@sonde/schemas/errors";
import { parseTag, selects } from "@sonde/schemas/tags";
import type { HubClient } from "../hub-client.ts";
import { chooseAgent } from "./connect-hub.ts";

/**
 * Returns the names of the agents that a command is for: the one that is named, all with a tag, or
 * the only one.
 *
 * @throws SondeError BAD_REQUEST when both are given, or neither where several agents are enrolled,
 *   and for a tag that no agent has
 */
export async function chooseAgents(
  client: HubClient,
  { agent, on }: { agent?: string; on?: string },
): Promise<string[]> {
  if (on === undefined) return [await chooseAgent(client, agent)];
  if (agent !== undefined) {
    throw new SondeError("BAD_REQUEST", "expected --agent NAME or --on KEY=VALUE, got both");
  }
  const tag = parseTag(on);
  const known = await client.listAgents();
  const names = known.filter((one) => selects(tag, one)).map(({ name }) => name);
  if (names.length > 0) return names;
  const tags = [...new Set(known.flatMap((one) => one.tags))].toSorted().join(", ");
  throw new SondeError(
    "BAD_REQUEST",
    `expected a tag that an agent has (${tags || "none has any"}), got ${tag}`,
  );
}
