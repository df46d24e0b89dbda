import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { findFreePort } from "@sonde/database/testing";
import type { CallProvenance } from "@sonde/schemas/hub";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { eventsOf, readVerifiedAudit } from "../product/audit.ts";
import {
  type CallAnswer,
  connectCurrentClient,
  connectOlderClient,
  connectPrograms,
  type ListedTool,
  type McpClient,
} from "../product/mcp-clients.ts";
import { FIXED_TOOLS } from "../../hub/src/mcp/edge/fixed-tools.ts";
import { findPid } from "../product/processes.ts";
import { askProgram } from "../product/run-program.ts";
import { type Product, startProduct, until, workspace } from "../product/start-product.ts";

/** Allowed difference: other programs write to the disk between the two reads. */
const TOLERANCE_BYTES = 512 * 1024 * 1024;
/** The hub's own tools. */
const OWN = [...FIXED_TOOLS.keys()];
/** Nothing has to listen there. */
const ENDPOINT = "localhost:443";
/** The status of a call that is well. Where systemd does not run, the tools of sonde/systemd say so. */
const statusOf = (tool: string): "ok" | "failure" =>
  existsSync("/run/systemd/system") || !tool.startsWith("systemd_") ? "ok" : "failure";
const GENERATIONS = ["1.x", "current"] as const;

let product: Product;
const clients = new Map<string, McpClient>();
/** Every call made, to be compared with the audit log. */
const made = { allowed: new Set<string>(), denied: new Set<string>() };

beforeAll(async () => {
  product = await startProduct();
  for (const pack of ["network", "certificates"]) {
    const approve = ["agent", "approve", pack, "--endpoint", ENDPOINT, "--yes"];
    await askProgram("sonde", [...approve, "--data", product.data]);
  }
  for (const connect of [connectOlderClient, connectCurrentClient]) {
    const client = await connect(product.mcpUrl, product.apiKey);
    clients.set(client.generation, client);
  }
});
afterAll(async () => {
  for (const client of clients.values()) await client.close();
  await product?.stop();
});

function clientOf(generation: string): McpClient {
  const client = clients.get(generation);
  if (client === undefined) throw new Error(`no ${generation} client`);
  return client;
}

async function call(
  generation: string,
  tool: string,
  args: Record<string, unknown>,
  kind: keyof typeof made,
): Promise<CallAnswer> {
  const answer = await clientOf(generation).call(tool, args);
  made[kind].add(answer.callId);
  return answer;
}

type Process = { pid: number; program: string | null; residentBytes: number | null };
type Usage = { mountPoint: string; totalBytes: number; usedBytes: number; availableBytes: number };

function readRootByDf(): Usage {
  const [, line = ""] = execFileSync("df", ["-P", "-B1", "/"], { encoding: "utf8" }).split("\n");
  const [, totalBytes, usedBytes, availableBytes] = line.split(/\s+/).map(Number);
  return {
    mountPoint: "/",
    totalBytes: totalBytes ?? 0,
    usedBytes: usedBytes ?? 0,
    availableBytes: availableBytes ?? 0,
  };
}

/** Values for the parameters that a tool cannot do without. */
function needsOf({ name: tool, inputSchema }: ListedTool): Record<string, unknown> {
  const { required = [] } = inputSchema as { required?: string[] };
  const values: Record<string, unknown> = {
    ...{ pid: process.pid, endpoint: ENDPOINT },
    name: tool === "systemd_unit_status" ? "init.scope" : "localhost",
  };
  return Object.fromEntries(required.map((name) => [name, values[name]]));
}

describe.each(GENERATIONS)("the %s client", (generation) => {
  test("lists tools with short names, closed schemas and every annotation explicit", async () => {
    const tools = await clientOf(generation).listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      ...OWN,
      "system_block_devices",
      "system_boots",
      "system_cpu_usage",
      "system_cron_jobs",
      "system_disk_io",
      "system_disk_usage",
      "system_kernel_version",
      "system_limits",
      "system_logins",
      "system_memory_activity",
      "system_memory_usage",
      "system_mounts",
      "system_overview",
      "system_packages_changed",
      "system_packages_pending",
      "system_pressure",
      "system_process_detail",
      "system_processes_stuck",
      "system_processes_top",
      "system_reboot_needed",
      "system_time_sync",
      "system_users",
      "systemd_boot_slow",
      "systemd_cgroup_usage",
      "systemd_timers",
      "systemd_unit_restarts",
      "systemd_unit_status",
      "systemd_units",
      "systemd_units_failed",
    ]);
    for (const tool of tools) {
      expect(tool.name).toMatch(/^[a-z0-9_-]{1,64}$/);
      // Only who may read the audit log is told of its filters.
      const most = tool.name === "query_audit" ? 2_400 : 1_200;
      expect(Buffer.byteLength(JSON.stringify(tool)), tool.name).toBeLessThanOrEqual(most);
      expect(tool.description).toMatch(/\.$/);
      expect(tool.inputSchema).toMatchObject({ type: "object", additionalProperties: false });
      expect(tool.annotations).toMatchObject({
        readOnlyHint: true,
        destructiveHint: false,
        idempotentHint: true,
        openWorldHint: false,
      });
    }
  });

  test("can call a tool that its list has no room for", async () => {
    const { results } = await call(
      ...([generation, "network_resolver", { agent: product.agent }, "allowed"] as const),
    );
    expect(results).toMatchObject([{ status: "ok" }]);
  });

  test("gets disk figures that agree with df", async () => {
    const { results, isError } = await call(
      generation,
      "system_disk_usage",
      { agent: product.agent },
      "allowed",
    );
    expect(isError).toBe(false);
    expect(results).toMatchObject([{ agent: product.agent, status: "ok" }]);
    const [result] = results;
    const filesystems = (result?.data?.["filesystems"] ?? []) as Usage[];
    const root = filesystems.find(({ mountPoint }) => mountPoint === "/");
    const fromNode = statfsSync("/");
    const fromDf = readRootByDf();
    expect(root?.totalBytes).toBe(fromNode.blocks * fromNode.bsize);
    expect(root?.totalBytes).toBe(fromDf.totalBytes);
    for (const field of ["usedBytes", "availableBytes"] as const) {
      const difference = Math.abs((root?.[field] ?? 0) - fromDf[field]);
      expect(difference, field).toBeLessThan(TOLERANCE_BYTES);
    }
  });

  test("gets the memory and the program of a process as the kernel has them", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sonde-clients-"));
    const script = join(folder, "hungry.mjs");
    writeFileSync(script, "globalThis.kept = Buffer.alloc(600e6, 1); setInterval(() => {}, 1e6);");
    const child = spawn(process.execPath, ["--no-warnings", script, "--token=private"]);
    onTestFinished(() => {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true });
    });
    const readResident = (): number => {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
    };
    await expect.poll(readResident, { timeout: 60_000 }).toBeGreaterThan(600e6);
    const { results } = await call(
      generation,
      "system_processes_top",
      { agent: product.agent, sortBy: "memory", limit: 50 },
      "allowed",
    );
    const processes = (results[0]?.data?.["processes"] ?? []) as Process[];
    const found = processes.find(({ pid }) => pid === child.pid);
    expect((found?.residentBytes ?? 0) / readResident()).toBeCloseTo(1, 1);
    expect(found?.program).toBe("node hungry.mjs");
    expect(JSON.stringify(results)).not.toContain("private");
  });

  test("gets from every tool an answer that fits its output schema, and shorter text that says the same", async () => {
    // The strict schema, without defaults, by which a client of either generation may validate an
    // answer.
    const ajv = new Ajv2020({ strict: true });
    let saved = 0;
    for (const tool of await clientOf(generation).listTools()) {
      // The others answer with text.
      if (OWN.includes(tool.name) && tool.name !== "list_agents") continue;
      const answer = OWN.includes(tool.name)
        ? await clientOf(generation).call(tool.name, {})
        : await call(generation, tool.name, { agent: product.agent, ...needsOf(tool) }, "allowed");
      const fits = ajv.compile(tool.outputSchema ?? false);
      expect(fits(answer.structured), `${tool.name}: ${JSON.stringify(fits.errors)}`).toBe(true);
      const status = statusOf(tool.name);
      const block =
        status === "ok"
          ? /^<<<data [0-9a-f]{8} of \S+, read at .*\n[^]*\ndata [0-9a-f]{8}>>>$/
          : /^<<<data [0-9a-f]{8}\n\S+ failed: [^]*\ndata [0-9a-f]{8}>>>\n[A-Z_]+: /;
      expect(answer.text).toMatch(block);
      saved += JSON.stringify(answer.structured).length - answer.text.length;
      expect(answer.results[0]?.status, tool.name).toBe(status);
    }
    expect(saved).toBeGreaterThan(0);
  });

  test("can list the agents", async () => {
    const { results } = await clientOf(generation).call("list_agents", {});
    expect(results).toMatchObject([{ agent: product.agent, status: "ok", data: { online: true } }]);
    const pack = product.packs.find(({ name }) => name === "sonde/system");
    expect(results[0]?.data?.["packs"]).toContain(`sonde/system ${pack?.version} active`);
  });

  test("can trace every answer to signer, reads, hops and audit entries", async () => {
    const { callId } = await call(
      generation,
      "system_disk_usage",
      { agent: product.agent, all: true },
      "allowed",
    );
    const { body } = await product.hub.send("GET", `/calls/${callId}`);
    const origin = body as CallProvenance;
    const pack = product.packs.find(({ name }) => name === "sonde/system");
    expect(origin).toMatchObject({
      callId,
      agent: product.agent,
      probe: "system.disk.usage",
      pack: { name: "sonde/system", version: pack?.version, digest: pack?.digest },
    });
    expect(origin.principal).toMatch(/^key:[0-9a-f-]{36}$/);
    expect(origin.pack.signer).toMatch(/^sonde \(RSA key sha256:[0-9a-f]{64}\)$/);
    expect(origin.approved).toMatchObject({ by: expect.stringMatching(/./) });
    expect(origin.reads.map(({ name }) => name)).toEqual(["mounts"]);
    expect(origin.hops.map(({ hop }) => hop)).toEqual(
      expect.arrayContaining(["hub: audit commit", "hub: agent round trip", "agent: total"]),
    );
    const entries = await readVerifiedAudit(product);
    const hashes = entries
      .filter(({ record }) => record.callId === callId)
      .map(({ seq, hash }) => ({ seq, hash }));
    expect(origin.audit.hub).toEqual(hashes);
    expect(origin.audit.agent?.size).toBeGreaterThan(0);
    expect(eventsOf(entries, callId)).toEqual(["call.request", "call.response"]);
  });

  test("is told exactly what a call would read, and nothing is read", async () => {
    const asked = { tool: "system_disk_usage", agent: product.agent, arguments: { all: true } };
    const explained = await clientOf(generation).call("explain", asked);
    expect(explained.isError).toBe(false);
    const { callId } = await call(generation, "call_tool", asked, "allowed");
    const { body } = await product.hub.send("GET", `/calls/${callId}`);
    const read = (body as CallProvenance).reads.map(({ what }) => what);
    expect(explained.results[0]?.data?.["reads"]).toEqual(read);
    expect(read.length).toBeGreaterThan(0);
    const entries = await readVerifiedAudit(product);
    expect(eventsOf(entries, explained.callId)).toEqual(["log.read"]);
  });

  test("asks the only agent there is without naming it", async () => {
    const tools = await clientOf(generation).listTools();
    for (const tool of tools) {
      const { name, inputSchema } = tool;
      if (OWN.includes(name)) continue;
      expect(Object.keys((inputSchema as { properties: object }).properties)).not.toContain(
        "agent",
      );
      const { results } = await call(generation, name, needsOf(tool), "allowed");
      expect(results).toMatchObject([{ agent: product.agent, status: statusOf(name) }]);
    }
    const nulls = { agent: null, all: null };
    const { isError } = await call(generation, "system_disk_usage", nulls, "allowed");
    expect(isError).toBe(false);
  });

  test("is refused with a code, and the refusal is recorded", async () => {
    const refused: [string, Record<string, unknown>, string][] = [
      ["system_no_such_probe", { agent: product.agent }, "PROBE_UNKNOWN"],
      ["system_disk_usage", { agent: "nobody-here" }, "AGENT_UNKNOWN"],
      ["system_disk_usage", { agent: product.agent, all: "yes" }, "PARAMS_INVALID"],
    ];
    for (const [tool, args, code] of refused) {
      const { results, callId, isError } = await call(generation, tool, args, "denied");
      expect(isError).toBe(true);
      expect(results[0]).toMatchObject({ status: "failure", failure: { code } });
      expect(eventsOf(await readVerifiedAudit(product), callId)).toEqual([`call.denied ${code}`]);
    }
  });
});

/** Agents that no hub can have, and one that this hub has not. */
const NO_AGENTS = [
  ...["VM", "my server", "web_01.example.com", "", 7, "x".repeat(80), ["web-1"], { name: "web-1" }],
  ...["\ud800", "\u202e", "__proto__", "nobody-here"],
];

describe.each(GENERATIONS)("an error, read by the %s client", (generation) => {
  test.each(NO_AGENTS)("of a call to agent %j", async (agent) => {
    const client = clientOf(generation);
    // The client checks each answer against the schemas of the list that it saw.
    const tools = await client.listTools();
    const ajv = new Ajv2020({ strict: true });
    for (const { name, outputSchema = false } of tools) {
      if (OWN.includes(name)) continue;
      const { isError, results, structured, text } = await call(
        ...([generation, name, { agent }, "denied"] as const),
      );
      expect(isError).toBe(true);
      expect(results).toMatchObject([{ status: "failure", failure: { code: "AGENT_UNKNOWN" } }]);
      expect(text).toContain("list_agents");
      expect(ajv.validate(outputSchema, structured)).toBe(true);
    }
  });

  test.each([
    ["a tool that there is not", "system_no_such_probe", {}, "PROBE_UNKNOWN"],
    ["the name of a prototype", "constructor", {}, "PROBE_UNKNOWN"],
    ["a parameter that there is not", "system_overview", { x: 1 }, "PARAMS_INVALID"],
    ["a parameter of another type", "system_disk_usage", { all: [] }, "PARAMS_INVALID"],
  ])("of a call with %s", async (_what, tool, args, code) => {
    await clientOf(generation).listTools();
    const { isError, text } = await call(
      ...([generation, tool, { agent: product.agent, ...args }, "denied"] as const),
    );
    expect(isError).toBe(true);
    expect(text).toMatch(new RegExp(` failed: ${code} ".+"\ndata [0-9a-f]{8}>>>\n${code}: .+\\.$`));
  });
});

describe("sonde mcp, a program on standard input and output", () => {
  const words = (...more: string[]) => [
    join(workspace, "scripts/launch.mjs"),
    "sonde",
    "mcp",
    ...more,
  ];

  /** A file with the key, until the end of the test. */
  function keepKey(key: string): string {
    const folder = mkdtempSync(join(tmpdir(), "sonde-key-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "key"), `${key}\n`, { mode: 0o600 });
    return join(folder, "key");
  }

  test.each(GENERATIONS)(
    "gives the %s client the hub's tools, answers and changes",
    async (generation) => {
      const keyFile = keepKey(product.apiKey);
      const args = words("--data", product.data, "--key-file", keyFile);
      const own = await connectPrograms(process.execPath, args);
      const { version } = product.packs.find(({ name }) => name === "sonde/systemd") ?? {};
      try {
        const client = own.find((one) => one.generation === generation);
        expect(await client?.listTools()).toEqual(await clientOf(generation).listTools());
        const answer = await client?.call("system_overview", { agent: product.agent });
        made.allowed.add(answer?.callId ?? "");
        expect(answer?.results).toMatchObject([{ status: "ok" }]);
        const path = `/agents/${product.agent}/packs/sonde/systemd`;
        const offers = async () =>
          (await client?.listTools())?.some(({ name }) => name === "systemd_units");
        await product.hub.send("DELETE", path);
        await until("the pack to be gone", async () => (await offers()) === false);
        await until("the change to be told", () => (client?.changes() ?? 0) > 0);
        await product.hub.send("PUT", path, { body: { version } });
        await until("the pack to be back", offers);
      } finally {
        for (const client of own) await client.close();
      }
    },
  );

  /** Writes lines to its standard input, closes it, and returns what it wrote when it has ended. */
  async function say(lines: string[], ...more: string[]) {
    const child = spawn(process.execPath, words(...more), { stdio: ["pipe", "pipe", "pipe"] });
    const [out, err] = [readText(child.stdout), readText(child.stderr)];
    child.stdin.end(lines.map((line) => `${line}\n`).join(""));
    const [code] = (await once(child, "close")) as [number];
    const answers = (await out).split("\n").filter(Boolean);
    return { code, answers: answers.map((line) => JSON.parse(line) as object), err: await err };
  }
  const PING = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" });

  test("answers what it was asked before its input ended, and reports a line that is no message", async () => {
    const { code, answers, err } = await say(["{}", PING], "--data", product.data);
    expect([code, answers]).toEqual([0, [{ jsonrpc: "2.0", id: 1, result: {} }]]);
    expect(err).toBe("sonde mcp: expected one message of JSON-RPC a line, got something else\n");
  });

  test("answers with the reason when the hub refuses the key or cannot be reached", async () => {
    const keyFile = keepKey("sonde_ak_unknown");
    const refused = await say([PING], "--url", product.mcpUrl, "--key-file", keyFile);
    expect(refused).toMatchObject({ code: 0, err: "" });
    expect(refused.answers).toMatchObject([
      { id: 1, error: { code: -32_000, message: expect.stringContaining("status 401") as string } },
    ]);
    const url = `http://127.0.0.1:${await findFreePort()}/mcp`;
    const { answers } = await say([PING], "--url", url, "--key-file", keyFile);
    const message = expect.stringContaining(
      "STARTING_FAILED: the hub does not answer: nothing listens at",
    ) as string;
    expect(answers).toMatchObject([{ id: 1, error: { message } }]);
  });
});

describe("the audit log, compared with the calls made", () => {
  test("has a request and a failed response for a call that no agent could answer", async () => {
    // The supervisor restarts it, and until then the hub has no agent to ask. On a busy machine it
    // may be back before the call, which then succeeds.
    const { results, callId } = await until("a call while it is away", async () => {
      process.kill(await until("the agent", () => findPid(product, "agent")), "SIGKILL");
      await until("the hub to notice", async () => {
        const { body } = await product.hub.send("GET", `/agents/${product.agent}`);
        return body["online"] === false;
      });
      const answer = await call("1.x", "system_overview", { agent: product.agent }, "allowed");
      return answer.results[0]?.status === "failure" && answer;
    });
    const { failure } = results[0] ?? {};
    expect(failure).toMatchObject({ code: "AGENT_OFFLINE", retryable: true });
    expect(eventsOf(await readVerifiedAudit(product), callId)).toEqual([
      "call.request",
      "call.response AGENT_OFFLINE",
    ]);
    // Its tools stay listed: a short absence is not a revocation.
    expect((await clientOf("1.x").listTools()).map(({ name }) => name)).toContain(
      "system_overview",
    );
    await until("the agent to be back", async () => {
      const again = await call("1.x", "system_overview", { agent: product.agent }, "allowed");
      return again.results[0]?.status === "ok";
    });
  });

  test("has one request for each allowed call, and no other", async () => {
    const entries = await until("the last responses to be written", async () => {
      const read = await readVerifiedAudit(product);
      const answered = read.filter(({ record }) => record.event === "call.response");
      return answered.length >= made.allowed.size ? read : undefined;
    });
    const idsOf = (event: string) =>
      entries.filter(({ record }) => record.event === event).map(({ record }) => record.callId);
    expect(idsOf("call.request").toSorted()).toEqual([...made.allowed].toSorted());
    expect(idsOf("call.response").toSorted()).toEqual([...made.allowed].toSorted());
    expect(idsOf("call.denied").toSorted()).toEqual([...made.denied].toSorted());
  });
});
