import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { FIXED_TOOLS } from "../../hub/src/mcp/edge/fixed-tools.ts";
import { readVerifiedAudit } from "../product/audit.ts";
import {
  connectCurrentClient,
  connectOlderClient,
  type McpClient,
} from "../product/mcp-clients.ts";
import { type Product, startProduct } from "../product/start-product.ts";

// A runbook through a real hub and agent: faults that are really there are found, and an untouched
// machine has none.

/** Probes of the runbook of sonde/system beside `disk.usage`. */
const OTHERS = 9;
const isRoot = process.getuid?.() === 0;
let product: Product;
/** What the product, and nobody else, sees as /run: faults are mounted there. */
let runFolder: string | undefined;
const clients: McpClient[] = [];

beforeAll(async () => {
  if (isRoot) {
    runFolder = mkdtempSync("/tmp/sonde-run-");
    chmodSync(runFolder, 0o755);
  }
  product = await startProduct(runFolder === undefined ? {} : { runFolder });
  clients.push(await connectOlderClient(product.mcpUrl, product.apiKey));
  clients.push(await connectCurrentClient(product.mcpUrl, product.apiKey));
});
afterAll(async () => {
  for (const client of clients) await client.close();
  await product?.stop();
  if (runFolder !== undefined) rmSync(runFolder, { recursive: true, force: true });
});

type Finding = {
  severity: string;
  finding: string;
  tool: string;
  evidence: Record<string, unknown>[];
  next: string[];
};
type Unseen = { tool?: string; why: string };

async function diagnose(client: McpClient | undefined, pack = "system") {
  const answer = await client?.call("diagnose", { agent: product.agent, pack });
  const { data } = answer?.results[0] ?? {};
  const { findings = [], unseen = [] } = (data ?? {}) as {
    findings?: Finding[];
    unseen?: Unseen[];
  };
  return { ...answer, findings, unseen };
}

async function readRecords(principal: string) {
  const entries = await readVerifiedAudit(product);
  return entries.map(({ record }) => record).filter((record) => record.principal === principal);
}

async function connectWith(probes: string[]) {
  const policy = { role: "client", agents: "*", probes };
  const { body } = await product.hub.send("POST", "/api-keys", { body: { name: "few", policy } });
  const { id, key } = body as { id: string; key: string };
  const client = await connectOlderClient(product.mcpUrl, key);
  onTestFinished(() => client.close());
  return { principal: `key:${id}`, client };
}

function runInProduct(script: string): void {
  const { agent } = product.pids;
  execFileSync("nsenter", ["-m", "-t", String(agent), "sh", "-ec", script]);
}

function zombiesOf(parent: number | undefined): number {
  const list = execFileSync("ps", ["-eo", "ppid=,stat="], { encoding: "utf8" });
  return list.split("\n").filter((line) => new RegExp(`^ *${parent} +Z`).test(line)).length;
}

/** The share of time over five minutes, by the kernel itself. */
function stallOf(what: string, kind: string): number {
  const text = readFileSync(`/proc/pressure/${what}`, "utf8");
  return Number(new RegExp(`^${kind} .*avg300=([0-9.]+)`, "m").exec(text)?.[1] ?? 0);
}

function usedPercentOf(mountPoint: unknown): number {
  const [, line = ""] = execFileSync("df", ["-P", String(mountPoint)], { encoding: "utf8" }).split(
    "\n",
  );
  return Number(line.split(/\s+/)[4]?.replace("%", ""));
}

/** What can be true of a machine that runs tests, and whether it is, by other means. */
const TRUE_HERE: [finding: RegExp, isTrue: (evidence: Record<string, unknown>) => boolean][] = [
  [/^The load is many times/, () => Math.max(...loadavg()) / cpus().length > 2],
  [/^All programs wait for disks/, () => stallOf("io", "full") > 20],
  [/wait for memory/, () => stallOf("memory", "some") > 1],
  [/filesystem/, ({ mountPoint }) => usedPercentOf(mountPoint) >= 85],
];

test("an untouched machine gives no finding above info, but for what is really so", async () => {
  const { findings, unseen, isError } = await diagnose(clients[0]);
  expect(isError).toBe(false);
  const grave = findings.filter(({ severity }) => severity !== "info");
  for (const { finding, evidence } of grave) {
    process.stderr.write(`NOT UNTOUCHED: ${finding} ${JSON.stringify(evidence)}\n`);
    const check = TRUE_HERE.find(([text]) => text.test(finding));
    expect(check?.[1](evidence[0] ?? {}), finding).toBe(true);
  }
  for (const { why } of unseen) process.stderr.write(`not seen here: ${why}\n`);
  expect(unseen.filter(({ why }) => /^[A-Z_]+: /.test(why))).toEqual([]);
});

describe.runIf(isRoot)("of faults that are there", () => {
  beforeAll(() => {
    runInProduct(
      "mkdir /run/full && mount -t tmpfs -o size=2m full /run/full && head -c 3m /dev/zero >/run/full/x || true",
    );
  });

  test.each([0, 1])("a full filesystem is found with its evidence, by client %i", async (index) => {
    const { findings, text } = await diagnose(clients[index]);
    const full = findings.find(({ finding }) => finding === "A filesystem is full, or nearly so.");
    expect(full).toMatchObject({ severity: "critical", tool: "system_disk_usage" });
    expect(full?.evidence).toContainEqual({
      ...{ mountPoint: "/run/full", type: "tmpfs", usedPercent: 100, availableBytes: 0 },
      device: "full",
    });
    // sonde/logs is not active here, so its tools are not named.
    expect(full?.next).toEqual(["system_disk_usage"]);
    expect(findings[0]?.severity).toBe("critical");
    expect(text).toMatch(/^<<<data [0-9a-f]{8} of [^]*\/run\/full[^]*\ndata [0-9a-f]{8}>>>$/);
  });

  test("a key for one probe gets the findings of that one, and the rest is refused and recorded", async () => {
    const { principal, client } = await connectWith(["system.disk.usage"]);
    const { findings, unseen } = await diagnose(client);
    expect(new Set(findings.map(({ tool }) => tool))).toEqual(new Set(["system_disk_usage"]));
    // Other mounts of this machine may not be readable.
    expect(unseen.filter(({ tool }) => tool !== "system_disk_usage")).toEqual([
      { why: `this key may not ask ${OTHERS} probes of the runbooks` },
    ]);
    const records = await readRecords(principal);
    const asked = records.filter(({ event }) => event === "call.request");
    expect(asked.map(({ probe }) => probe)).toEqual(["system.disk.usage"]);
    expect(records.filter(({ event }) => event === "call.denied")).toHaveLength(OTHERS);
  });
});
if (!isRoot) process.stderr.write("NOT CHECKED: a full filesystem; mounting needs root\n");

test("processes in a known state are found", async () => {
  const script =
    "i=0; while [ $i -lt 30 ]; do sleep 1 & i=$((i+1)); done; echo ready; exec sleep 1000";
  const parent = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
  onTestFinished(() => void parent.kill("SIGKILL"));
  await once(parent.stdout, "data");
  await expect.poll(() => zombiesOf(parent.pid)).toBe(30);
  const { findings } = await diagnose(clients[0]);
  const zombies = findings.find(({ finding }) => finding.includes("zombies"));
  expect(Number(zombies?.evidence[0]?.["zombieCount"])).toBeGreaterThanOrEqual(30);
});

const OWN_TOOLS: Record<string, Record<string, unknown>> = {
  list_agents: {},
  agent_overview: {},
  search_tools: { words: "disk" },
  describe_tool: { tool: "system_limits" },
  call_tool: { tool: "system_limits" },
  explain: { tool: "system_limits" },
  diagnose: { pack: "system" },
  health_check: {},
  query_audit: {},
  read_result: { cursor: "0b5f6c1e-8a43-4d0e-9d6b-0f2a7a1c9e11.1" },
};
/** What each of the hub's own tools asks with these arguments, of a key for two probes. */
const ASKED: Record<string, string[]> = {
  diagnose: ["system.limits", "system.overview"],
  health_check: ["system.limits", "system.overview"],
  call_tool: ["system.limits"],
};

test("each of the hub's own tools asks only what the key may ask, each probe as a call on record", async () => {
  expect(Object.keys(OWN_TOOLS).sort()).toEqual([...FIXED_TOOLS.keys()].sort());
  for (const [tool, args] of Object.entries(OWN_TOOLS)) {
    const { principal, client } = await connectWith(["system.overview", "system.limits"]);
    await client.call(tool, args);
    // A response is recorded soon after its answer.
    await expect
      .poll(async () => {
        const records = await readRecords(principal);
        const of = (event: string) =>
          records.flatMap((one) => (one.event === event ? (one.probe ?? "") : [])).sort();
        return [tool, of("call.request"), of("call.response")];
      })
      .toEqual([tool, ASKED[tool] ?? [], ASKED[tool] ?? []]);
    const records = await readRecords(principal);
    // Its own use is on record too, or its refusal; of call_tool the call is.
    const named = records.filter(({ detail }) => detail["tool"] === tool);
    expect(named.length > 0, tool).toBe(tool !== "call_tool");
  }
});

test("health_check runs the runbooks of all packs of a server", async () => {
  const answer = await clients[0]?.call("health_check", {});
  const { data } = answer?.results[0] ?? {};
  const active = product.packs.filter(({ state }) => state === "active");
  expect(active.map(({ name, version }) => `${name} ${version}`)).toEqual(
    expect.arrayContaining(data?.["runbooks"] as string[]),
  );
  expect(data?.["runbooks"]).toContain(
    `sonde/system ${active.find(({ name }) => name === "sonde/system")?.version}`,
  );
});

test("agent_overview names each pack with the tools that can be called", async () => {
  const answer = await clients[0]?.call("agent_overview", {});
  expect(answer?.results).toMatchObject([{ agent: product.agent, status: "ok" }]);
  const { data } = answer?.results[0] ?? {};
  expect(data).toMatchObject({ online: true, held: [], missing: [] });
  const packs = data?.["packs"] as { pack: string; runbook: string | null; tools: string[] }[];
  const system = packs.find(({ pack }) => pack.startsWith("sonde/system "));
  expect(system?.runbook).toMatch(/^Space, inodes, memory/);
  const listed = (await clients[0]?.listTools()) ?? [];
  expect(system?.tools.toSorted()).toEqual(
    listed.map(({ name }) => name).filter((name) => name.startsWith("system_")),
  );
  expect(answer?.text.length).toBeLessThan(4_000);
});
