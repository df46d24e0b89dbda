import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "page-cursors",
    sql: `
      -- What cursors are signed with, so that each hub of this database reads those of the others.
      create table page_secret (
        only_row boolean primary key default true check (only_row),
        secret uuid[] not null
      );
      insert into page_secret (secret) values (array[gen_random_uuid(), gen_random_uuid()]);`,
  },
  {
    name: "idempotent-writes",
    sql: `
      -- Writes with an Idempotency-Key, for a day. The answer is sealed with the caller's credential.
      create table idempotent_writes (
        principal text not null,
        key_sha256 text not null,
        request_sha256 text not null,
        -- The hub that does it; null when it ended meanwhile.
        hub uuid,
        at timestamptz not null,
        -- Null until it is answered.
        status integer,
        answer bytea,
        primary key (principal, key_sha256)
      );
      create index idempotent_writes_at on idempotent_writes (at);`,
  },
];
