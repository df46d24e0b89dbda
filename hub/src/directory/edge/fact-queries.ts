import type { Digest } from "@sonde/schemas/names";
import type { PolicyHolder } from "@sonde/schemas/policy";
import type { Tag } from "@sonde/schemas/tags";
import type { AgentHold, AttestationSummary } from "@sonde/schemas/hub";
import type { HelloBody, PackReport } from "@sonde/schemas/wire";
import type { Sql } from "postgres";
import type { HubPack, KeptPolicy, KnownAgent, Pin } from "../core/facts.ts";
import type { FactSource } from "../core/memo.ts";

type AgentRow = {
  id: string;
  name: string;
  tags: Tag[];
  publicKey: string;
  enrolledAt: Date;
  certificateExpiresAt: Date | null;
  lastSeenAt: Date | null;
  clockSkewMs: number | null;
  refusedHubAt: Date | null;
  holds: (Omit<AgentHold, "since"> & { since: number })[];
  attestation: AttestationSummary;
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
        select a.id, a.name, a.tags, a.public_key as "publicKey", a.enrolled_at as "enrolledAt",
          a.last_seen_at as "lastSeenAt", a.clock_skew_ms as "clockSkewMs",
          a.refused_hub_at as "refusedHubAt",
          (select max(c.expires_at) from agent_certificates c
            where c.agent_id = a.id and c.revoked_at is null) as "certificateExpiresAt",
          coalesce((
            select json_agg(json_build_object('kind', h.kind, 'reason', h.reason, 'by', h.by,
              'since', extract(epoch from h.since) * 1000) order by h.kind)
            from agent_holds h where h.agent_id = a.id
          ), '[]') as holds,
          coalesce((
            select json_build_object('state', t.state, 'expected', t.expected, 'review', t.review)
            from agent_attestations t where t.agent_id = a.id
          ), '{"state": "not-attested", "expected": 0, "review": 0}') as attestation,
          a.hello, a.packs, a.desired_revision::float8 as revision,
          a.link_hub as "linkHub", a.link_epoch::float8 as "linkEpoch",
          coalesce((
            select json_agg(
              json_build_object('name', p.name, 'version', p.version, 'digest', p.digest)
              order by p.name)
            from desired_packs d join packs p on p.digest = d.digest where d.agent_id = a.id
          ), '[]') as desired
        from agents a ${ids === null ? sql`` : sql`where a.id = any(${ids})`}`;
      return rows.map(({ revision, desired, linkHub, linkEpoch, holds, ...agent }) => ({
        ...agent,
        holds: holds.map((hold) => ({ ...hold, since: new Date(hold.since).toISOString() })),
        enrolledAt: agent.enrolledAt.toISOString(),
        certificateExpiresAt: agent.certificateExpiresAt?.toISOString() ?? null,
        lastSeenAt: agent.lastSeenAt?.toISOString() ?? null,
        refusedHubAt: agent.refusedHubAt?.toISOString() ?? null,
        desired: { revision, packs: desired },
        link: { hub: linkHub, epoch: linkEpoch },
      }));
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
    async readPolicies(names) {
      return await sql<KeptPolicy[]>`select name, policy from policies
        ${names === null ? sql`` : sql`where name = any(${names})`}`;
    },
    async readHolders(ids) {
      return await sql<PolicyHolder[]>`select holder, policy from policy_holders
        ${ids === null ? sql`` : sql`where holder = any(${ids})`}`;
    },
  };
}
