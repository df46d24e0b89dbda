import { type Database, openDatabase } from "@sonde/database";
import { startTestDatabase } from "@sonde/database/testing";
import { migrations } from "../migrations.ts";

/** A hub's database for one test. `close` closes its connections and drops it. */
export type HubDatabase = Database & {
  /** Opens the connections of one more hub. A test may close them earlier. */
  openAgain(): Promise<Database>;
};

/** Opens an empty database with the hub's schema on the server of this test run. */
export async function openHubDatabase(): Promise<HubDatabase> {
  const server = await startTestDatabase();
  const opened: Database[] = [];
  const openAgain = async () => {
    const database = await open(server.url, migrations, 4);
    opened.push(database);
    return database;
  };
  const { sql } = await openAgain();
  return {
    sql,
    openAgain,
    async close() {
      for (const database of opened) await database.close();
      await server.close();
    },
  };
}

/** An empty database for a test of migrations, which is opened with those that a release has. */
export async function startReleases(): Promise<{
  open(known: typeof migrations): Promise<Database>;
  close(): Promise<void>;
}> {
  const server = await startTestDatabase();
  return {
    open: (known) => open(server.url, known, 1),
    close: () => server.close(),
  };
}

const open = (url: string, known: typeof migrations, maxConnections: number): Promise<Database> =>
  openDatabase({
    ...{ dataDir: "/nonexistent", url, schema: "hub", migrations: known, maxConnections },
    onLost(error) {
      throw error;
    },
  });
