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
  {
    name: "audit-tree",
    sql: `
      -- The Merkle tree over the log, as far as it was built: the roots of its perfect subtrees, and
      -- the hash of the last entry in it.
      create table audit_tree (
        only_row boolean primary key default true check (only_row),
        size bigint not null,
        frontier text not null,
        head text not null
      );
      insert into audit_tree (size, frontier, head) values (0, '', 'sha256:' || repeat('0', 64));

      -- The hashes of its tiles from level 1 on. Those of level 0 are in audit_log.
      create table audit_tree_hashes (
        level smallint not null,
        index bigint not null,
        hash bytea not null,
        primary key (level, index)
      );

      create table audit_checkpoints (
        size bigint primary key,
        root bytea not null,
        at timestamptz not null,
        note text not null
      );`,
  },
];
