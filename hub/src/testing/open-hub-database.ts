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
    const database = await openDatabase({
      dataDir: "/nonexistent",
      url: server.url,
      schema: "hub",
      migrations,
      maxConnections: 4,
      onLost(error) {
        throw error;
      },
    });
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
