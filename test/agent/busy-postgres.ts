import postgres, { type Sql } from "postgres";
import { startTestServer } from "@sonde/database/testing";

/** A PostgreSQL server of a test, which the runner's user may look at. */
export type BusyPostgres = {
  /** Folder of its socket. */
  socketDir: string;
  /** Shell commands that put the socket where packs look for it, in a mount table of their own. */
  mounts: string;
  /** A connection of the superuser `owner`, of its own. */
  open(database: string): Sql;
  close(): Promise<void>;
};

/**
 * Starts a server whose role `nobody` may look, with a database `shop`: 400 rows of `orders` of which
 * 300 are dead, an index that nothing reads, and an archive command that fails.
 *
 * @param settings further `NAME=VALUE` lines of postgresql.conf
 */
export async function startBusyPostgres(settings: string[] = []): Promise<BusyPostgres> {
  const server = await startTestServer(
    [
      ...["max_connections=60", "max_prepared_transactions=2", "wal_level=replica"],
      ...["archive_mode=on", "archive_command=false", "autovacuum_naptime=3600", ...settings],
    ],
    { superuser: "owner", lines: ["local all owner trust", "local all all peer"] },
  );
  const connections: Sql[] = [];
  const open = (database: string): Sql => {
    const sql = postgres({
      ...{ host: server.socketDir, user: "owner", database, max: 1, idle_timeout: 0 },
      ...{ onnotice: () => undefined, connection: { application_name: "test" } },
    });
    connections.push(sql);
    return sql;
  };
  const main = open("postgres");
  await main`CREATE ROLE nobody LOGIN`;
  await main`GRANT pg_monitor TO nobody`;
  await main`CREATE DATABASE shop`;
  const shop = open("shop");
  await shop`CREATE TABLE orders (id int PRIMARY KEY, note text) WITH (autovacuum_enabled = off)`;
  await shop`INSERT INTO orders SELECT n, repeat('x', 50) FROM generate_series(1, 400) n`;
  await shop`CREATE INDEX orders_note ON orders (note)`;
  await shop`ANALYZE orders`;
  await shop`DELETE FROM orders WHERE id > 100`;
  return {
    socketDir: server.socketDir,
    mounts: `mount -t tmpfs -o mode=755 tmpfs /run
      mkdir /run/postgresql
      mount --bind ${server.socketDir} /run/postgresql`,
    open,
    async close() {
      await Promise.all(connections.map((sql) => sql.end({ timeout: 0 })));
      await server.close();
    },
  };
}
