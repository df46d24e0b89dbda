import { type ReadOnlyNames, names } from "./read-only-names.ts";

const VARIABLES = names("variable_name variable_value");

/**
 * MariaDB 10.6 and MySQL 8.0 and newer; each has some of the relations. Not listed: relations and
 * columns that have values of tables or whole statements other than a session's present one, such as
 * `lock_data` and `query_sample_text`; user variables; those that a look resets (`innodb_cmp_reset`);
 * all of `mysql`, which has passwords; all of `sys`, whose views call functions.
 */
export const MYSQL_NAMES: ReadOnlyNames = {
  relations: new Map(
    Object.entries({
      "information_schema.processlist": names(
        "id user host db command time time_ms state info examined_rows memory_used",
      ),
      "information_schema.innodb_trx": names(
        "trx_id trx_state trx_started trx_requested_lock_id trx_wait_started trx_weight trx_mysql_thread_id trx_query trx_operation_state trx_tables_in_use trx_tables_locked trx_lock_structs trx_rows_locked trx_rows_modified trx_isolation_level trx_is_read_only",
      ),
      "information_schema.innodb_locks": names(
        "lock_id lock_trx_id lock_mode lock_type lock_table lock_index",
      ),
      "information_schema.innodb_lock_waits": names(
        "requesting_trx_id requested_lock_id blocking_trx_id blocking_lock_id",
      ),
      "information_schema.innodb_buffer_pool_stats": names(
        "pool_id pool_size free_buffers database_pages modified_database_pages pending_reads number_pages_read number_pages_created number_pages_written number_pages_get hit_rate",
      ),
      "information_schema.innodb_metrics": names("name subsystem count"),
      "information_schema.global_status": VARIABLES,
      "information_schema.global_variables": VARIABLES,
      "performance_schema.global_status": VARIABLES,
      "performance_schema.global_variables": VARIABLES,
      "performance_schema.events_statements_summary_by_digest": names(
        "schema_name digest digest_text count_star sum_timer_wait min_timer_wait avg_timer_wait max_timer_wait sum_lock_time sum_errors sum_warnings sum_rows_affected sum_rows_sent sum_rows_examined sum_created_tmp_disk_tables sum_created_tmp_tables sum_select_full_join sum_select_scan sum_sort_merge_passes sum_sort_rows sum_no_index_used sum_no_good_index_used first_seen last_seen",
      ),
      "performance_schema.data_locks": names(
        "engine engine_lock_id engine_transaction_id thread_id object_schema object_name index_name lock_type lock_mode lock_status",
      ),
      "performance_schema.data_lock_waits": names(
        "engine requesting_engine_lock_id requesting_engine_transaction_id requesting_thread_id blocking_engine_lock_id blocking_engine_transaction_id blocking_thread_id",
      ),
      "performance_schema.metadata_locks": names(
        "object_type object_schema object_name lock_type lock_duration lock_status owner_thread_id",
      ),
      "performance_schema.threads": names(
        "thread_id name type processlist_id processlist_user processlist_host processlist_db processlist_command processlist_time processlist_state parent_thread_id",
      ),
    }),
  ),
  isQualified: true,
  givesWholeRows: false,
  extensions: new Map(),
  functions: new Set(
    names(
      "count sum min max avg coalesce ifnull nullif greatest least round floor ceiling abs substr length char_length lower upper concat concat_ws now unix_timestamp version connection_id",
    ),
  ),
  types: new Set(),
  ownPrefix: null,
};
