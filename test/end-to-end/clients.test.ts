import { execFileSync } from "node:child_process";
import { statfsSync } from "node:fs";
import type { CallProvenance } from "@sonde/schemas/hub";
import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventsOf, readVerifiedAudit } from "../product/audit.ts";
import {
  type CallAnswer,
  connectCurrentClient,
  connectOlderClient,
  type McpClient,
} from "../product/mcp-clients.ts";
import { findPid } from "../product/processes.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";

/** Allowed difference: other programs write to the disk between the two reads. */
const TOLERANCE_BYTES = 512 * 1024 * 1024;
const GENERATIONS = ["1.x", "current"] as const;

let product: Product;
const clients = new Map<string, McpClient>();
/** Every call made, to be compared with the audit log. */
const made = { allowed: new Set<string>(), denied: new Set<string>() };

beforeAll(async () => {
  product = await startProduct();
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

describe.each(GENERATIONS)("the %s client", (generation) => {
  test("lists tools with short names, closed schemas and every annotation explicit", async () => {
    const tools = await clientOf(generation).listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      "list_agents",
      "system_disk_usage",
      "system_kernel_version",
      "system_memory_usage",
      "system_overview",
      "system_processes_top",
    ]);
    for (const tool of tools) {
      expect(tool.name).toMatch(/^[a-z0-9_-]{1,64}$/);
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

  test("gets from every tool an answer that fits its output schema, with the same JSON as text", async () => {
    // The strict schema, without defaults, by which a client of either generation may validate an
    // answer.
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    for (const tool of await clientOf(generation).listTools()) {
      const fixed = tool.name === "list_agents";
      const answer = fixed
        ? await clientOf(generation).call(tool.name, {})
        : await call(generation, tool.name, { agent: product.agent }, "allowed");
      const fits = ajv.compile(tool.outputSchema ?? false);
      expect(fits(answer.structured), `${tool.name}: ${JSON.stringify(fits.errors)}`).toBe(true);
      expect(JSON.parse(answer.text)).toEqual(answer.structured);
      expect(answer.results[0]?.status, tool.name).toBe("ok");
    }
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
    expect(origin.approved?.by).toBeTruthy();
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
