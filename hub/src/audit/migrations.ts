import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "audit-writer",
    sql: `
      -- Which hub wrote it: one that starts closes its own open calls and no other's.
      alter table audit_log add column writer uuid;`,
  },
  {
    name: "audit-policy-changes",
    sql: `
      -- Few rows of many: each hub reads its newest one when it starts.
      create index audit_log_policy on audit_log (writer, seq) where event = 'policy.changed';`,
  },
];
