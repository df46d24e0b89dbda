import { X509Certificate } from "node:crypto";
import type { AuditSinkState, HubHealth, OutsideWitnessState } from "@sonde/schemas/hub";
import { RELEASE } from "@sonde/schemas/release";
import { readTlsFiles } from "@sonde/service";
import type { KnownAgent } from "../../directory/index.ts";
import type { Hub } from "../../hub.ts";
import type { RegistryFollower } from "../../registry-log/index.ts";

/** Agents renew when more than half of a day is over, so this little is a fault. */
const NEAR_END_MS = 4 * 3_600_000;
/** Agents that are named. A fleet that nobody renews any more would be a list of all of it. */
const MAX_NAMED = 20;

export type HealthUses = {
  registry: Pick<RegistryFollower, "status">;
  /** Of people, those in force. */
  countSessions: () => Promise<number>;
  readSinks: () => Promise<AuditSinkState[]>;
  readWitnesses: () => Promise<OutsideWitnessState[]>;
};

/**
 * Reads how the hub and what it stands on are. The database is asked, so a hub without one answers
 * nothing here.
 */
export async function readHealth(hub: Hub, uses: HealthUses, startedAt: Date): Promise<HubHealth> {
  const { directory, links, auditLog, checkpoints, sql, now, elapsed } = hub;
  const asked = elapsed();
  await sql`select 1`;
  const answerMs = elapsed() - asked;
  const [audit, sessions, sinks, witnesses] = await Promise.all([
    auditLog.readHead(),
    uses.countSessions(),
    uses.readSinks(),
    uses.readWitnesses(),
  ]);
  const signed = checkpoints.latest();
  const agents = directory.agents();
  const online = agents.filter((agent) => links.isOnline(agent)).length;
  const ending = listEnding(agents, now());
  const { head, at, problem, forks, elsewhere } = uses.registry.status();
  return {
    release: RELEASE,
    startedAt: startedAt.toISOString(),
    hubs: links.hubs.running().length,
    database: { answerMs: Math.round(answerMs * 1000) / 1000 },
    agents: {
      ...{ online, offline: agents.length - online },
      held: agents.filter(({ holds }) => holds.length > 0).length,
      refusing: agents.filter(({ refusedHubAt }) => refusedHubAt !== null).length,
      ...{ ending: ending.length, endingFirst: ending.slice(0, MAX_NAMED) },
    },
    certificates: listCertificates(hub),
    registryLog: {
      ...{ entries: head?.size ?? null, headAt: at, problem: problem?.code ?? null },
      ...{ forks: forks.length, elsewhere: elsewhere.length },
    },
    ...{ audit, sinks, witnesses, sessions },
    attested: {
      entries: signed?.size ?? 0,
      at: signed?.at.toISOString() ?? null,
      problem: checkpoints.problem()?.code ?? null,
    },
  };
}

/** The first to end first. */
function listEnding(agents: readonly KnownAgent[], now: Date): HubHealth["agents"]["endingFirst"] {
  return agents
    .flatMap(({ name, certificateExpiresAt: endsAt }) =>
      endsAt !== null && Date.parse(endsAt) - now.getTime() < NEAR_END_MS
        ? [{ agent: name, endsAt }]
        : [],
    )
    .toSorted((one, other) => Date.parse(one.endsAt) - Date.parse(other.endsAt));
}

function listCertificates({ keys, config }: Hub): HubHealth["certificates"] {
  const { tls, public: others } = config.http;
  const ends = (of: HubHealth["certificates"][number]["of"], pem: string) => ({
    of,
    endsAt: new Date(new X509Certificate(pem).validTo).toISOString(),
  });
  return [
    ends("authority", keys.authority),
    ends("agents", keys.server.certificate),
    // Files of the operator's own may be newer than what was read at the start.
    ...(tls === undefined ? [] : [ends("http", readTlsFiles(tls).certificate)]),
    ...(others?.tls === undefined ? [] : [ends("public", readTlsFiles(others.tls).certificate)]),
  ];
}
