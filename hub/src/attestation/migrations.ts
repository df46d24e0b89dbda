import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "attestation",
    sql: `
      -- An agent's last statement, and the one that a person approved.
      create table agent_attestations (
        agent_id uuid primary key references agents (id) on delete cascade,
        statement json,
        statement_sha256 text,
        attested_at timestamptz,
        baseline json,
        approved_by text,
        approved_at timestamptz,
        state text not null default 'not-attested',
        differences json not null default '[]',
        expected integer not null default 0,
        review integer not null default 0,
        -- The drift and the action of the policy that was last taken because of it.
        acted text
      );

      -- Programs that a person accepted on one agent; another agent may have them too.
      create table accepted_programs (
        sha256 text primary key,
        accepted_by text not null,
        accepted_at timestamptz not null
      );

      create table drift_policy (
        selector text primary key,
        action text not null,
        set_by text not null,
        set_at timestamptz not null
      );

      -- The key that approves the first statement of an agent in advance; null once it came.
      alter table enrolment_tokens add column approves_first boolean not null default true;
      alter table agents add column first_approved_by text;`,
  },
];
