import { type ReadOnlyNames, names } from "./read-only-names.ts";

/**
 * PostgreSQL 14 and newer. None of the columns has the name of a function that acts: `a.b` can be
 * a call of `b`. Not listed: `pg_stats` and `pg_largeobject`, which have data of tables;
 * `pg_stat_wal_receiver` and `pg_subscription`, which have connection strings; `pg_authid`,
 * `pg_shadow` and `pg_user_mapping`, which have passwords. The two functions that list files take no
 * path: they give names and sizes in the server's folders of WAL.
 */
export const POSTGRES_NAMES: ReadOnlyNames = {
  relations: new Map(
    Object.entries({
      pg_stat_activity: names(
        "datid datname pid leader_pid usesysid usename application_name client_addr backend_start xact_start query_start state_change wait_event_type wait_event state backend_xid backend_xmin query_id query backend_type",
      ),
      pg_stat_database: names(
        "datid datname numbackends xact_commit xact_rollback blks_read blks_hit tup_returned tup_fetched tup_inserted tup_updated tup_deleted conflicts temp_files temp_bytes deadlocks checksum_failures stats_reset",
      ),
      pg_stat_all_tables: TABLE_COLUMNS(),
      pg_stat_user_tables: TABLE_COLUMNS(),
      pg_stat_all_indexes: INDEX_COLUMNS(),
      pg_stat_user_indexes: INDEX_COLUMNS(),
      pg_stat_replication: names(
        "pid usesysid usename application_name client_addr backend_start backend_xmin state sent_lsn write_lsn flush_lsn replay_lsn write_lag flush_lag replay_lag sync_state reply_time",
      ),
      pg_replication_slots: names(
        "slot_name plugin slot_type database temporary active active_pid xmin catalog_xmin restart_lsn confirmed_flush_lsn wal_status safe_wal_size",
      ),
      pg_stat_progress_vacuum: names(
        "pid datid datname relid phase heap_blks_total heap_blks_scanned heap_blks_vacuumed index_vacuum_count",
      ),
      pg_stat_bgwriter: names("buffers_clean maxwritten_clean buffers_alloc stats_reset"),
      pg_stat_checkpointer: names("num_timed num_requested buffers_written stats_reset"),
      pg_stat_wal: names("wal_records wal_fpi wal_bytes wal_buffers_full stats_reset"),
      pg_stat_archiver: names(
        "archived_count last_archived_wal last_archived_time failed_count last_failed_wal last_failed_time stats_reset",
      ),
      pg_stat_statements: names(
        "userid dbid queryid query calls total_exec_time mean_exec_time rows shared_blks_hit shared_blks_read temp_blks_written",
      ),
      pg_locks: names(
        "locktype database relation page tuple virtualxid transactionid virtualtransaction pid mode granted fastpath waitstart",
      ),
      pg_prepared_xacts: names("transaction gid prepared owner database"),
      pg_settings: names(
        "name setting unit category short_desc context vartype source boot_val reset_val pending_restart",
      ),
      pg_database: names(
        "oid datname datistemplate datallowconn datconnlimit datfrozenxid datminmxid",
      ),
      pg_class: names(
        "oid relname relnamespace relkind relpages reltuples relallvisible reltoastrelid relfrozenxid relminmxid relpersistence",
      ),
      pg_namespace: names("oid nspname"),
      pg_index: names(
        "indexrelid indrelid indisunique indisprimary indisexclusion indisvalid indisready",
      ),
      pg_constraint: names("oid conname contype conrelid conindid"),
    }),
  ),
  extensions: new Map([["pg_stat_statements", "pg_stat_statements"]]),
  functions: new Set(
    names(
      "count sum min max avg bool_or bool_and string_agg coalesce nullif greatest least round floor ceil abs substr length lower date_part now clock_timestamp age mxid_age to_jsonb array_to_string cardinality unnest pg_blocking_pids pg_database_size pg_backend_pid pg_is_in_recovery pg_current_wal_lsn pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_wal_lsn_diff pg_ls_waldir pg_ls_archive_statusdir pg_postmaster_start_time current_database version",
    ),
  ),
  types: new Set(
    names("text integer bigint numeric float8 boolean oid name timestamptz interval xid jsonb"),
  ),
  isQualified: false,
  givesWholeRows: true,
  ownPrefix: "pg_",
};

function TABLE_COLUMNS(): string[] {
  return names(
    "relid schemaname relname seq_scan seq_tup_read idx_scan idx_tup_fetch n_tup_ins n_tup_upd n_tup_del n_tup_hot_upd n_live_tup n_dead_tup n_mod_since_analyze n_ins_since_vacuum last_vacuum last_autovacuum last_analyze last_autoanalyze vacuum_count autovacuum_count analyze_count autoanalyze_count",
  );
}

function INDEX_COLUMNS(): string[] {
  return names("relid indexrelid schemaname relname indexrelname idx_scan idx_tup_read");
}
