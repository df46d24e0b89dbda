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
  {
    name: "audit-calls",
    sql: `
      -- The newest calls, of all agents and of one. A record is no jsonb, and no quote within its
      -- strings stands alone, so the first "agent" is that of the record.
      create index audit_log_calls on audit_log (seq)
        where event in ('call.request', 'call.denied');
      create index audit_log_agent_calls
        on audit_log (substring(record from '"agent":"([^"]*)"'), seq)
        where event in ('call.request', 'call.denied');`,
  },
];
