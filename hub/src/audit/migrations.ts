import type { Migration } from "@sonde/database";

export const migrations: Migration[] = [
  {
    name: "audit-writer",
    sql: `
      -- Which hub wrote it: one that starts closes its own open calls and no other's.
      alter table audit_log add column writer uuid;`,
  },
];
