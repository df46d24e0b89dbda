import { statSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { signArchive } from "@sonde/pack-sdk/sign";
import type { AuditEntry } from "@sonde/schemas/audit";
import postgres, { type Sql } from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventsOf, readVerifiedAgentAudit, readVerifiedAudit } from "../product/audit.ts";
import { type CallAnswer, connectOlderClient } from "../product/mcp-clients.ts";
import { findPid, type Role } from "../product/processes.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";
import {
  addPublisher,
  buildTestPack,
  installPack,
  publishBytes,
  type TestPublisher,
  trustPublisher,
} from "../product/test-packs.ts";

// Attack classes 61 to 63: a process dies after its work is durable and before its answer is sent.
// The test stops a process (SIGSTOP) or holds a lock to keep that moment open.

const PROBE = "acme/slow.look";
const PACK = {
  name: "acme/slow",
  version: "1.0.0",
  sources: `export const load = source.file({ path: "/proc/loadavg", samples: { count: 2, intervalMs: 1500 } });`,
  probes: `look: probe({ description: "Looks for a while.", result: t.object({ looks: t.integer() }),
  reads: { load: sources.load }, run: ({ reads }) => ({ looks: reads.load.samples.length }) })`,
};

let product: Product;
let acme: TestPublisher;

beforeAll(async () => {
  product = await startProduct({ hubs: 1 });
  acme = await addPublisher(product, "acme");
  trustPublisher(product, acme);
  await installPack(product, acme, PACK);
});
afterAll(async () => {
  await product?.stop();
});

async function ask(tool: string): Promise<CallAnswer | "no answer"> {
  try {
    const client = await connectOlderClient(product.mcpUrl, product.apiKey);
    try {
      return await client.call(tool, { agent: product.agent });
    } finally {
      await client.close();
    }
  } catch {
    // Any error that the transport raises for a killed peer.
    return "no answer";
  }
}
const codeOf = (answer: CallAnswer | "no answer") =>
  answer === "no answer" ? answer : (answer.results[0]?.failure?.code ?? "ok");

function signal(role: Role, name: NodeJS.Signals): number {
  const pid = findPid(product, role);
  if (pid === undefined) throw new Error(`there is no ${role}`);
  process.kill(pid, name);
  return pid;
}

async function untilReplaced(role: Role, killed: number): Promise<void> {
  await until(`a new ${role}`, () => ![undefined, killed].includes(findPid(product, role)), 60_000);
}

/** The call of the slow probe, once the agent has recorded it; it has not ended. */
function findBegun(): string | undefined {
  const entries = readVerifiedAgentAudit(product);
  const ofProbe = entries.filter(({ record }) => record.probe === PROBE);
  const last = ofProbe.at(-1)?.record;
  return last?.event === "call.request" ? (last.callId ?? undefined) : undefined;
}

function expectKept(before: AuditEntry[], after: AuditEntry[]): void {
  expect(before.length).toBeGreaterThan(0);
  expect(after.slice(0, before.length)).toEqual(before);
}

test.each<{ dies: Role[]; ends: string[] }>([
  { dies: ["hub"], ends: ["no answer"] },
  // Bytes that the agent had already handed to the kernel still arrive.
  { dies: ["agent"], ends: ["ok", "CALL_OUTCOME_UNKNOWN"] },
  { dies: ["agent", "hub"], ends: ["no answer"] },
])("an answer is durable on the agent and unread by the hub when $dies dies", async (row) => {
  const asked = ask("acme__slow_look");
  const callId = await until("the agent to begin", findBegun);
  const hubBefore = await readVerifiedAudit(product);
  const agentPid = findPid(product, "agent");
  // From here on, nothing from the agent is read.
  signal("hub", "SIGSTOP");
  const response = await until("the response on the agent's record", () =>
    readVerifiedAgentAudit(product).find(
      ({ record }) => record.callId === callId && record.event === "call.response",
    ),
  );
  expect(response.record.status).toBe("ok");
  const agentBefore = readVerifiedAgentAudit(product);
  const killed = row.dies.map((role) => ({ role, pid: signal(role, "SIGKILL") }));
  if (!row.dies.includes("hub")) signal("hub", "SIGCONT");

  const end = codeOf(await asked);
  expect(row.ends).toContain(end);
  for (const { role, pid } of killed) await untilReplaced(role, pid);
  await until("an answer", async () => codeOf(await ask("system_memory_usage")) === "ok", 60_000);
  if (!row.dies.includes("agent")) expect(findPid(product, "agent")).toBe(agentPid);

  expectKept(agentBefore, readVerifiedAgentAudit(product));
  const hub = await readVerifiedAudit(product);
  expectKept(hubBefore, hub);
  expect(eventsOf(readVerifiedAgentAudit(product), callId)).toEqual([
    "call.request",
    "call.response",
  ]);
  const known = new Map([
    ["ok", "call.response"],
    ["CALL_OUTCOME_UNKNOWN", "call.response CALL_OUTCOME_UNKNOWN"],
    ["no answer", "call.unknown CALL_OUTCOME_UNKNOWN"],
  ]);
  expect(eventsOf(hub, callId)).toEqual(["call.request", known.get(end)]);
  expect(codeOf(await ask("acme__slow_look"))).toBe("ok");
});

/** Names the advisory lock that delays a commit. */
const HELD = 61;

/** Two connections to the registry's own PostgreSQL, which admits only its own user. */
async function connectAsRegistry(): Promise<{ sql: Sql; rival: Sql }> {
  const folder = join(product.data, "registry");
  const own = process.geteuid?.() ?? -1;
  process.seteuid?.(statSync(folder).uid);
  try {
    const options = {
      host: join(folder, "run"),
      database: "postgres",
      username: userInfo().username,
      max: 1,
      onnotice: () => undefined,
      connection: { search_path: "registry" },
    };
    const [sql, rival] = [postgres(options), postgres(options)];
    // Connects now, as that user. Later statements use the same socket.
    await Promise.all([sql`select 1`, rival`select 1`]);
    return { sql, rival };
  } finally {
    process.seteuid?.(own);
  }
}

test("the registry dies after a version is durable and before its publisher gets the answer", async () => {
  const wanted = { ...PACK, version: "1.1.0" };
  const built = await buildTestPack(wanted);
  const bundle = signArchive(built.archive, acme.privateKey);
  const publish = () => publishBytes(product, acme, wanted, built.archive, bundle);
  const { sql, rival } = await connectAsRegistry();

  // A trigger of this test delays the commit inside PostgreSQL for as long as the rival has its lock.
  await rival`select pg_advisory_lock(${HELD})`;
  await sql.unsafe(`
    create function hold() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock_shared(${HELD}); return null; end $$;
    create constraint trigger hold after insert on versions deferrable initially deferred
      for each row execute function hold();`);
  const unanswered = publish().then(
    () => "an answer",
    () => "no answer",
  );
  await until("the registry's commit to wait", async () => {
    const waiting = await sql`select 1 from pg_stat_activity
      where wait_event = 'advisory' and query ilike 'commit%'`;
    return waiting.length === 1;
  });
  signal("registry", "SIGSTOP");
  await rival`select pg_advisory_unlock(${HELD})`;
  await until("the version to be committed", async () => {
    const rows = await sql`select 1 from versions
      where name = ${wanted.name} and version = ${wanted.version} and digest = ${built.digest}`;
    return rows.length === 1;
  });
  await Promise.all([sql.end(), rival.end()]);
  const killed = signal("registry", "SIGKILL");
  expect(await unanswered).toBe("no answer");
  await untilReplaced("registry", killed);

  const url = `${product.registryUrl}/api/v1/packs/${wanted.name}/1.1.0`;
  const archive = await until("the registry to answer", async () => {
    const response = await fetch(`${url}/archive`).catch(() => null);
    return response?.status === 200 && Buffer.from(await response.arrayBuffer());
  });
  expect(archive.equals(built.archive)).toBe(true);
  // A repeated publish gets the missing answer and logs nothing twice. Other bytes are refused.
  const read = async () => (await fetch(url)).json();
  const first: unknown = await read();
  await publish();
  expect(await read()).toEqual(first);
  const other = await buildTestPack({ ...wanted, probes: PACK.probes.replace("Looks", "Peers") });
  const otherBundle = signArchive(other.archive, acme.privateKey);
  await expect(
    publishBytes(product, acme, wanted, other.archive, otherBundle),
  ).rejects.toMatchObject({ code: "VERSION_EXISTS" });
});
