import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "audit-retention",
    sql: `
      create table audit_holds (
        id uuid primary key,
        reason text not null,
        filters json not null,
        at timestamptz not null,
        by text not null
      );

      -- The hub that drops content. The epoch grows with each new holder.
      create table audit_retention (
        only_row boolean primary key default true check (only_row),
        holder uuid,
        epoch bigint not null default 0
      );
      insert into audit_retention default values;`,
  },
];
