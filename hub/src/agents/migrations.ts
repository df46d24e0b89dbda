import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "agent-tags",
    sql: `
      -- What the operator says of an agent, as key=value, sorted; and of the agent that a token enrols.
      alter table agents add column tags json not null default '[]';
      alter table enrolment_tokens add column tags json not null default '[]';

      create index agent_certificates_agent on agent_certificates (agent_id);`,
  },
  {
    name: "agent-clock",
    sql: `
      -- The agent's clock minus the hub's, at its last message.
      alter table agents add column clock_skew_ms double precision;`,
  },
  {
    name: "agent-holds",
    sql: `
      -- Why no probe of an agent runs until a person releases it.
      create table agent_holds (
        agent_id uuid not null references agents (id) on delete cascade,
        kind text not null,
        reason text not null,
        since timestamptz not null,
        by text not null,
        primary key (agent_id, kind)
      );`,
  },
  {
    name: "agent-generations",
    sql: `
      -- Each certificate of an agent has a higher generation than those before it.
      alter table agent_certificates add column generation bigint not null default 0;

      -- The highest generation that the agent has shown; and the lower one of the copy that came
      -- back after it, until a person decides.
      alter table agents add column generation bigint not null default 0;
      alter table agents add column stale_generation bigint;

      -- The newest head of its audit log that it stated: size and hash.
      alter table agents add column audit_head json;`,
  },
  {
    name: "agent-refusal",
    sql: `
      -- When the agent last refused this hub, having seen a later state of it. null since its hello.
      alter table agents add column refused_hub_at timestamptz;`,
  },
  {
    name: "agent-witness",
    sql: `
      -- The newest checkpoint of this hub's log that the agent keeps, with its signed message.
      alter table agents add column witness json;`,
  },
];
