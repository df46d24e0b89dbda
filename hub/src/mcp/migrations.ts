import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "kept-pages",
    sql: `
      -- Long answers, for who asked. Unlogged: a result is in no log and no backup of the database,
      -- and a crash may lose it.
      create unlogged table kept_pages (
        id uuid not null,
        page integer not null,
        principal text not null,
        text text not null,
        expires_at timestamptz not null,
        primary key (id, page)
      );
      create index kept_pages_principal on kept_pages (principal);
      create index kept_pages_expires_at on kept_pages (expires_at);`,
  },
  {
    name: "pack-uses",
    sql: `
      -- Which packs' tools leave a list that is too long.
      create table pack_uses (
        pack text not null,
        day date not null,
        uses bigint not null,
        primary key (pack, day)
      );`,
  },
];
