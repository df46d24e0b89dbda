import type { Sql } from "postgres";

/** Entries of an hour at the busiest: the newest is of the end. */
const END = "2026-06-01T00:00:00Z";
const SEARCH_INDEXES = [
  ...["audit_log_call", "audit_log_calls", "audit_log_principal", "audit_log_agent"],
  ...["audit_log_probe", "audit_log_tool", "audit_log_bad", "audit_log_event"],
];

/**
 * Fills an empty log with calls as a fleet makes them, each with its answer, with refusals, reads and
 * changes between them. Made by the database itself. The records have the shape of real ones, and the
 * look-up columns and times that `append` would have given them; hashes are of the records alone.
 */
export async function fillLog(sql: Sql, rows: number): Promise<void> {
  const indexes = await sql<{ name: string; definition: string }[]>`
    select indexname as name, indexdef as definition from pg_indexes
    where tablename = 'audit_log' and indexname = any(${SEARCH_INDEXES})`;
  for (const { name } of indexes) await sql`drop index ${sql(name)}`;
  for (let from = 1; from <= rows; from += PART) {
    await fillPart(sql, { from, to: Math.min(rows, from + PART - 1), rows });
  }
  await sql`update audit_head set (size, hash) =
    (select seq, hash from audit_log order by seq desc limit 1)`;
  await sql`insert into audit_times
    select seq / 4096, min(at), max(at), sum(octet_length(record)) from audit_log group by 1`;
  for (const { definition } of indexes) await sql.unsafe(definition);
  await sql`vacuum (analyze) audit_log`;
}

const PART = 500_000;

/** Of 200 entries: one is a refusal, one a failure, four are reads and one in 5000 is a change. */
async function fillPart(sql: Sql, { from, to, rows }: { from: number; to: number; rows: number }) {
  await sql`
    with plain as (
      select n as seq, n / 2 as call,
        case when n % 5000 = 7 then 'agent.tagged' when n % 200 = 11 then 'call.denied'
          when n % 50 = 33 then 'log.read' when n % 2 = 0 then 'call.request'
          else 'call.response' end as event,
        ${END}::timestamptz - make_interval(secs => (${rows}::bigint - n) * 0.36) as at,
        'key:00000000-0000-4000-8000-' || lpad((hashint8(n / 2) & 127)::text, 12, '0') as principal,
        'host-' || (hashint8(n / 2) & 1023) as agent,
        (array['system.disk.usage', 'system.memory.usage', 'docker.containers.list',
          'nginx.status', 'postgres.activity.list', 'acme/hello.greet'])[1 + (hashint8(n / 2) & 1048575) % 6] as probe,
        case when n % 200 = 11 then 'denied' when n % 400 = 101 then 'failure'
          when n % 5000 = 7 or n % 50 = 33 then 'info' else 'ok' end as status
      from generate_series(${from}::bigint, ${to}::bigint) n
    ), named as (
      select *, ('00000000-0000-4000-9000-' || lpad(call::text, 12, '0'))::uuid as call_id,
        event in ('call.request', 'call.response') as is_call,
        case when event in ('call.denied') then 'system_disk_usage'
          when event = 'log.read' then 'list_agents' end as tool,
        to_char(at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as time
      from plain
    ), written as (
      select *, json_build_object(
        'at', time, 'event', event,
        'callId', case when is_call or event = 'call.denied' then call_id end,
        'principal', principal,
        'agent', case when event <> 'log.read' then agent end,
        'probe', case when is_call then probe end,
        'packDigest', case when is_call then 'sha256:' || repeat('ab', 32) end,
        'status', status,
        'code', case status when 'denied' then 'FORBIDDEN' when 'failure' then 'PACK_FAILED' end,
        'durationMs', case when event = 'call.response' then (n.call % 90) + 3.25 end,
        'detail', case event
          when 'call.request' then json_build_object('decision', 'allow',
            'params', json_build_object('path', '/srv/' || (n.call % 977)),
            'pack', json_build_object('name', 'sonde/system', 'version', '1.4.0'),
            'signer', json_build_object('kind', 'rsa-sha256', 'publisher', 'sonde',
              'keyId', 'sha256:' || repeat('cd', 32)),
            'policyHash', 'sha256:' || repeat('ef', 32))
          when 'call.response' then json_build_object('hops', json_build_array(
              json_build_object('hop', 'authorize', 'ms', 0.2),
              json_build_object('hop', 'audit', 'ms', 2.9),
              json_build_object('hop', 'agent', 'ms', (n.call % 90) + 0.15)),
            'redactions', json_build_object('count', 0, 'rules', json_build_object()),
            'truncated', false, 'bytes', 2048 + n.call % 4096,
            'envelope', json_build_object('payloadType', 'application/vnd.sonde.message+json',
              'payload', repeat('QUJD', 150),
              'signatures', json_build_array(json_build_object('keyid', 'sha256:' || repeat('12', 32),
                'sig', repeat('U2ln', 21)))))
          when 'agent.tagged' then json_build_object('tags', json_build_array('role=web'))
          else json_build_object('tool', tool) end
      )::text as record
      from named n
    )
    insert into audit_log (seq, previous, hash, event, call_id, record,
      at, principal, agent, probe, tool, status)
    select seq, 'sha256:' || case seq when 1 then repeat('0', 64)
        else encode(sha256(seq::text::bytea), 'hex') end,
      'sha256:' || encode(sha256((seq + 1)::text::bytea), 'hex'), event,
      case when is_call or event = 'call.denied' then call_id end, record,
      time::timestamptz, principal, case when event <> 'log.read' then agent end,
      case when is_call then probe end, tool, status
    from written order by seq`;
}
