import { execFile, spawn } from "node:child_process";
import { closeSync, fdatasync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { startTestServer } from "@sonde/database/testing";
import postgres from "postgres";
import { ratePerSecond, type Summary, summarize, timeEach } from "./statistics.ts";

const run = promisify(execFile);
const sync = promisify(fdatasync);

export type Floors = {
  spawn: Summary & { perSecondAt16: number };
  commit: Summary;
  fdatasync: Summary;
  fastifyPost: Summary & { perSecondAt16: number };
};

/** Baselines of the machine, measured in the same run as the product. */
export async function measureFloors(rounds: number): Promise<Floors> {
  return {
    spawn: await measureSpawn(rounds),
    commit: await measureCommit(rounds),
    fdatasync: await measureFdatasync(rounds),
    fastifyPost: await measureFastify(rounds),
  };
}

async function measureSpawn(rounds: number) {
  const uname = () => run("/usr/bin/uname", ["-srm"], { env: { LC_ALL: "C" } });
  const each = summarize(await timeEach(rounds, uname));
  return { ...each, perSecondAt16: await ratePerSecond(rounds, 16, uname) };
}

async function measureCommit(rounds: number): Promise<Summary> {
  const server = await startTestServer();
  const { searchParams, username } = new URL(server.url);
  const sql = postgres({
    host: searchParams.get("host") ?? "",
    username,
    database: "postgres",
    max: 1,
  });
  try {
    await sql`create table floor (text text)`;
    const text = "x".repeat(500);
    await timeEach(20, () => sql`insert into floor values (${text})`);
    return summarize(await timeEach(rounds, () => sql`insert into floor values (${text})`));
  } finally {
    await sql.end();
    await server.close();
  }
}

async function measureFdatasync(rounds: number): Promise<Summary> {
  const folder = mkdtempSync("/tmp/sonde-bench-");
  const file = openSync(join(folder, "log"), "a");
  const line = `${"x".repeat(600)}\n`;
  try {
    return summarize(
      await timeEach(rounds, async () => {
        writeSync(file, line);
        await sync(file);
      }),
    );
  } finally {
    closeSync(file);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureFastify(rounds: number) {
  const child = spawn(process.execPath, [join(import.meta.dirname, "bare-fastify.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const port = await new Promise<number>((done) => {
    child.stdout.once("data", (chunk: Buffer) => done(Number(chunk.toString())));
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const body = JSON.stringify({ name: "system_memory_usage", text: "x".repeat(300) });
  const post = () =>
    new Promise<void>((done, fail) => {
      const call = request(
        {
          agent,
          port,
          host: "127.0.0.1",
          method: "POST",
          headers: { "content-type": "application/json", "content-length": body.length },
        },
        (response) => response.resume().on("end", () => done()),
      );
      call.on("error", fail);
      call.end(body);
    });
  try {
    await timeEach(50, post);
    const each = summarize(await timeEach(rounds, post));
    return { ...each, perSecondAt16: await ratePerSecond(rounds * 4, 16, post) };
  } finally {
    agent.destroy();
    child.stdin.end();
  }
}
