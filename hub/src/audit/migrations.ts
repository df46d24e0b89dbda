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
  {
    name: "audit-search",
    sql: `
      -- What entries are found by. The record is what is answered: these are copies of its members.
      alter table audit_log
        add column at timestamptz,
        add column principal text,
        add column agent text,
        add column probe text,
        add column tool text,
        add column status text;
      drop index audit_log_agent_calls;
      -- A text has no NUL and no lone surrogate, and JSON.stringify escapes no other surrogate.
      update audit_log set at = m.at, principal = m.principal, agent = m.agent, probe = m.probe,
        status = m.status,
        tool = case when json_typeof(m.detail -> 'tool') = 'string'
          then left(m.detail ->> 'tool', 200) end
      from (
        select l.seq, j.* from audit_log l, json_to_record(
          (case when position('\\u' in l.record) > 0
            then regexp_replace(l.record,
              '(?<!\\\\)((?:\\\\\\\\)*)\\\\u(?:0000|d[89a-f][0-9a-f]{2})', '\\1\\\\ufffd', 'g')
            else l.record end)::json
        ) as j(at timestamptz, principal text, agent text, probe text, status text, detail json)
      ) m where m.seq = audit_log.seq;
      alter table audit_log alter column at set not null, alter column status set not null;
      create index audit_log_principal on audit_log (principal, seq) where principal is not null;
      create index audit_log_agent on audit_log (agent, seq) where agent is not null;
      create index audit_log_probe on audit_log (probe, seq) where probe is not null;
      create index audit_log_tool on audit_log (tool, seq) where tool is not null;
      create index audit_log_bad on audit_log (status, seq) where status in ('failure', 'denied');
      create index audit_log_event on audit_log (event, seq)
        where event not in ('call.request', 'call.response');
      -- Entries are in the order of their writing, and their times only nearly so: the first and the
      -- last time of every 4096 entries say where to look for a time.
      create table audit_times (
        span bigint primary key,
        first_at timestamptz not null,
        last_at timestamptz not null
      );
      insert into audit_times
        select seq / 4096, min(at), max(at) from audit_log group by 1;`,
  },
  {
    name: "audit-dropped",
    sql: `
      -- How much content each 4096 entries have.
      alter table audit_times add column bytes bigint not null default 0;
      update audit_times set bytes = own.bytes from (
        select seq / 4096 as span, sum(octet_length(record)) as bytes from audit_log group by 1
      ) own where own.span = audit_times.span;

      -- Segments of 4096 entries whose content was dropped. Nothing else is left of their entries: the
      -- hash that the first one follows, and then their own, 32 bytes each.
      create table audit_dropped (
        segment bigint primary key,
        hashes bytea not null,
        first_at timestamptz not null,
        last_at timestamptz not null,
        -- The entry that said so before.
        said_by bigint not null
      );
      -- A part of the hashes is read without the others.
      alter table audit_dropped alter column hashes set storage external;

      -- The trust policy that each hub recorded last, where that entry was dropped.
      create table audit_policies (
        writer uuid primary key,
        seq bigint not null,
        sha256 text not null
      );`,
  },
];
