import { SondeError } from "@sonde/schemas/errors";
import type { Sql } from "postgres";
import { type Directory, hashSecret } from "../../directory/index.ts";

/**
 * Stores enrolment tokens, the agents that they enrol, and the allow list of certificates. Each
 * method is one transaction.
 */
export function createEnrolmentStore(sql: Sql, directory: Pick<Directory, "change">) {
  return {
    async addToken(token: { secret: string; agentName: string | null; at: Date; expiresAt: Date }) {
      await sql`insert into enrolment_tokens (token_sha256, agent_name, created_at, expires_at)
        values (${hashSecret(token.secret)}, ${token.agentName}, ${token.at}, ${token.expiresAt})`;
    },
    /**
     * Uses up the token and adds the agent with its certificate, atomically. Of many concurrent
     * uses exactly one succeeds (attack 14). A refusal leaves the token unused. A token that an
     * operator made for exactly this name replaces the key of a known agent and revokes all its
     * certificates.
     *
     * @throws SondeError TOKEN_REFUSED or AGENT_NAME_TAKEN
     */
    async enrol(agent: {
      secret: string;
      id: string;
      name: string;
      publicKey: string;
      serial: string;
      keyId: string;
      certificateExpiresAt: Date;
      at: Date;
    }): Promise<void> {
      await directory.change([{ kind: "agent", id: agent.id }], async (tx) => {
        const burnt = await tx<{ boundTo: string | null }[]>`
          update enrolment_tokens set used_at = ${agent.at}
          where token_sha256 = ${hashSecret(agent.secret)} and used_at is null
            and expires_at > ${agent.at} and (agent_name is null or agent_name = ${agent.name})
          returning agent_name as "boundTo"`;
        if (burnt.length !== 1) {
          // Unknown, expired, used and bound to another name get the same answer (identity rule 1).
          throw new SondeError("TOKEN_REFUSED", "expected an unused enrolment token, got another");
        }
        const mayRekey = burnt[0]?.boundTo === agent.name;
        const added = await tx`
          insert into agents (id, name, public_key, enrolled_at)
          values (${agent.id}, ${agent.name}, ${agent.publicKey}, ${agent.at})
          on conflict (name) do update set public_key = excluded.public_key
          where ${mayRekey} and agents.id = excluded.id
          returning 1`;
        if (added.length !== 1) {
          throw new SondeError("AGENT_NAME_TAKEN", `an agent called ${agent.name} exists already`);
        }
        await tx`
          update agent_certificates set revoked_at = ${agent.at}
          where agent_id = ${agent.id} and revoked_at is null`;
        await tx`
          insert into agent_certificates (serial, agent_id, key_id, expires_at)
          values (${agent.serial}, ${agent.id}, ${agent.keyId}, ${agent.certificateExpiresAt})`;
      });
    },
    /** Adds an agent's next certificate to the allow list. The current one stays. */
    async addCertificate(certificate: {
      serial: string;
      agentId: string;
      keyId: string;
      expiresAt: Date;
    }): Promise<void> {
      await sql`insert into agent_certificates (serial, agent_id, key_id, expires_at)
        values (${certificate.serial}, ${certificate.agentId}, ${certificate.keyId},
          ${certificate.expiresAt})`;
    },
    /** Returns the agent of a certificate that is on the allow list, else null. */
    async findCertificate(serial: string, keyId: string, at: Date) {
      const [row] = await sql<{ agentId: string; publicKey: string; expiresAt: Date }[]>`
        select a.id as "agentId", a.public_key as "publicKey", c.expires_at as "expiresAt"
        from agent_certificates c join agents a on a.id = c.agent_id
        where c.serial = ${serial} and c.key_id = ${keyId}
          and c.revoked_at is null and c.expires_at > ${at}`;
      return row ?? null;
    },
  };
}
export type EnrolmentStore = ReturnType<typeof createEnrolmentStore>;
