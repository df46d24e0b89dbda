import type { Migration } from "@sonde/database";

/** The registry's schema. A migration never changes after release; add the next one below. */
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
        frontier bytea not null,
        key text not null
      );

      -- Where the version's own entry is.
      alter table versions add column log_index bigint not null unique references log_entries (index);`,
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
];
