import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "evidence",
    sql: `
      -- The texts of which calls record the hash. A text is kept for good: there are as many as
      -- policies were ever in force.
      create table policy_texts (
        sha256 text primary key,
        text text not null
      );

      -- Bodies of agents' answers as they were signed, for as long as the configuration says.
      create table kept_results (
        call_id uuid primary key,
        body bytea not null,
        kept_at timestamptz not null
      );
      create index kept_results_at on kept_results (kept_at);

      -- An agent's signed statements: of the same one after another, the first.
      create table agent_statements (
        agent_id uuid not null,
        at timestamptz not null,
        sha256 text not null,
        message json not null,
        primary key (agent_id, at)
      );

      -- Every key that an agent ever had, also of agents that are deleted.
      create table agent_keys (
        key_id text primary key,
        agent_id uuid not null,
        public_key text not null,
        since timestamptz not null
      );
      insert into agent_keys
        select distinct on (c.key_id) c.key_id, a.id, a.public_key, a.enrolled_at
        from agents a join agent_certificates c on c.agent_id = a.id
        where c.revoked_at is null;`,
  },
  {
    name: "evidence-order",
    sql: `
      -- The hub's signed order, as it was sent. Null when its parameters had a secret.
      alter table kept_results add column order_frame bytea;

      -- Of every command key a key set of the hub's CA that states it.
      create table command_key_sets (
        key_id text primary key,
        key_set json not null
      );`,
  },
  {
    name: "evidence-reads",
    sql: `
      -- The agent's message with what the pack got of its reads. Null when none was asked for, or sent.
      alter table kept_results add column reads_frame bytea;`,
  },
];
