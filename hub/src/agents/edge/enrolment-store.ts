import { SondeError } from "@sonde/schemas/errors";
import type { Tag } from "@sonde/schemas/tags";
import { RECOVERABLE_MS } from "@sonde/schemas/wire";
import type { Sql } from "postgres";
import { type Directory, hashSecret } from "../../directory/index.ts";
import { makerInForce } from "../../identity/index.ts";
import type { Shown } from "../core/judge-copy.ts";
import { forgetCopies } from "./accept-copy.ts";

/**
 * Stores enrolment tokens, the agents that they enrol, and the allow list of certificates. Each
 * method is one transaction.
 */
export function createEnrolmentStore(sql: Sql, directory: Pick<Directory, "change">) {
  const usable = (secret: string, agentName: string, at: Date) =>
    sql`token_sha256 = ${hashSecret(secret)} and used_at is null and expires_at > ${at}
      and (agent_name is null or agent_name = ${agentName})
      and ${makerInForce(sql, "enrolment_tokens.created_by")}`;
  const listed = sql`
    select a.id as "agentId", c.serial, a.public_key as "publicKey",
      c.expires_at as "expiresAt", c.generation::float8 as generation,
      a.generation::float8 as used, a.stale_generation::float8 as stale
    from agent_certificates c join agents a on a.id = c.agent_id`;
  /** The generation of an agent's next certificate. */
  const next = (agentId: string) =>
    sql`(select coalesce(max(generation), 0) + 1 from agent_certificates where agent_id = ${agentId})`;
  return {
    /**
     * @param token `createdBy`: the key that made it, as `key:ID`. `approvesFirst`: whether that key
     *   approves the first statement of the agent that enrols
     */
    async addToken(token: {
      secret: string;
      agentName: string | null;
      tags: Tag[];
      approvesFirst: boolean;
      createdBy: string;
      at: Date;
      expiresAt: Date;
    }) {
      const { secret, agentName, tags, approvesFirst, createdBy, at, expiresAt } = token;
      await sql`insert into enrolment_tokens
        (token_sha256, agent_name, tags, approves_first, created_by, created_at, expires_at)
        values (${hashSecret(secret)}, ${agentName}, ${sql.json(tags)}, ${approvesFirst},
          ${createdBy}, ${at}, ${expiresAt})`;
    },
    /**
     * One look-up, before anything is computed for whoever sent the token. It uses nothing up, so
     * `enrol` decides again.
     *
     * @throws SondeError TOKEN_REFUSED
     */
    async requireUsable(secret: string, agentName: string, at: Date): Promise<void> {
      const found =
        await sql`select 1 from enrolment_tokens where ${usable(secret, agentName, at)}`;
      if (found.length !== 1) throw refuseToken();
    },
    /**
     * Uses up the token and adds the agent with its certificate, atomically. Of many concurrent
     * uses exactly one succeeds (attack 14). A refusal leaves the token unused. A token that an
     * operator made for exactly this name replaces the key of a known agent and revokes all its
     * certificates. The token's tags become the agent's; a token without any leaves a known agent
     * its own.
     *
     * @returns the agent's tags
     * @throws SondeError TOKEN_REFUSED or AGENT_NAME_TAKEN
     */
    async enrol(agent: {
      secret: string;
      id: string;
      name: string;
      /** True when an agent has this id already. */
      isKnown: boolean;
      publicKey: string;
      serial: string;
      keyId: string;
      certificateExpiresAt: Date;
      at: Date;
    }): Promise<Tag[]> {
      return await directory.change([{ kind: "agent", id: agent.id }], async (tx) => {
        const [burnt] = await tx<
          { boundTo: string | null; tags: Tag[]; firstApprovedBy: string | null }[]
        >`
          update enrolment_tokens set used_at = ${agent.at}
          where ${usable(agent.secret, agent.name, agent.at)}
          returning agent_name as "boundTo", tags,
            case when approves_first then created_by end as "firstApprovedBy"`;
        if (burnt === undefined) throw refuseToken();
        if (agent.isKnown) {
          const found = await tx`select 1 from agents where id = ${agent.id} for update`;
          // A revoked id is never used again.
          if (found.length === 0) throw refuseName(agent.name);
        }
        const { boundTo, tags, firstApprovedBy } = burnt;
        const mayRekey = boundTo === agent.name;
        const [added] = await tx<{ tags: Tag[] }[]>`
          insert into agents (id, name, tags, public_key, enrolled_at, first_approved_by)
          values (${agent.id}, ${agent.name}, ${tx.json(tags)}, ${agent.publicKey}, ${agent.at},
            ${firstApprovedBy})
          on conflict (name) do update set public_key = excluded.public_key,
            first_approved_by = excluded.first_approved_by,
            -- Its former key signed that, and nobody could verify it with this one.
            witness = null,
            tags = case when ${tags.length > 0} then excluded.tags else agents.tags end
          where ${mayRekey} and agents.id = excluded.id
          returning tags`;
        if (added === undefined) throw refuseName(agent.name);
        await tx`
          insert into agent_keys (key_id, agent_id, public_key, since)
          values (${agent.keyId}, ${agent.id}, ${agent.publicKey}, ${agent.at})
          on conflict do nothing`;
        await tx`
          update agent_certificates set revoked_at = ${agent.at}
          where agent_id = ${agent.id} and revoked_at is null`;
        await tx`
          insert into agent_certificates (serial, agent_id, key_id, expires_at, generation)
          values (${agent.serial}, ${agent.id}, ${agent.keyId}, ${agent.certificateExpiresAt},
            ${next(agent.id)})`;
        await forgetCopies(tx, agent.id);
        return added.tags;
      });
    },
    /**
     * Deletes an agent for good, with its certificates, tags, desired packs and the unused tokens for
     * its name. Its id is never used again. The audit log keeps what it did.
     */
    async revokeAgent({ id, name }: { id: string; name: string }): Promise<void> {
      await directory.change([{ kind: "agent", id }], async (tx) => {
        await tx`delete from enrolment_tokens where agent_name = ${name} and used_at is null`;
        await tx`delete from desired_packs where agent_id = ${id}`;
        await tx`delete from agent_certificates where agent_id = ${id}`;
        await tx`delete from agents where id = ${id}`;
      });
    },
    /**
     * Adds an agent's next certificate to the allow list, with the next generation; a copy that came
     * back older keeps its generation until a person approves it. The current one stays. The agent's
     * row is locked, so that an enrolment of another key at the same time revokes this one or refuses
     * it. Certificates that ended long ago are forgotten.
     *
     * @throws SondeError CERTIFICATE_REFUSED when the agent has another key by now
     */
    async addCertificate(certificate: {
      serial: string;
      agentId: string;
      /** PEM of the key that the certificate is for. */
      publicKey: string;
      keyId: string;
      expiresAt: Date;
      at: Date;
    }): Promise<void> {
      const { agentId, publicKey, serial, keyId, expiresAt, at } = certificate;
      await directory.change([{ kind: "agent", id: agentId }], async (tx) => {
        const added = await tx`
          with agent as (
            select id, stale_generation from agents
            where id = ${agentId} and public_key = ${publicKey} for update
          )
          insert into agent_certificates (serial, agent_id, key_id, expires_at, generation)
          select ${serial}, id, ${keyId}, ${expiresAt}, coalesce(stale_generation, ${next(agentId)})
          from agent
          returning 1`;
        const known = new Date(at.getTime() - RECOVERABLE_MS);
        await tx`delete from agent_certificates
          where agent_id = ${agentId} and expires_at < ${known}`;
        if (added.length === 1) return;
        throw new SondeError("CERTIFICATE_REFUSED", "the agent has enrolled anew or was revoked");
      });
    },
    /** Keeps that the agent has this certificate: those of older generations are stale from now on. */
    async useCertificate(serial: string): Promise<void> {
      await sql`update agents a set generation = c.generation from agent_certificates c
        where c.serial = ${serial} and c.revoked_at is null and a.id = c.agent_id
          and a.generation < c.generation`;
    },
    /** Keeps that a copy with an older generation than was used came back. */
    async markStale({
      agentId,
      generation,
    }: {
      agentId: string;
      generation: number;
    }): Promise<void> {
      await sql`update agents set stale_generation = ${generation}
        where id = ${agentId} and generation > ${generation} and stale_generation is null`;
    },
    /** True when the certificate was issued and not forgotten, also when it was revoked. */
    async isListed(serial: string): Promise<boolean> {
      const found = await sql`select 1 from agent_certificates where serial = ${serial}`;
      return found.length === 1;
    },
    /** Returns the agent of a certificate that is in force or ended not long ago, else null. */
    async findRecoverable(serial: string, at: Date): Promise<ListedCertificate | null> {
      const since = new Date(at.getTime() - RECOVERABLE_MS);
      const [row] = await sql<ListedCertificate[]>`${listed}
        where c.serial = ${serial} and c.revoked_at is null and c.expires_at > ${since}`;
      return row ?? null;
    },
    /** Returns the agent of a certificate that is on the allow list, else null. */
    async findCertificate(
      serial: string,
      keyId: string,
      at: Date,
    ): Promise<ListedCertificate | null> {
      const [row] = await sql<ListedCertificate[]>`${listed}
        where c.serial = ${serial} and c.key_id = ${keyId}
          and c.revoked_at is null and c.expires_at > ${at}`;
      return row ?? null;
    },
  };
}
export type EnrolmentStore = ReturnType<typeof createEnrolmentStore>;

/** A certificate on the allow list, with the agent whose it is. */
export type ListedCertificate = Shown & { expiresAt: Date };

/** Unknown, expired, used and bound to another name get the same answer (identity rule 1). */
function refuseToken(): SondeError {
  return new SondeError("TOKEN_REFUSED", "expected an unused enrolment token, got another");
}

function refuseName(name: string): SondeError {
  return new SondeError(
    "AGENT_NAME_TAKEN",
    `an agent called ${name} exists already, or was revoked at this moment`,
  );
}
