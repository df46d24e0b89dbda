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
      create function key_id_of(pem text) returns text language sql immutable as $$
        select 'sha256:' || encode(sha256(decode(
          regexp_replace(pem, '-----[A-Z ]+-----|\\s', '', 'g'), 'base64')), 'hex')
      $$;
      insert into agent_keys select key_id_of(public_key), id, public_key, enrolled_at from agents
        on conflict do nothing;
      create function keep_agent_key() returns trigger language plpgsql as $$
      begin
        insert into agent_keys values (key_id_of(new.public_key), new.id, new.public_key, now())
          on conflict do nothing;
        return null;
      end $$;
      create trigger keep_agent_key after insert or update of public_key on agents
        for each row execute function keep_agent_key();`,
  },
];
