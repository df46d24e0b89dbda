import type { Digest } from "@sonde/schemas/names";
import type { HelloBody, PackReport } from "@sonde/schemas/wire";
import type { Sql } from "postgres";
import type { HubPack, KnownAgent, Pin } from "../core/facts.ts";
import type { FactSource } from "../core/memo.ts";

type AgentRow = {
  id: string;
  name: string;
  publicKey: string;
  enrolledAt: Date;
  lastSeenAt: Date | null;
  hello: HelloBody | null;
  packs: PackReport[];
  revision: number;
  linkHub: string | null;
  linkEpoch: number;
  desired: KnownAgent["desired"]["packs"];
};

/** Creates a source that reads the directory's facts, one statement for each kind. */
export function createFactSource(sql: Sql): FactSource {
  return {
    async readAgents(ids) {
      const rows = await sql<AgentRow[]>`
        select a.id, a.name, a.public_key as "publicKey", a.enrolled_at as "enrolledAt", a.last_seen_at as "lastSeenAt",
          a.hello, a.packs, a.desired_revision::float8 as revision,
          a.link_hub as "linkHub", a.link_epoch::float8 as "linkEpoch",
          coalesce((
            select json_agg(
              json_build_object('name', p.name, 'version', p.version, 'digest', p.digest)
              order by p.name)
            from desired_packs d join packs p on p.digest = d.digest where d.agent_id = a.id
          ), '[]') as desired
        from agents a ${ids === null ? sql`` : sql`where a.id = any(${ids})`}`;
      return rows.map(
        ({ enrolledAt, lastSeenAt, revision, desired, linkHub, linkEpoch, ...agent }) => ({
          ...agent,
          enrolledAt: enrolledAt.toISOString(),
          lastSeenAt: lastSeenAt?.toISOString() ?? null,
          desired: { revision, packs: desired },
          link: { hub: linkHub, epoch: linkEpoch },
        }),
      );
    },
    async readPacks(digests: Digest[] | null) {
      return await sql<HubPack[]>`select digest, name, version, signer, manifest from packs
        ${digests === null ? sql`` : sql`where digest = any(${digests})`}`;
    },
    async readPins(probes) {
      return await sql<Pin[]>`
        select probe, definition_sha256 as "definitionSha256" from tool_pins
        ${probes === null ? sql`` : sql`where probe = any(${probes})`}`;
    },
  };
}
