import { hole, source } from "@sonde/pack-sdk/author";

const engine = "postgres" as const;
const limit = hole.integer("limit", { minimum: 1, maximum: 200 });
const database = hole.databaseName("database");
/** A session of the pack's own, such as that of another read of the same call. */
const OWN = `(application_name = 'sonde' AND usesysid = (SELECT usesysid FROM pg_stat_activity
  WHERE pid = pg_backend_pid()))`;

export const server = source.sql({
  engine,
  maxRows: 1,
  statement: `SELECT version() AS version, pg_is_in_recovery() AS in_recovery,
    date_part('epoch', clock_timestamp() - pg_postmaster_start_time())::bigint AS up_seconds,
    (SELECT setting FROM pg_settings WHERE name = 'max_connections') AS most_connections,
    (SELECT setting FROM pg_settings WHERE name = 'superuser_reserved_connections') AS reserved,
    (SELECT setting FROM pg_settings WHERE name = 'autovacuum') AS autovacuum,
    (SELECT setting FROM pg_settings WHERE name = 'autovacuum_freeze_max_age') AS freeze_age,
    (SELECT count(*) FROM pg_settings WHERE pending_restart) AS waiting_for_restart,
    count(*) AS sessions, count(*) FILTER (WHERE state = 'active') AS active,
    count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
    count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting_for_locks,
    max(date_part('epoch', clock_timestamp() - xact_start))::bigint AS oldest_seconds
    FROM pg_stat_activity WHERE backend_type = 'client backend' AND NOT ${OWN}`,
});
export const databases = source.sql({
  engine,
  statement: `SELECT d.datname AS name, s.numbackends, s.xact_commit, s.xact_rollback, s.blks_hit,
    s.blks_read, s.deadlocks, s.temp_bytes, s.checksum_failures,
    date_part('epoch', clock_timestamp() - s.stats_reset)::bigint AS counted_seconds,
    age(d.datfrozenxid) AS xid_age, mxid_age(d.datminmxid) AS multixact_age
    FROM pg_database AS d LEFT JOIN pg_stat_database AS s ON s.datid = d.oid
    ORDER BY age(d.datfrozenxid) DESC`,
});
/** Looks at every file of a database, which may take long on a server with many tables. */
export const databaseSizes = source.sql({
  engine,
  statement: `SELECT datname AS name, pg_database_size(oid) AS bytes FROM pg_database`,
});
export const sessions = source.sql({
  engine,
  maxRows: 1000,
  maxBytes: 2097152,
  statement: `SELECT pid, datname, usename, application_name, client_addr::text AS client, backend_type,
    state, wait_event_type, wait_event, age(backend_xmin) AS xmin_age,
    date_part('epoch', clock_timestamp() - xact_start) AS transaction_seconds,
    date_part('epoch', clock_timestamp() - query_start) AS query_seconds,
    date_part('epoch', clock_timestamp() - state_change) AS state_seconds,
    CASE WHEN wait_event_type = 'Lock' THEN array_to_string(pg_blocking_pids(pid), ',') END AS blocked_by,
    substr(query, 1, 4000) AS query
    FROM pg_stat_activity WHERE NOT ${OWN} AND datname IS NOT NULL
      AND backend_type <> 'parallel worker'
    ORDER BY xact_start NULLS LAST`,
});
/** The names of relations are those of the database that is asked; of others there is the number. */
export const awaited = source.sql({
  engine,
  database,
  maxRows: 1000,
  statement: `SELECT l.pid, l.locktype, l.mode, l.relation, b.datname, c.relname,
    date_part('epoch', clock_timestamp() - l.waitstart) AS seconds
    FROM pg_locks AS l LEFT JOIN pg_database AS b ON b.oid = l.database
    LEFT JOIN pg_class AS c ON c.oid = l.relation AND b.datname = current_database()
    WHERE NOT l.granted ORDER BY l.waitstart`,
});
export const deadRows = source.sql({
  engine,
  database,
  statement: [
    `SELECT s.schemaname, s.relname, s.n_live_tup, s.n_dead_tup, s.n_mod_since_analyze,
    s.autovacuum_count, s.vacuum_count,
    CASE WHEN c.relkind <> 'p' THEN age(c.relfrozenxid) END AS xid_age,
    date_part('epoch', clock_timestamp() - greatest(s.last_vacuum, s.last_autovacuum))::bigint AS vacuumed_ago,
    date_part('epoch', clock_timestamp() - greatest(s.last_analyze, s.last_autoanalyze))::bigint AS analyzed_ago
    FROM pg_stat_user_tables AS s JOIN pg_class AS c ON c.oid = s.relid
    ORDER BY s.n_dead_tup DESC, s.relname LIMIT `,
    limit,
  ],
});
/** What keeps dead rows from being removed, the oldest first. */
export const holders = source.sql({
  engine,
  maxRows: 20,
  statement: `WITH holders AS (
    SELECT 'session' AS kind, pid::text AS id, age(backend_xmin) AS rows_since, state::text AS detail,
      date_part('epoch', clock_timestamp() - xact_start) AS seconds
      FROM pg_stat_activity WHERE backend_type = 'client backend' AND NOT ${OWN}
    UNION ALL SELECT 'slot', slot_name::text, greatest(age(xmin), age(catalog_xmin)),
      CASE WHEN active THEN 'active' ELSE 'inactive' END, NULL FROM pg_replication_slots
    UNION ALL SELECT 'prepared transaction', gid::text, age(transaction), database::text,
      date_part('epoch', clock_timestamp() - prepared) FROM pg_prepared_xacts
    UNION ALL SELECT 'replica', application_name, age(backend_xmin), state::text, NULL
      FROM pg_stat_replication)
    SELECT kind, id, rows_since, detail, seconds FROM holders WHERE rows_since IS NOT NULL
    ORDER BY rows_since DESC`,
});
export const vacuums = source.sql({
  engine,
  statement: `SELECT pid, datname, relid, phase, heap_blks_total, heap_blks_scanned, index_vacuum_count
    FROM pg_stat_progress_vacuum`,
});
export const replicas = source.sql({
  engine,
  statement: `SELECT r.pid, r.application_name, r.client_addr::text AS client, r.state, r.sync_state,
    pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
      r.replay_lsn) AS behind_bytes,
    date_part('epoch', r.replay_lag) AS lag_seconds
    FROM pg_stat_replication AS r ORDER BY r.application_name`,
});
export const slots = source.sql({
  engine,
  statement: `SELECT slot_name AS name, slot_type, database, active, wal_status, safe_wal_size,
    pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
      restart_lsn) AS kept_bytes
    FROM pg_replication_slots ORDER BY slot_name`,
});
export const standby = source.sql({
  engine,
  maxRows: 1,
  statement: `SELECT pg_is_in_recovery() AS in_recovery,
    CASE WHEN pg_is_in_recovery() THEN
      pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) END AS not_replayed_bytes,
    CASE WHEN pg_is_in_recovery() THEN
      date_part('epoch', clock_timestamp() - pg_last_xact_replay_timestamp()) END AS replayed_ago,
    archived_count, failed_count, last_archived_wal, last_failed_wal,
    date_part('epoch', clock_timestamp() - last_archived_time)::bigint AS archived_ago,
    date_part('epoch', clock_timestamp() - last_failed_time)::bigint AS failed_ago,
    (SELECT setting FROM pg_settings WHERE name = 'archive_mode') AS archive_mode FROM pg_stat_archiver`,
});
/** Two positions tell how much is written now. Of a standby it is what arrives. */
export const walPosition = source.sql({
  engine,
  maxRows: 1,
  timeoutMs: 8000,
  samples: { count: 2, intervalMs: 1000 },
  statement: `SELECT pg_is_in_recovery() AS in_recovery, date_part('epoch', clock_timestamp()) AS at,
    pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery()
      THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END,
      '0/0') AS position`,
});
/** Counts of checkpoints are elsewhere from release 17 on. */
export const walCounts = source.sql({
  engine,
  maxRows: 1,
  statement: `SELECT w.wal_bytes, w.wal_records, w.wal_fpi, w.wal_buffers_full,
    date_part('epoch', clock_timestamp() - w.stats_reset)::bigint AS counted_seconds,
    to_jsonb(b) ->> 'checkpoints_timed' AS num_timed, to_jsonb(b) ->> 'checkpoints_req' AS num_requested,
    date_part('epoch', clock_timestamp() - b.stats_reset)::bigint AS checkpoints_counted_seconds,
    (SELECT setting FROM pg_settings WHERE name = 'wal_level') AS wal_level,
    (SELECT setting FROM pg_settings WHERE name = 'checkpoint_timeout') AS checkpoint_seconds,
    (SELECT setting::bigint * 1048576 FROM pg_settings WHERE name = 'max_wal_size') AS most_bytes,
    (SELECT setting::bigint * 1048576 FROM pg_settings WHERE name = 'wal_keep_size') AS keep_bytes,
    (SELECT nullif(setting::bigint, -1) * 1048576 FROM pg_settings
      WHERE name = 'max_slot_wal_keep_size') AS most_slot_bytes
    FROM pg_stat_wal AS w CROSS JOIN pg_stat_bgwriter AS b`,
});
/** Only from release 17 on. */
export const checkpoints = source.sql({
  engine,
  maxRows: 1,
  statement: `SELECT num_timed, num_requested,
    date_part('epoch', clock_timestamp() - stats_reset)::bigint AS checkpoints_counted_seconds
    FROM pg_stat_checkpointer`,
});
/** Looks at the name and size of each file. */
export const walFiles = source.sql({
  engine,
  maxRows: 1,
  statement: `SELECT count(*) AS files, sum((to_jsonb(f) ->> 'size')::bigint) AS bytes,
    (SELECT count(*) FROM pg_ls_archive_statusdir() AS a
      WHERE to_jsonb(a) ->> 'name' LIKE '%.ready') AS unarchived FROM pg_ls_waldir() AS f`,
});
export const costly = source.sql({
  engine,
  database,
  maxBytes: 1048576,
  statement: [
    `SELECT s.queryid, d.datname, s.calls, s.total_exec_time, s.mean_exec_time, s.rows,
    s.shared_blks_hit, s.shared_blks_read, s.temp_blks_written, substr(s.query, 1, 4000) AS query,
    sum(s.total_exec_time) OVER () AS all_exec_time
    FROM pg_stat_statements AS s LEFT JOIN pg_database AS d ON d.oid = s.dbid
    ORDER BY s.total_exec_time DESC LIMIT `,
    limit,
  ],
});
/** Sizes are as of the last vacuum or analyze; asking for those of now would wait for locks. */
export const largest = source.sql({
  engine,
  database,
  statement: [
    `WITH parts AS (SELECT i.indrelid, sum(c.relpages::bigint) AS index_pages
      FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid GROUP BY i.indrelid)
    SELECT n.nspname, c.relname, c.relkind, c.reltuples::bigint AS row_estimate,
    c.relpages::bigint * 8192 AS heap_bytes, coalesce(index_pages, 0) * 8192 AS index_bytes,
    coalesce(o.relpages, 0)::bigint * 8192 AS toast_bytes,
    s.seq_scan, s.seq_tup_read, s.idx_scan, s.n_tup_ins, s.n_tup_upd, s.n_tup_del, s.n_dead_tup
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_stat_user_tables AS s ON s.relid = c.oid
    LEFT JOIN parts AS p ON p.indrelid = c.oid LEFT JOIN pg_class AS o ON o.oid = c.reltoastrelid
    ORDER BY c.relpages::bigint + coalesce(o.relpages, 0) + coalesce(index_pages, 0) DESC, c.relname LIMIT `,
    limit,
  ],
});
/** Indexes that no constraint needs. */
export const unusedIndexes = source.sql({
  engine,
  database,
  statement: [
    `SELECT s.schemaname, s.relname, s.indexrelname, s.idx_scan, c.relpages::bigint * 8192 AS bytes, i.indisvalid,
    (SELECT date_part('epoch', clock_timestamp() - stats_reset)::bigint FROM pg_stat_database
      WHERE datname = current_database()) AS counted_seconds,
    pg_is_in_recovery() AS in_recovery
    FROM pg_stat_user_indexes AS s JOIN pg_index AS i ON i.indexrelid = s.indexrelid
    JOIN pg_class AS c ON c.oid = s.indexrelid
    WHERE NOT i.indisunique AND NOT i.indisexclusion AND NOT i.indisprimary
      AND (s.idx_scan = 0 OR NOT i.indisvalid)
    ORDER BY c.relpages DESC, s.indexrelname LIMIT `,
    limit,
  ],
});
/** Not those whose values may be commands or connections with a password. */
export const changedSettings = source.sql({
  engine,
  maxRows: 500,
  statement: `SELECT name, setting, unit, boot_val, source, pending_restart FROM pg_settings
    WHERE (pending_restart OR source NOT IN ('default', 'override', 'client', 'session'))
    AND name NOT LIKE '%conninfo%' AND name NOT LIKE '%command%' AND name NOT LIKE '%passphrase%'
    AND name NOT LIKE '%password%' AND name NOT LIKE '%secret%' AND name NOT LIKE '%key%'
    ORDER BY name`,
});
