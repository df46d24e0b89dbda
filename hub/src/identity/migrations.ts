import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "key-makers",
    sql: `
      -- The principal that made it: what a stolen key made ends with it. Null for the hub itself.
      alter table api_keys add column created_by text;
      update api_keys set created_by = made.record::json ->> 'principal' from audit_log made
        where made.event = 'key.created' and made.record::json -> 'detail' ->> 'id' = id::text;
      alter table enrolment_tokens add column created_by text;`,
  },
  {
    name: "policies",
    sql: `
      create table policies (
        name text primary key,
        policy json not null,
        set_by text not null,
        set_at timestamptz not null
      );

      -- What a subject (key, person or OAuth grant, as records name it) holds: one with a name, or
      -- its own.
      create table policy_holders (
        holder text primary key,
        policy json not null,
        set_by text not null,
        set_at timestamptz not null
      );

      -- Calls that each holder of a rate has left, of all hubs together. Lost with a crash of the
      -- database, which fills them.
      create unlogged table call_rates (
        counted text primary key,
        left_over double precision not null,
        at timestamptz not null
      );

      alter table api_keys add column expires_at timestamptz;
      alter table api_keys add column rotated_at timestamptz;
      -- The secret before the last rotation, and when it ends.
      alter table api_keys add column previous_sha256 text unique;
      alter table api_keys add column previous_ends_at timestamptz;
      alter table api_keys add column last_used_at timestamptz;
      alter table api_keys add column last_used_address text;`,
  },
  {
    name: "key-people",
    sql: `
      -- The person who made it, by themselves, by an OAuth client or by a key of theirs. Stays when the
      -- person is deleted: then it is refused. Null for a key that no person made.
      alter table api_keys add column person_id uuid;
      with recursive made(id, person_id) as (
        select id, substring(created_by from 8)::uuid from api_keys where created_by like 'person:%'
        union
        select k.id, made.person_id from api_keys k join made on k.created_by = 'key:' || made.id
      )
      update api_keys set person_id = made.person_id from made where made.id = api_keys.id;`,
  },
];
