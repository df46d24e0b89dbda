import type { Migration } from "@sonde/database";

/**
 * The tables of release 0.1.0. A released migration's text never changes, its comments included.
 * Later tables are in the migrations of their features.
 */
export const firstRelease: Migration[] = [
  {
    name: "main-path",
    sql: `
      create table audit_head (
        only_row boolean primary key default true check (only_row),
        size bigint not null,
        hash text not null
      );
      insert into audit_head (size, hash) values (0, 'sha256:' || repeat('0', 64));

      -- record is JSON text, not jsonb: it may hold \\u0000, and its bytes are what was chained.
      create table audit_log (
        seq bigint primary key,
        previous text not null,
        hash text not null,
        event text not null,
        call_id uuid,
        record text not null
      );
      create index audit_log_call on audit_log (call_id) where call_id is not null;

      create table api_keys (
        id uuid primary key,
        name text not null,
        key_sha256 text not null unique,
        policy json not null,
        created_at timestamptz not null,
        revoked_at timestamptz
      );

      create table enrolment_tokens (
        token_sha256 text primary key,
        agent_name text,
        created_at timestamptz not null,
        expires_at timestamptz not null,
        used_at timestamptz
      );

      create table agents (
        id uuid primary key,
        name text not null unique,
        public_key text not null,
        enrolled_at timestamptz not null,
        last_seen_at timestamptz,
        hello json,
        packs json not null default '[]',
        desired_revision bigint not null default 0
      );

      -- The allow-list of certificates: what is not in it, or revoked, does not connect.
      create table agent_certificates (
        serial text primary key,
        agent_id uuid not null references agents (id),
        key_id text not null,
        expires_at timestamptz not null,
        revoked_at timestamptz
      );

      -- Archives this hub verified itself; tool texts come from here and nowhere else.
      create table packs (
        digest text primary key,
        name text not null,
        version text not null,
        signer json not null,
        manifest json not null,
        verified_at timestamptz not null
      );

      create table desired_packs (
        agent_id uuid not null references agents (id),
        pack text not null,
        digest text not null references packs (digest),
        assigned_by text not null,
        assigned_at timestamptz not null,
        primary key (agent_id, pack)
      );

      create table tool_pins (
        probe text primary key,
        definition_sha256 text not null,
        pack_digest text not null references packs (digest),
        approved_by text not null,
        approved_at timestamptz not null
      );`,
  },
  {
    name: "registry-log",
    sql: `
      -- How far each registry's log was followed; a log is known by its key.
      create table registry_logs (
        log_key text primary key,
        followed json not null,
        followed_at timestamptz not null
      );

      -- Its entries as they were proven, each with the head of the tree that ends with it.
      create table registry_entries (
        log_key text not null,
        index bigint not null,
        pack text not null,
        entry text not null,
        head_hash text not null,
        primary key (log_key, index)
      );
      create index registry_entries_pack on registry_entries (log_key, pack, index);`,
  },
];
