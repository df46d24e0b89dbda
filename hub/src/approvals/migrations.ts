import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "hub-grants",
    sql: `
      -- What people granted at the hub to one archive on one agent. It is given to the agent until it
      -- expires; once the agent took it over, it stays until somebody takes it back.
      create table hub_grants (
        agent_id uuid not null references agents (id) on delete cascade,
        pack text not null,
        digest text not null,
        items json not null,
        given_by text not null,
        given_by_name text not null,
        given bigint not null,
        expires_at timestamptz,
        taken_at timestamptz,
        primary key (agent_id, pack, digest)
      );

      -- Unix time in ms of the last change of these, which the agent compares.
      alter table agents add column grants_revision bigint not null default 0;

      -- What the agent last said about the grants on its host.
      alter table agents add column approvals json;`,
  },
];
