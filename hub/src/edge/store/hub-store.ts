import { createHash } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import { type ApiKeySummary, type KeyPolicy, type ToolPin } from "@sonde/schemas/hub";
import { type Manifest } from "@sonde/schemas/manifest";
import { type Digest, toolNameOf } from "@sonde/schemas/names";
import { type Signer } from "@sonde/schemas/trust";
import { type HelloBody, type PackReport } from "@sonde/schemas/wire";
import type { Static } from "typebox";
import type { Sql, TransactionSql } from "postgres";
import type { FleetState } from "../../core/fleet.ts";

/** Secrets are stored as hashes only, so a stolen database opens nothing (attack 16). */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret, "utf8").digest("hex");
}

export type KeyRow = { id: string; name: string; policy: KeyPolicy };
type KeySummary = Static<typeof ApiKeySummary>;

/** Everything the hub keeps besides its audit log. Each method is one transaction. */
export function createHubStore(sql: Sql) {
  return {
    ...keyQueries(sql),
    ...enrolmentQueries(sql),
    ...agentQueries(sql),
    ...packQueries(sql),
  };
}
export type HubStore = ReturnType<typeof createHubStore>;

function keyQueries(sql: Sql) {
  return {
    async countKeys(): Promise<number> {
      const [row] = await sql<{ n: number }[]>`select count(*)::int as n from api_keys`;
      return row?.n ?? 0;
    },
    async addKey(key: { id: string; name: string; secret: string; policy: KeyPolicy; at: Date }) {
      await sql`insert into api_keys (id, name, key_sha256, policy, created_at)
        values (${key.id}, ${key.name}, ${hashSecret(key.secret)}, ${sql.json(key.policy)}, ${key.at})`;
    },
    async findKey(secret: string): Promise<KeyRow | null> {
      const [row] = await sql<KeyRow[]>`
        select id, name, policy from api_keys
        where key_sha256 = ${hashSecret(secret)} and revoked_at is null`;
      return row ?? null;
    },
    async listKeys(): Promise<KeySummary[]> {
      const rows = await sql<(KeyRow & { createdAt: Date; revokedAt: Date | null })[]>`
        select id, name, policy, created_at as "createdAt", revoked_at as "revokedAt"
        from api_keys order by created_at, id`;
      return rows.map((row) => ({
        ...row,
        createdAt: row.createdAt.toISOString(),
        revokedAt: row.revokedAt?.toISOString() ?? null,
      }));
    },
    async revokeKey(id: string, at: Date): Promise<void> {
      await sql`update api_keys set revoked_at = ${at} where id = ${id} and revoked_at is null`;
    },
  };
}

function enrolmentQueries(sql: Sql) {
  return {
    async addToken(token: { secret: string; agentName: string | null; at: Date; expiresAt: Date }) {
      await sql`insert into enrolment_tokens (token_sha256, agent_name, created_at, expires_at)
        values (${hashSecret(token.secret)}, ${token.agentName}, ${token.at}, ${token.expiresAt})`;
    },
    /**
     * Burns the token and adds the agent with its certificate, all or nothing:
     * of many at once exactly one succeeds (attack 14), a refusal burns nothing.
     * A token that an operator made for exactly this name gives a known agent a
     * new key, and every certificate it had is revoked.
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
      await sql.begin(async (tx) => {
        const burnt = await tx<{ boundTo: string | null }[]>`
          update enrolment_tokens set used_at = ${agent.at}
          where token_sha256 = ${hashSecret(agent.secret)} and used_at is null
            and expires_at > ${agent.at} and (agent_name is null or agent_name = ${agent.name})
          returning agent_name as "boundTo"`;
        if (burnt.length !== 1) {
          // One answer for unknown, expired, used and bound to another name (identity rule 1).
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
    /** Puts an agent's next certificate on the allow-list, beside the present one. */
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
    /** The agent behind a certificate, when the allow-list has it. */
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

function agentQueries(sql: Sql) {
  return {
    async saveHello(agentId: string, hello: HelloBody, at: Date): Promise<void> {
      await sql`update agents set hello = ${sql.json(hello)}, packs = ${sql.json(hello.packs)},
        last_seen_at = ${at} where id = ${agentId}`;
    },
    async savePacks(agentId: string, packs: PackReport[], at: Date): Promise<void> {
      await sql`update agents set packs = ${sql.json(packs)}, last_seen_at = ${at}
        where id = ${agentId}`;
    },
    /** @returns the new revision */
    async assignPack(change: {
      agentId: string;
      pack: string;
      digest: Digest;
      by: string;
      at: Date;
    }): Promise<number> {
      return sql.begin(async (tx) => {
        await tx`insert into desired_packs (agent_id, pack, digest, assigned_by, assigned_at)
          values (${change.agentId}, ${change.pack}, ${change.digest}, ${change.by}, ${change.at})
          on conflict (agent_id, pack) do update set digest = excluded.digest,
            assigned_by = excluded.assigned_by, assigned_at = excluded.assigned_at`;
        return bumpRevision(tx, change.agentId);
      });
    },
    async removePack(agentId: string, pack: string): Promise<number> {
      return sql.begin(async (tx) => {
        await tx`delete from desired_packs where agent_id = ${agentId} and pack = ${pack}`;
        return bumpRevision(tx, agentId);
      });
    },
    async loadFleet(): Promise<FleetState> {
      const agents = await sql<AgentRow[]>`
        select id, name, enrolled_at as "enrolledAt", last_seen_at as "lastSeenAt", hello, packs,
          desired_revision::float8 as revision from agents`;
      const desired = await sql<
        { agentId: string; name: string; version: string; digest: Digest }[]
      >`select d.agent_id as "agentId", p.name, p.version, p.digest
        from desired_packs d join packs p on p.digest = d.digest order by p.name`;
      const packs = await sql<
        { digest: Digest; name: string; version: string; signer: Signer; manifest: Manifest }[]
      >`select digest, name, version, signer, manifest from packs`;
      const pins = await sql<{ probe: string; definitionSha256: Digest }[]>`
        select probe, definition_sha256 as "definitionSha256" from tool_pins`;
      return {
        agents: agents.map((row) => ({
          id: row.id,
          name: row.name,
          enrolledAt: row.enrolledAt.toISOString(),
          lastSeenAt: row.lastSeenAt?.toISOString() ?? null,
          hello: row.hello,
          packs: row.packs,
          desired: {
            revision: row.revision,
            packs: desired
              .filter(({ agentId }) => agentId === row.id)
              .map(({ name, version, digest }) => ({ name, version, digest })),
          },
        })),
        packs: [...packs],
        pins: [...pins],
      };
    },
  };
}

type AgentRow = {
  id: string;
  name: string;
  enrolledAt: Date;
  lastSeenAt: Date | null;
  hello: HelloBody | null;
  packs: PackReport[];
  revision: number;
};

async function bumpRevision(tx: TransactionSql, agentId: string): Promise<number> {
  const [row] = await tx<{ revision: number }[]>`
    update agents set desired_revision = desired_revision + 1 where id = ${agentId}
    returning desired_revision::float8 as revision`;
  return row?.revision ?? 0;
}

function packQueries(sql: Sql) {
  return {
    async savePack(pack: {
      digest: Digest;
      name: string;
      version: string;
      signer: Signer;
      manifest: Manifest;
      at: Date;
    }): Promise<void> {
      await sql`insert into packs (digest, name, version, signer, manifest, verified_at)
        values (${pack.digest}, ${pack.name}, ${pack.version}, ${sql.json(pack.signer)},
          ${sql.json(pack.manifest)}, ${pack.at})
        on conflict (digest) do update
          set signer = excluded.signer, verified_at = excluded.verified_at`;
    },
    async findPack(digest: Digest) {
      const [row] = await sql<
        { name: string; version: string; digest: Digest; signer: Signer }[]
      >`select name, version, digest, signer from packs where digest = ${digest}`;
      return row ?? null;
    },
    /** With `replace` false a probe that has a pin keeps it. */
    async pinTools(
      pins: { probe: string; definitionSha256: Digest; packDigest: Digest }[],
      by: string,
      at: Date,
      replace: boolean,
    ): Promise<void> {
      await sql.begin(async (tx) => {
        for (const pin of pins) {
          await tx`insert into tool_pins (probe, definition_sha256, pack_digest, approved_by, approved_at)
            values (${pin.probe}, ${pin.definitionSha256}, ${pin.packDigest}, ${by}, ${at})
            on conflict (probe) do update set definition_sha256 = excluded.definition_sha256,
              pack_digest = excluded.pack_digest, approved_by = excluded.approved_by,
              approved_at = excluded.approved_at
            where ${replace}`;
        }
      });
    },
    async listPins(): Promise<Static<typeof ToolPin>[]> {
      const rows = await sql<
        {
          probe: string;
          definitionSha256: Digest;
          packDigest: Digest;
          approvedBy: string;
          approvedAt: Date;
        }[]
      >`select probe, definition_sha256 as "definitionSha256", pack_digest as "packDigest",
          approved_by as "approvedBy", approved_at as "approvedAt" from tool_pins order by probe`;
      return rows.map((row) => ({
        ...row,
        tool: toolNameOf(row.probe),
        approvedAt: row.approvedAt.toISOString(),
      }));
    },
  };
}
