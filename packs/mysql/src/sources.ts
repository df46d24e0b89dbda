import { source } from "@sonde/pack-sdk/author";

const engine = "mysql" as const;
/** Sessions of people and programs, without those of the pack's own account. */
const others = (user: string): string => `${user} NOT IN ('system user', 'event_scheduler')
  AND ${user} <> (SELECT user FROM information_schema.processlist WHERE id = connection_id())`;

export const server = source.sql({
  engine,
  maxRows: 1,
  statement: `SELECT version() AS version, count(*) AS sessions,
    coalesce(sum(CASE WHEN command <> 'Sleep' THEN 1 ELSE 0 END), 0) AS active,
    coalesce(sum(CASE WHEN state LIKE 'Waiting for%lock%' THEN 1 ELSE 0 END), 0) AS waiting_for_table_locks,
    (SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT') AS waiting_for_row_locks,
    (SELECT max(unix_timestamp(now()) - unix_timestamp(trx_started)) FROM information_schema.innodb_trx) AS oldest_seconds
    FROM information_schema.processlist WHERE ${others("user")}`,
});

const STATUS = [
  ...["Uptime", "Questions", "Slow_queries", "Max_used_connections", "Aborted_clients"],
  ...["Aborted_connects", "Connection_errors_max_connections", "Created_tmp_tables"],
  ...["Created_tmp_disk_tables", "Open_tables", "Opened_tables", "Innodb_deadlocks"],
  ...["Innodb_row_lock_waits", "Innodb_row_lock_time", "Innodb_history_list_length"],
  ...["Innodb_buffer_pool_bytes_data", "Innodb_buffer_pool_bytes_dirty"],
  ...["Innodb_buffer_pool_pages_total", "Innodb_buffer_pool_pages_free"],
  ...["Innodb_buffer_pool_read_requests", "Innodb_buffer_pool_reads"],
  ...["Innodb_buffer_pool_wait_free", "Innodb_log_waits", "Innodb_os_log_written"],
  ...["Innodb_checkpoint_age", "Innodb_checkpoint_max_age"],
];
const VARIABLES = [
  ...["max_connections", "performance_schema", "read_only", "log_bin", "slow_query_log"],
  ...["long_query_time", "innodb_buffer_pool_size", "innodb_log_file_size", "server_id"],
  ...["innodb_redo_log_capacity", "innodb_flush_log_at_trx_commit", "sync_binlog"],
  ...["table_open_cache", "tmp_table_size"],
];

const asList = (names: readonly string[]): string => names.map((name) => `'${name}'`).join(", ");

/** MariaDB has it in one schema, MySQL in the other, and one of its counters elsewhere. */
const counters = (schema: string, more = "") =>
  source.sql({
    engine,
    statement: `SELECT lower(variable_name) AS name, variable_value AS value
      FROM ${schema}.global_status WHERE variable_name IN (${asList(STATUS)})
      UNION ALL SELECT lower(variable_name), variable_value
      FROM ${schema}.global_variables WHERE variable_name IN (${asList(VARIABLES)})${more}`,
  });
export const countersMariadb = counters("information_schema");
export const countersMysql = counters(
  "performance_schema",
  ` UNION ALL SELECT 'innodb_history_list_length', count FROM information_schema.innodb_metrics
      WHERE name = 'trx_rseg_history_len'`,
);

export const sessions = source.sql({
  engine,
  maxRows: 1000,
  maxBytes: 2097152,
  statement: `SELECT p.id, p.user, p.host, p.db, p.command, p.time, p.state,
    t.trx_state, unix_timestamp(now()) - unix_timestamp(t.trx_started) AS transaction_seconds,
    t.trx_rows_locked, t.trx_rows_modified, substr(p.info, 1, 4000) AS info
    FROM information_schema.processlist AS p
    LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = p.id
    WHERE ${others("p.user")}
    ORDER BY t.trx_started IS NULL, t.trx_started, p.time DESC`,
});

export const rowLocksMariadb = source.sql({
  engine,
  maxRows: 2000,
  statement: `SELECT r.trx_mysql_thread_id AS waiter, b.trx_mysql_thread_id AS blocker,
    unix_timestamp(now()) - unix_timestamp(r.trx_wait_started) AS seconds,
    l.lock_mode, l.lock_type, l.lock_table, l.lock_index
    FROM information_schema.innodb_lock_waits AS w
    JOIN information_schema.innodb_trx AS r ON r.trx_id = w.requesting_trx_id
    JOIN information_schema.innodb_trx AS b ON b.trx_id = w.blocking_trx_id
    LEFT JOIN information_schema.innodb_locks AS l ON l.lock_id = w.requested_lock_id
    ORDER BY r.trx_wait_started`,
});
export const rowLocksMysql = source.sql({
  engine,
  maxRows: 2000,
  statement: `SELECT r.processlist_id AS waiter, b.processlist_id AS blocker,
    unix_timestamp(now()) - unix_timestamp(t.trx_wait_started) AS seconds, l.lock_mode, l.lock_type,
    concat(l.object_schema, '.', l.object_name) AS lock_table, l.index_name AS lock_index
    FROM performance_schema.data_lock_waits AS w
    JOIN performance_schema.threads AS r ON r.thread_id = w.requesting_thread_id
    JOIN performance_schema.threads AS b ON b.thread_id = w.blocking_thread_id
    JOIN performance_schema.data_locks AS l ON l.engine_lock_id = w.requesting_engine_lock_id
    LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = r.processlist_id
    ORDER BY t.trx_wait_started`,
});
/** Who has a table, and who waits for it. Empty where the server does not watch it. */
export const tableLocks = source.sql({
  engine,
  maxRows: 2000,
  statement: `SELECT t.processlist_id AS id, concat(m.object_schema, '.', m.object_name) AS name,
    m.lock_type, m.lock_status FROM performance_schema.metadata_locks AS m
    JOIN performance_schema.threads AS t ON t.thread_id = m.owner_thread_id
    WHERE m.object_type = 'TABLE' AND t.processlist_id <> connection_id()
    ORDER BY m.lock_status DESC, t.processlist_id`,
});

/** Times of performance_schema are in picoseconds. */
export const costly = source.sql({
  engine,
  maxRows: 100,
  maxBytes: 1048576,
  statement: `SELECT d.digest, d.schema_name, d.count_star, d.sum_timer_wait, d.max_timer_wait,
    d.sum_lock_time, d.sum_errors, d.sum_rows_sent, d.sum_rows_examined, d.sum_rows_affected,
    d.sum_created_tmp_disk_tables, d.sum_no_index_used,
    unix_timestamp(now()) - unix_timestamp(d.last_seen) AS seen_ago,
    (SELECT sum(sum_timer_wait) FROM performance_schema.events_statements_summary_by_digest) AS all_time,
    substr(d.digest_text, 1, 2000) AS text
    FROM performance_schema.events_statements_summary_by_digest AS d
    ORDER BY d.sum_timer_wait DESC LIMIT 100`,
});

export const replicas = source.sql({
  engine,
  statement: `SELECT id, user, host, time, state FROM information_schema.processlist
    WHERE command LIKE 'Binlog Dump%' ORDER BY id`,
});
/** Of each source that this server is a replica of. MySQL has them in the other one. */
export const replicaMariadb = source.sql({ engine, statement: "SHOW ALL REPLICAS STATUS" });
export const replicaMysql = source.sql({ engine, statement: "SHOW REPLICA STATUS" });
/** Fails where the server writes none. */
export const binlogs = source.sql({ engine, maxRows: 5000, statement: "SHOW BINARY LOGS" });

export const pools = source.sql({
  engine,
  statement: `SELECT pool_id, pool_size, free_buffers, database_pages, modified_database_pages,
    pending_reads, hit_rate FROM information_schema.innodb_buffer_pool_stats ORDER BY pool_id`,
});
