import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { startTestServer } from "@sonde/database/testing";
import { buildSampleArchive, createSampleKey, signSample } from "@sonde/trust/testing";
import postgres from "postgres";
import { addPublisher } from "../../cli/src/registry-operator-client.ts";
import { workspace } from "../product/start-product.ts";
import { createGetter } from "./http-load.ts";
import { descendants, pssMb } from "./process-figures.ts";
import { SEARCHES, seedPacks } from "./registry-seed.ts";
import { measureVerify } from "./verify.ts";
import { ratePerSecond, round, summarize, timeEach } from "./statistics.ts";

const NOBODY = 65534;
const account: SpawnOptions = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
const UNLIMITED = 100_000_000;
const MB = 1024 * 1024;
/** Two sizes: near the maximum of an archive, and far above it. */
const LARGE_UPLOADS = [2 * MB - 64, 5 * MB];
const CONCURRENCY = 16;

/**
 * The registry alone, over a PostgreSQL that syncs. Each figure is beside its baseline of the same
 * run.
 */
export async function measureRegistry(quick: boolean, say: (text: string) => void) {
  const scale = quick ? 0.1 : 1;
  const database = await startTestServer();
  const folder = mkdtempSync("/tmp/sonde-bench-");
  const config = writeConfig(folder, database.url);
  const key = createSampleKey();
  const registry = await startServer([join(workspace, "dist/registry.js"), config], readReadyPort);
  const at = (path: string) => `http://127.0.0.1:${registry.port}${path}`;
  const client = createClient();
  try {
    const socket = join(folder, "data/run/operator.sock");
    const { token } = await addPublisher(socket, "acme", key.publicKeyPem);
    say("verify ...");
    const verify = await measureVerify(Math.ceil(500 * scale));
    say("publish ...");
    const uploads = Array.from({ length: Math.ceil(1_000 * scale) }, (_, minor) =>
      buildUpload(`1.${minor}.0`, key),
    );
    const put = ({ path, body }: Upload) => client("PUT", at(path), { token, body });
    let next = 0;
    const publish = async () => {
      const upload = uploads[next++];
      if (upload === undefined || (await put(upload)).status !== 201) throw new Error("refused");
    };
    const warmUp = uploads.length / 5;
    const coldPublishPerSecond = await ratePerSecond(warmUp, 8, publish);
    const publishPerSecond = await ratePerSecond(uploads.length - warmUp, 8, publish);
    const pid = registry.child.pid ?? 0;
    const [, ...checkers] = descendants(pid);
    const memoryMb = { registry: pssMb(pid), checkers: checkers.map(pssMb) };

    say("metadata and downloads ...");
    const requests = Math.ceil(20_000 * scale);
    const rate = async (url: string, count = requests) => {
      const { get, close } = createGetter(url, CONCURRENCY);
      await ratePerSecond(Math.ceil(count / 5), CONCURRENCY, get);
      const perSecond = await ratePerSecond(count, CONCURRENCY, get);
      close();
      return perSecond;
    };
    const version = at("/api/v1/packs/acme/hello/1.0.0");
    const bareFastify = await startServer([join(import.meta.dirname, "bare-fastify.ts")]);
    const archive = join(folder, "archive.tgz");
    writeFileSync(archive, uploads[0]?.archive ?? "", { mode: 0o644 });
    const bareStatic = await startServer([join(import.meta.dirname, "bare-static.ts"), archive]);
    const bare = (port: number) => `http://127.0.0.1:${port}/`;
    const metadataPerSecond = await rate(version);
    const indexPerSecond = await rate(at("/index/acme/hello"), requests / 10);
    const bareFastifyPerSecond = await rate(bare(bareFastify.port));
    const downloadPerSecond = await rate(`${version}/archive`);
    const bareStaticPerSecond = await rate(bare(bareStatic.port));
    for (const { child } of [bareFastify, bareStatic]) child.stdin?.end();

    say("search ...");
    const packs = Math.ceil(10_000 * scale);
    await seedDatabase(database.url, packs);
    const samples: number[] = [];
    for (let turn = 0; turn < 20; turn++) {
      for (const search of SEARCHES) {
        const url = at(`/api/v1/search?q=${encodeURIComponent(search)}`);
        samples.push(...(await timeEach(1, () => client("GET", url))));
      }
    }
    const search = { packs, versions: packs * 5, ...summarize(samples) };
    const { p95Ms } = search;

    say("uploads ...");
    const uploads50 = [];
    for (const bytesEach of LARGE_UPLOADS) {
      const body = frameUpload(Buffer.from("{}"), randomBytes(bytesEach));
      const path = at("/api/v1/packs/acme/hello/9.9.9");
      const refuse = async () => (await client("PUT", path, { token, body })).status;
      uploads50.push({ bytesEach, ...(await measureMemory(pid, refuse)) });
    }

    const downloadShare = round(downloadPerSecond / bareStaticPerSecond);
    const figures = {
      coldPublishPerSecond,
      publishPerSecond,
      memoryMb,
      metadataPerSecond,
      bareFastifyPerSecond,
      indexPerSecond,
      archiveBytes: uploads[0]?.archive.length,
      downloadPerSecond,
      bareStaticPerSecond,
      downloadShare,
      search,
      uploads50,
      verify: verify.figures,
    };
    const ambitions = [
      judge("publish with verify and log, per second", 50, publishPerSecond),
      judge("metadata, requests per second", 3000, metadataPerSecond),
      judge("download against a bare static server", 0.9, downloadShare),
      { what: "search p95, ms", limit: 50, got: p95Ms, met: p95Ms < 50 },
      ...verify.ambitions,
    ];
    return { figures, ambitions };
  } finally {
    registry.child.kill("SIGKILL");
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Figures of a process during 200 requests, 50 at once. */
async function measureMemory(pid: number, ask: () => Promise<number>) {
  const statuses = new Set<number>();
  const beforeMb = pssMb(pid);
  let peakMb = beforeMb;
  const watch = setInterval(() => (peakMb = Math.max(peakMb, pssMb(pid))), 20);
  await ratePerSecond(200, 50, async () => statuses.add(await ask()));
  clearInterval(watch);
  return { statuses: [...statuses], beforeMb, peakMb, addedMb: round(peakMb - beforeMb) };
}

function judge(what: string, limit: number, got: number) {
  return { what, limit, got, met: got >= limit };
}

function writeConfig(folder: string, databaseUrl: string): string {
  const dataDir = join(folder, "data");
  mkdirSync(dataDir);
  chmodSync(folder, 0o755);
  if (account.uid !== undefined)
    for (const path of [folder, dataDir]) chownSync(path, NOBODY, NOBODY);
  const config = join(folder, "config.json");
  const rateLimits = {
    readsPerMinute: UNLIMITED,
    writesPerMinute: UNLIMITED,
    refusalsPerMinute: UNLIMITED,
  };
  const http = { host: "127.0.0.1", port: 0, behindProxy: false };
  const text = {
    dataDir,
    databaseUrl,
    http,
    admitPath: join(workspace, "dist/admit.js"),
    maxCapability: "observe",
    supervised: true,
    rateLimits,
  };
  writeFileSync(config, JSON.stringify(text), { mode: 0o644 });
  return config;
}

type Server = { child: ChildProcess; port: number };

/** A server in a separate process, which first prints its port. */
async function startServer(
  args: string[],
  readPort: (line: string) => number = Number,
): Promise<Server> {
  const child = spawn("setpriv", ["--no-new-privs", "--", process.execPath, ...args], {
    ...account,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const line = await new Promise<string>((done, fail) => {
    child.stdout?.once("data", (chunk: Buffer) => done(chunk.toString()));
    child.once("close", () => fail(new Error(`${args[0]} ended`)));
  });
  return { child, port: readPort(line) };
}

function readReadyPort(line: string): number {
  return (JSON.parse(line) as { port: number }).port;
}

type Upload = { path: string; body: Buffer; archive: Uint8Array };

/** A small pack with incompressible code: about 60 kB of archive. */
function buildUpload(version: string, key: ReturnType<typeof createSampleKey>): Upload {
  const code = `// ${randomBytes(45_000).toString("base64")}\nvar pack = {};\n`;
  const archive = buildSampleArchive({ manifest: { version }, code });
  const body = frameUpload(Buffer.from(signSample(archive, key)), Buffer.from(archive));
  return { path: `/api/v1/packs/acme/hello/${version}`, body, archive };
}

const BOUNDARY = "sonde-bench-boundary";

function frameUpload(bundle: Buffer, archive: Buffer): Buffer {
  const head = (name: string) =>
    `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"; filename="${name}"\r\ncontent-type: application/octet-stream\r\n\r\n`;
  return Buffer.concat([
    Buffer.from(head("bundle")),
    bundle,
    Buffer.from(`\r\n${head("archive")}`),
    archive,
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ]);
}

function createClient() {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  return (method: string, url: string, { token, body }: { token?: string; body?: Buffer } = {}) =>
    new Promise<{ status: number }>((done, fail) => {
      const headers = {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && {
          "content-type": `multipart/form-data; boundary=${BOUNDARY}`,
          "content-length": body.length,
        }),
      };
      const call = request(url, { agent, method, headers }, (answer) => {
        answer.resume().on("end", () => done({ status: answer.statusCode ?? 0 }));
      });
      call.on("error", fail);
      call.end(body);
    });
}

async function seedDatabase(url: string, packs: number): Promise<void> {
  const { searchParams, username } = new URL(url);
  const sql = postgres({
    host: searchParams.get("host") ?? "",
    username,
    database: "postgres",
    max: 1,
    onnotice: () => undefined,
  });
  await seedPacks(sql, packs);
  await sql.end();
}
