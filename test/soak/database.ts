import { renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Standby, startTestServer, type TestServer } from "@sonde/database/testing";
import postgres, { type Sql } from "postgres";
import { until } from "../product/start-product.ts";

/** A database on two places, of which one at a time has the server that takes writes. */
export type Database = {
  /** Names both places, as an operator gives it to a hub. */
  url: string;
  crash(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /**
   * Has another server follow at the other place, so that each commit is on both. Then the first one is
   * lost with all its processes, and the other takes writes after that time.
   *
   * @param comesBack the lost one starts again afterwards, and takes it that nothing has happened
   */
  failOver(afterMs: number, comesBack: boolean): Promise<void>;
  close(): Promise<void>;
};

/** So long both have the commits of what goes on. */
const TOGETHER_MS = 1_000;

/** @param folder where the places are, which the users of all services can enter */
export async function startDatabase(folder: string): Promise<Database> {
  const places = [join(folder, "first"), join(folder, "second")] as const;
  let place = 0;
  let server: TestServer = await startTestServer();
  /** Kept until another is lost. */
  let lost: TestServer | null = null;
  for (const at of places) putAt(at, server);
  const url = new URL(server.url);
  url.searchParams.set("host", places.join(","));

  return {
    url: url.href,
    crash: () => server.crash(),
    signal: (name) => server.signal(name),
    async failOver(afterMs, comesBack) {
      await lost?.close();
      const next = await follow(server);
      place = 1 - place;
      putAt(places[place] ?? "", next);
      await sleep(TOGETHER_MS);
      lost = server;
      await lost.kill();
      await sleep(afterMs);
      await next.promote();
      server = next;
      if (comesBack) await lost.start();
    },
    async close() {
      await lost?.close();
      await server.close();
    },
  };
}

/** A client that connects sees the old place or the new one. */
function putAt(place: string, { socketDir }: TestServer): void {
  symlinkSync(socketDir, `${place}.next`);
  renameSync(`${place}.next`, place);
}

/** @returns a server without which the first one acknowledges no commit */
async function follow(server: TestServer): Promise<Standby> {
  const standby = await server.startStandby();
  const sql = openAdmin(server);
  await sql.unsafe("alter system set synchronous_standby_names = 'standby'");
  await sql`select pg_reload_conf()`;
  await until("the standby", async () => {
    const [row] = await sql`select 1 from pg_stat_replication where sync_state = 'sync'`;
    return row !== undefined;
  });
  await sql.end();
  return standby;
}

function openAdmin({ socketDir, url }: TestServer): Sql {
  const { username } = new URL(url);
  return postgres({ host: socketDir, username, database: "postgres", max: 1 });
}
