import type { Migration } from "@sonde/database";

/**
 * The registry's schema. A released migration's text never changes, its comments included. Add new
 * migrations at the end.
 */
export const migrations: Migration[] = [
  {
    name: "publish",
    sql: `
      create table publishers (
        name text primary key,
        created_at timestamptz not null
      );

      create table publisher_keys (
        publisher text not null references publishers (name),
        key_id text not null,
        public_key text not null,
        created_at timestamptz not null,
        primary key (publisher, key_id)
      );

      create table publisher_tokens (
        token_sha256 text primary key,
        publisher text not null references publishers (name),
        created_at timestamptz not null
      );

      -- A row is inserted once, after its archive is durable on disk, and never changes.
      create table versions (
        name text not null,
        version text not null,
        digest text not null unique,
        content_digest text not null,
        size_bytes integer not null,
        published_at timestamptz not null,
        signer text not null,
        manifest text not null,
        bundle text not null,
        primary key (name, version)
      );`,
  },
  {
    name: "transparency-log",
    sql: `
      -- The transparency log: rows are only ever inserted, in one total order.
      create table log_entries (
        index bigint primary key,
        entry bytea not null
      );

      -- Hashes of tiles: level 0 are leaves, each level above covers 256 of the one below.
      create table log_hashes (
        level smallint not null,
        index bigint not null,
        hash bytea not null,
        primary key (level, index)
      );

      -- The head: its row is locked by whoever appends.
      create table log_head (
        single boolean primary key default true check (single),
        size bigint not null,
        frontier text not null,
        key text not null
      );

      -- Where the version's own entry is.
      alter table versions add column log_index bigint not null unique references log_entries (index);`,
  },
  {
    name: "publisher identities",
    sql: `
      -- Whom a signing certificate may name; an empty repository_id is a certificate that names none.
      create table publisher_identities (
        publisher text not null references publishers (name),
        issuer text not null,
        identity text not null,
        repository_id text not null,
        created_at timestamptz not null,
        primary key (publisher, issuer, identity, repository_id)
      );`,
  },
  {
    name: "scoped-tokens",
    sql: `
      alter table publisher_tokens
        add column id uuid not null unique default gen_random_uuid(),
        add column role text not null default 'owner',
        add column pack text,
        add column actions text[] not null default '{publish,yank,deprecate,advisory,tokens}',
        add column label text not null default 'made before tokens had labels',
        add column created_by text not null default 'operator',
        add column expires_at timestamptz not null default now() + interval '90 days',
        add column revoked_at timestamptz;
      -- For the rows that were there; a new one says everything.
      alter table publisher_tokens
        alter column id drop default, alter column role drop default,
        alter column actions drop default, alter column label drop default,
        alter column created_by drop default, alter column expires_at drop default;`,
  },
  {
    name: "trusted-publishing",
    sql: `
      create table trusted_publishers (
        id uuid primary key,
        publisher text not null references publishers (name),
        pack text,
        issuer text not null,
        -- Canonical JSON: equal text is the same identity.
        identity text not null,
        created_by text not null,
        created_at timestamptz not null,
        bound_at timestamptz,
        unique nulls not distinct (publisher, pack, issuer, identity)
      );

      -- Identity tokens that were exchanged: each works once.
      create table used_identity_tokens (
        issuer text not null,
        jti text not null,
        expires_at timestamptz not null,
        primary key (issuer, jti)
      );`,
  },
  {
    name: "names-and-lives",
    sql: `
      -- The form in which names are compared, as normaliseName makes it. Of names that were
      -- alike before there was a rule, the plainest has it and the others keep their own.
      create function pg_temp.normalise(name text) returns text language sql immutable as
        $$ select replace(replace(translate(name, '01i-', 'oll'), 'rn', 'm'), 'vv', 'w') $$;

      alter table publishers add column normal_name text;
      update publishers set normal_name = known.normal from (
        select name, case when row_number() over (partition by pg_temp.normalise(name)
            order by name <> pg_temp.normalise(name), created_at) = 1
          then pg_temp.normalise(name) else name end as normal
        from publishers) as known where publishers.name = known.name;
      alter table publishers alter column normal_name set not null, add unique (normal_name);

      -- One row for each pack: its name, and what was said about it since, as JSON (PackLife).
      create table pack_names (
        name text primary key,
        normal_name text not null unique,
        life text not null
      );
      insert into pack_names (name, normal_name, life)
        select name, case when row_number() over (partition by pg_temp.normalise(name)
            order by name <> pg_temp.normalise(name), name) = 1
          then pg_temp.normalise(name) else name end,
          '{"deprecated":null,"advisories":[],"versions":[]}'
        from (select distinct name from versions) as known;

      alter table versions
        add column checks text not null default '[]',
        add column warnings text[] not null default '{}';`,
  },
  {
    name: "search-and-downloads",
    sql: `
      create extension if not exists pg_trgm;

      -- One row for each pack, kept by every publish: lists and searches read no versions.
      create table packs (
        name text primary key,
        latest text not null,
        description text not null,
        published_at timestamptz not null,
        downloads bigint not null default 0,
        -- The words of the name as they are, for what is only begun or misspelt.
        names tsvector not null,
        spelling text not null,
        -- Name (A), description (B) and probes (C): what a match is ranked by.
        title tsvector not null,
        -- The title and the README (D): what matches at all.
        words tsvector not null
      );
      create index packs_downloads on packs (downloads desc, name);
      create index packs_names on packs using gin (names) with (fastupdate = off);
      create index packs_spelling on packs using gin (spelling gin_trgm_ops) with (fastupdate = off);
      create index packs_title on packs using gin (title) with (fastupdate = off);
      create index packs_words on packs using gin (words) with (fastupdate = off);

      create table version_downloads (
        name text not null,
        version text not null,
        downloads bigint not null,
        primary key (name, version)
      );

      -- READMEs as safe HTML, each rendered once, by the archive it is in.
      create table readmes (
        digest text primary key,
        html text not null
      );`,
  },
  {
    name: "entries-by-pack",
    sql: `
      -- Null when every version of the pack was withdrawn.
      alter table packs alter column latest drop not null;

      -- Whose entry it is, taken from the entry, so that what the log says of one pack is found.
      alter table log_entries add column name text;
      update log_entries set name =
        substring(convert_from(entry, 'UTF8') from '"name":"([a-z0-9/-]+)"');
      alter table log_entries alter column name set not null;
      create index log_entries_name on log_entries (name, index);`,
  },
  {
    name: "mirror",
    sql: `
      -- The signed head that the last import brought; null for a log of the registry's own.
      alter table log_head add column checkpoint text;`,
  },
  {
    name: "rights-audit",
    sql: `
      -- Who changed who may do what: one hash chain, as the hub's audit log.
      create table audit_head (
        only_row boolean primary key default true check (only_row),
        size bigint not null,
        hash text not null
      );
      insert into audit_head (size, hash) values (0, 'sha256:' || repeat('0', 64));

      -- record is JSON text, not jsonb: its bytes are what was chained.
      create table audit_log (
        seq bigint primary key,
        previous text not null,
        hash text not null,
        event text not null,
        record text not null
      );

      -- What a token made ends with it.
      create index publisher_tokens_made_by on publisher_tokens (created_by);
      create index trusted_publishers_made_by on trusted_publishers (created_by);`,
  },
  {
    name: "readme-length",
    sql: `
      -- Rendered again at their next request, now with a limit of their length.
      delete from readmes;`,
  },
  {
    name: "browsing",
    sql: `
      alter table packs
        add column publisher text not null generated always as (split_part(name, '/', 1)) stored,
        add column first_published_at timestamptz,
        -- The version that is shown: the latest one, or the newest without a latest one.
        add column version text not null default '',
        -- What that version could reach (PackReach) and what is said about it, as JSON.
        add column reach text not null default '{"capability":"observe","groups":[],"reads":[],"engines":[]}',
        add column said text not null default '{"deprecated":null,"advisories":[]}',
        add column categories text[] not null default '{}',
        add column engines text[] not null default '{}',
        -- The release that derived these columns. Each release derives them again.
        add column derived_by text not null default '';
      update packs set first_published_at = coalesce(
        (select min(versions.published_at) from versions where versions.name = packs.name), published_at);
      alter table packs alter column first_published_at set not null;
      create index packs_publisher on packs (publisher, name);
      create index packs_newest on packs (first_published_at desc, name);
      create index packs_published on packs (published_at desc, name);
      create index packs_categories on packs using gin (categories) with (fastupdate = off);
      create index packs_engines on packs using gin (engines) with (fastupdate = off);`,
  },
];
