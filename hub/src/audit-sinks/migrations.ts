import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "audit-sinks",
    sql: `
      -- How far each sink is. A row stays when its sink leaves the configuration.
      create table audit_sinks (
        name text primary key,
        -- The last entry that the receiver has acknowledged.
        seq bigint not null,
        -- The last entry of the batch that was begun, so that it is the same when it is sent again.
        batch_end bigint,
        -- The hub that runs it. The epoch grows with each new holder.
        holder uuid,
        epoch bigint not null default 0,
        failing_since timestamptz,
        failed_at timestamptz,
        error_code text,
        error_message text,
        -- Whether the audit log says that it fails.
        told boolean not null default false,
        rejected bigint not null default 0
      );`,
  },
];
