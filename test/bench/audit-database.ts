import { openDatabase } from "@sonde/database";
import { startTestServer } from "@sonde/database/testing";
import { migrations } from "../../hub/src/migrations.ts";
import { descendants, pidsNaming } from "./process-figures.ts";

/** Opens a hub's database on a PostgreSQL that syncs, with the product's buffers. */
export async function openAuditDatabase() {
  const server = await startTestServer(["max_wal_size=4GB"]);
  const database = await openDatabase({
    ...{ dataDir: "/nonexistent", url: server.url, schema: "hub", migrations, maxConnections: 8 },
    onLost(error) {
      throw error;
    },
  });
  const close = async (): Promise<void> => {
    await database.close();
    await server.close();
  };
  const [postmaster] = pidsNaming(server.socketDir);
  if (postmaster === undefined) throw new Error("expected the process of PostgreSQL, found none");
  const processes = () =>
    new Map([
      ["bench", [process.pid]],
      ["postgres", descendants(postmaster)],
    ]);
  return { sql: database.sql, processes, close };
}
