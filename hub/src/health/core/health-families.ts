import type { AuditSinkState, HubHealth, OutsideWitnessState } from "@sonde/schemas/hub";
import type { Family } from "./metrics.ts";

const NONE = {};

/** What `HubHealth` says, as families: the console's facts and those of Prometheus are the same. */
export function healthFamilies(health: HubHealth, now: Date): Family[] {
  const { database, agents, certificates, registryLog, audit, attested } = health;
  const left = (endsAt: string): number => (Date.parse(endsAt) - now.getTime()) / 1000;
  const followed = registryLog.problem === null && registryLog.forks === 0;
  return [
    {
      ...{ name: "sonde_hub_info", type: "gauge", help: "The release of this hub; always 1" },
      samples: [{ labels: { release: health.release }, value: 1 }],
    },
    gauge("sonde_hub_start_time_seconds", "When this hub started, in seconds since 1970", [
      Date.parse(health.startedAt) / 1000,
    ]),
    gauge("sonde_hubs_running", "Hubs of this database that run", [health.hubs]),
    gauge("sonde_database_answer_seconds", "How long the database took to answer just now", [
      database.answerMs / 1000,
    ]),
    {
      ...{ name: "sonde_agents", type: "gauge", help: "Enrolled agents, by connection" },
      samples: [
        { labels: { state: "online" }, value: agents.online },
        { labels: { state: "offline" }, value: agents.offline },
      ],
    },
    gauge("sonde_agents_held", "Agents of which no probe runs until a person decides", [
      agents.held,
    ]),
    gauge("sonde_agents_refusing", "Agents that saw a later state of this hub than it has", [
      agents.refusing,
    ]),
    gauge("sonde_agent_certificates_ending", "Agents whose certificate ends within four hours", [
      agents.ending,
    ]),
    {
      ...{ name: "sonde_agent_certificate_expiry_seconds", type: "gauge" },
      help: "Seconds until an agent's certificate ends: the first twenty of those within four hours",
      samples: agents.endingFirst.map(({ agent, endsAt }) => ({
        ...{ labels: { agent }, value: left(endsAt) },
      })),
    },
    {
      ...{ name: "sonde_certificate_expiry_seconds", type: "gauge" },
      help: "Seconds until a certificate of the hub ends",
      samples: certificates.map(({ of, endsAt }) => ({
        ...{ labels: { of }, value: left(endsAt) },
      })),
    },
    gauge("sonde_registry_log_consistent", "1 while the registry's log only grew, for all agents", [
      followed ? 1 : 0,
    ]),
    gauge("sonde_registry_log_forks", "Agents that were shown another log than the hub", [
      registryLog.forks,
    ]),
    gauge("sonde_registry_log_elsewhere", "Agents that follow the log of another registry", [
      registryLog.elsewhere,
    ]),
    gauge(
      "sonde_registry_log_entries",
      "Entries of the registry's log, once it was read",
      registryLog.entries === null ? [] : [registryLog.entries],
    ),
    gauge(
      "sonde_registry_log_head_age_seconds",
      "How long ago the registry signed the head that the hub has",
      registryLog.headAt === null ? [] : [-left(registryLog.headAt)],
    ),
    gauge("sonde_audit_log_entries", "Entries of the audit log", [audit.size]),
    gauge("sonde_audit_log_unattested", "Entries of the audit log that are not signed yet", [
      Math.max(0, audit.size - attested.entries),
    ]),
    gauge("sonde_audit_log_consistent", "1 while the audit log begins with what was signed of it", [
      attested.problem === null ? 1 : 0,
    ]),
    ...sinkFamilies(health.sinks),
    ...witnessFamilies(health.witnesses),
    gauge("sonde_sessions", "Sessions of people in force", [health.sessions]),
  ];
}

/** @param values one, or none where it is not known */
function gauge(name: string, help: string, values: readonly number[]): Family {
  const samples = values.map((value) => ({ labels: NONE, value }));
  return { name, help, type: "gauge", samples };
}

/** Their names are the operator's own, and at most sixteen. */
function sinkFamilies(sinks: readonly AuditSinkState[]): Family[] {
  const family = (
    name: string,
    type: "gauge" | "counter",
    help: string,
    value: (sink: AuditSinkState) => number,
  ): Family => ({
    ...{ name: `sonde_audit_sink_${name}`, type, help },
    samples: sinks.map((sink) => ({ labels: { sink: sink.name }, value: value(sink) })),
  });
  return [
    family("failing", "gauge", "1 while no attempt of a sink works", ({ failingSince }) =>
      failingSince === null ? 0 : 1,
    ),
    family(
      "lag_entries",
      "gauge",
      "Entries that a sink has not delivered",
      (sink) => sink.lagEntries,
    ),
    family(
      "lag_seconds",
      "gauge",
      "Age of the oldest entry that a sink has not delivered",
      (sink) => sink.lagSeconds,
    ),
    family(
      "failures_total",
      "counter",
      "Attempts of a sink that failed at this hub",
      (sink) => sink.failures,
    ),
    family(
      "rejected_total",
      "counter",
      "Entries that the receiver of a sink took and dropped",
      (sink) => sink.rejected,
    ),
  ];
}

/** As those of sinks. */
function witnessFamilies(witnesses: readonly OutsideWitnessState[]): Family[] {
  const family = (
    name: string,
    type: "gauge" | "counter",
    help: string,
    value: (witness: OutsideWitnessState) => number,
  ): Family => ({
    ...{ name: `sonde_audit_witness_${name}`, type, help },
    samples: witnesses.map((of) => ({ labels: { witness: of.name }, value: value(of) })),
  });
  return [
    family("failing", "gauge", "1 while no attempt of a witness works", ({ failingSince }) =>
      failingSince === null ? 0 : 1,
    ),
    family(
      "disagrees",
      "gauge",
      "1 while a witness says that it has seen another log of this hub",
      ({ disagrees }) => (disagrees ? 1 : 0),
    ),
    family(
      "lag_entries",
      "gauge",
      "Entries of the newest checkpoint that a witness has not taken",
      ({ lagEntries }) => lagEntries,
    ),
    family(
      "failures_total",
      "counter",
      "Attempts of a witness that failed at this hub",
      ({ failures }) => failures,
    ),
  ];
}
