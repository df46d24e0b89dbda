import { generateKeyPairSync, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openAuthority } from "@sonde/trust/ca";
import type { Sql } from "postgres";

/** What one simulated agent is, as text: it goes to another process. */
export type SwarmAgent = { agentId: string; agentName: string; key: string; certificate: string };

/** What all agents of a swarm share. */
export type SwarmHub = { hubId: string; controlAddress: string; hubKey: string; ca: string };

const ROWS_AT_ONCE = 500;

/**
 * Makes agents that a hub knows, as if each had enrolled. The hub must start again before it knows
 * them.
 *
 * @param keys the folder of the hub's keys
 * @param sql its database
 */
export async function seedSwarm(keys: string, sql: Sql, count: number): Promise<SwarmAgent[]> {
  const read = (name: string) => readFileSync(join(keys, name), "utf8");
  const hubId = read("hub-id").trim();
  const authority = await openAuthority(
    { certificate: read("ca.pem"), privateKey: read("ca-key.pem") },
    () => new Date(),
  );
  const made: SwarmAgent[] = [];
  while (made.length < count) {
    const agents: object[] = [];
    const certificates: object[] = [];
    for (let left = Math.min(ROWS_AT_ONCE, count - made.length); left > 0; left -= 1) {
      const { publicKey, privateKey } = generateKeyPairSync("ed25519");
      const agent = { agentId: randomUUID(), agentName: `swarm-${made.length + 1}` };
      const issued = await authority.issueAgentCertificate({
        ...{ publicKey, hubId, agentId: agent.agentId },
      });
      agents.push({
        ...{ id: agent.agentId, name: agent.agentName, enrolled_at: new Date() },
        public_key: publicKey.export({ type: "spki", format: "pem" }).toString(),
      });
      certificates.push({
        ...{ serial: issued.serial, agent_id: agent.agentId, key_id: issued.keyId },
        ...{ expires_at: issued.expiresAt, generation: 1 },
      });
      const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      made.push({ ...agent, key, certificate: issued.certificate });
    }
    await sql`insert into agents ${sql(agents)}`;
    await sql`insert into agent_certificates ${sql(certificates)}`;
  }
  return made;
}
