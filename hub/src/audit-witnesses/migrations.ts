import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "audit-witnesses",
    sql: `
      -- How far each witness of this log is. A row stays when its witness leaves the configuration.
      create table audit_witnesses (
        name text primary key,
        -- The entries of the last checkpoint that it took.
        size bigint not null default 0,
        taken_at timestamptz,
        -- That checkpoint with its cosignature, of a witness that cosigns.
        note text,
        cosigned_at timestamptz,
        -- The hub that serves it. The epoch grows with each new holder.
        holder uuid,
        epoch bigint not null default 0,
        failing_since timestamptz,
        error_code text,
        error_message text,
        -- When the audit log was last told that it has seen another log.
        alarmed_at timestamptz
      );

      -- What this hub has cosigned of other logs: the newest checkpoint of each.
      create table witnessed_logs (
        origin text primary key,
        size bigint not null,
        root bytea not null
      );`,
  },
];
