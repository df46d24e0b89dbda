import type { AuditRecord } from "@sonde/schemas/audit";
import type { KeyPolicy } from "@sonde/schemas/hub";
import type { OpenApi } from "../../foundation/service/src/testing/index.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FIXED_TOOLS } from "../../hub/src/mcp/edge/fixed-tools.ts";
import { eventsOf, readVerifiedAudit } from "../product/audit.ts";
import { connectOlderClient, type McpClient } from "../product/mcp-clients.ts";
import { codeOf, sendRaw } from "../product/raw-http.ts";
import { type Product, startProduct } from "../product/start-product.ts";
import {
  listRouteRights,
  readAddedRoutes,
  readDescribedRoutes,
  readDocumentedRoutes,
} from "./hub-routes.ts";

const OWN_OF_CLIENT = [...FIXED_TOOLS.keys()].filter((name) => name !== "query_audit");
const ROLES = ["none", "client", "auditor", "operator"] as const;
let product: Product;
const keys = new Map<string, string | null>([["none", null]]);
const open: McpClient[] = [];

beforeAll(async () => {
  product = await startProduct();
  keys.set("operator", product.apiKey);
  for (const role of ["client", "auditor"] as const) {
    keys.set(role, (await createKey({ role, agents: "*", probes: "*" })).key);
  }
});
afterAll(async () => {
  for (const client of open) await client.close();
  await product?.stop();
});

async function createKey(policy: KeyPolicy): Promise<{ id: string; key: string }> {
  const { status, body } = await product.hub.send("POST", "/api-keys", {
    body: { name: `a ${policy.role}`, policy },
  });
  expect(status).toBe(201);
  return body as { id: string; key: string };
}

async function connect(key: string): Promise<McpClient> {
  const client = await connectOlderClient(product.mcpUrl, key);
  open.push(client);
  return client;
}

const recordsOf = async (keyId: string): Promise<AuditRecord[]> =>
  (await readVerifiedAudit(product))
    .map(({ record }) => record)
    .filter(({ principal }) => principal === `key:${keyId}`);

// Attack 24.
describe("every route and every role", () => {
  test("no route is missing from the table or from the documentation", () => {
    const table = listRouteRights("a").map(({ route }) => route);
    expect(table.length).toBeGreaterThan(10);
    expect(readAddedRoutes().toSorted()).toEqual(table.toSorted());
    expect(readDocumentedRoutes().toSorted()).toEqual(table.toSorted());
  });

  test("the OpenAPI document of the hub that runs has exactly these routes and their rights", async () => {
    const { text } = await sendRaw(`${product.hubUrl}/api/v1/openapi.json`);
    const document = JSON.parse(text) as OpenApi;
    const rows = listRouteRights("a");
    expect(readDescribedRoutes(document).toSorted()).toEqual(
      rows.map(({ route }) => route).toSorted(),
    );
    for (const { route, ...statuses } of rows) {
      const [method = "", path = ""] = route.split(" ");
      const described = `/api/v1${path.replaceAll(/:([a-zA-Z]+)/g, "{$1}")}`;
      const operation = document.paths[described]?.[method.toLowerCase()];
      const right = operation?.["x-sonde-right"] as string | { action: string; roles: string[] };
      // Of a page, or of a person's own account: no key is let in, whatever its role may do.
      const roles = typeof right === "string" || right.action === "self" ? [] : right.roles;
      for (const role of ["client", "auditor", "operator"] as const) {
        // A key of role operator has an admin's rights.
        const has = roles.includes(role === "operator" ? "admin" : role);
        expect([route, role, has]).toEqual([route, role, statuses[role] !== 403]);
        expect(Object.keys(operation?.responses ?? {}), route).toContain(String(statuses[role]));
      }
    }
  });

  test.each(ROLES)("%s gets exactly what its role allows", async (role) => {
    for (const row of listRouteRights(product.agent)) {
      const [method = "", path] = [row.route.split(" ")[0], row.path];
      const { status, body } = await product.hub.send(method, path, {
        key: keys.get(role) ?? null,
        ...(row.body !== undefined && { body: row.body }),
      });
      expect(status, `${role}: ${row.route}`).toBe(row[role]);
      if (status >= 400) codeOf({ status, text: JSON.stringify(body) });
    }
  });

  test.each(ROLES)("%s at the MCP endpoint", async (role) => {
    const key = keys.get(role);
    const answer = await sendRaw(product.mcpUrl, {
      method: "POST",
      headers: {
        ...(typeof key === "string" && { authorization: `Bearer ${key}` }),
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
    });
    const expected = { none: 401, client: 200, auditor: 200, operator: 200 }[role];
    expect(answer.status).toBe(expected);
    if (expected >= 400) codeOf(answer);
  });

  test("the health check is open to anybody and reveals nothing else", async () => {
    const { status, text } = await sendRaw(`${product.hubUrl}/health`);
    expect([status, JSON.parse(text)]).toEqual([200, { status: "ok" }]);
  });
});

describe("a key", () => {
  test.each([
    ["absent", {}],
    ["not a bearer token", { authorization: "Basic c29uZGU6c29uZGU=" }],
    ["unknown", { authorization: `Bearer sonde_ak_${"x".repeat(43)}` }],
    ["of another kind", { authorization: `Bearer sonde_pt_${"x".repeat(43)}` }],
    ["too long", { authorization: `Bearer sonde_ak_${"x".repeat(5000)}` }],
  ])("that is %s opens nothing", async (_what, headers: Record<string, string>) => {
    for (const url of [product.mcpUrl, `${product.hubUrl}/api/v1/agents`]) {
      expect(codeOf(await sendRaw(url, { headers }))).toBe("UNAUTHENTICATED");
    }
  });

  // Attack 39.
  test("in the address is refused", async () => {
    const url = `${product.hubUrl}/api/v1/agents?api_key=${product.apiKey}`;
    expect(codeOf(await sendRaw(url))).toBe("KEY_IN_ADDRESS");
  });

  test("that is revoked is refused at once, also while it is in use", async () => {
    const { id, key } = await createKey({ role: "client", agents: "*", probes: "*" });
    const client = await connect(key);
    expect((await client.listTools()).length).toBeGreaterThan(1);
    const headers = { authorization: `Bearer ${key}`, accept: "text/event-stream" };
    const stream = await fetch(product.mcpUrl, { headers });
    expect(stream.status).toBe(200);
    expect((await product.hub.send("DELETE", `/api-keys/${id}`)).status).toBe(200);
    // The stream ends: a revoked key receives nothing more.
    expect(await stream.text()).toContain(": open");
    await expect(client.listTools()).rejects.toThrow(/UNAUTHENTICATED|401/);
    expect((await product.hub.send("GET", "/agents", { key })).status).toBe(401);
    // Idempotent: a second revocation adds nothing to the log.
    expect((await product.hub.send("DELETE", `/api-keys/${id}`)).status).toBe(404);
    const revoked = (await readVerifiedAudit(product)).filter(
      ({ record }) => record.event === "key.revoked" && record.detail["id"] === id,
    );
    expect(revoked.length).toBe(1);
  });

  // Attack 39.
  test("for one probe sees and calls only that probe; everything else is denied and recorded", async () => {
    const { id, key } = await createKey({
      role: "client",
      agents: "*",
      probes: ["system.kernel.version"],
    });
    const client = await connect(key);
    const names = (await client.listTools()).map(({ name }) => name);
    expect(names).toEqual([...OWN_OF_CLIENT, "system_kernel_version"]);
    const allowed = await client.call("system_kernel_version", { agent: product.agent });
    expect(allowed.results[0]?.status).toBe("ok");
    const denied = await client.call("system_overview", { agent: product.agent });
    expect(denied.results[0]?.failure?.code).toBe("PROBE_UNKNOWN");
    expect(eventsOf(await readVerifiedAudit(product), denied.callId)).toEqual([
      "call.denied PROBE_UNKNOWN",
    ]);
    expect((await recordsOf(id)).filter(({ event }) => event === "call.request").length).toBe(1);
  });

  test("for another agent learns nothing about this one; the attempts are recorded", async () => {
    const { id, key } = await createKey({ role: "client", agents: ["elsewhere"], probes: "*" });
    const client = await connect(key);
    expect((await client.listTools()).map(({ name }) => name)).toEqual(OWN_OF_CLIENT);
    expect((await client.call("list_agents", {})).results).toEqual([]);
    expect((await product.hub.send("GET", "/agents", { key })).body).toEqual({ agents: [] });
    const call = await client.call("system_overview", { agent: product.agent });
    expect(call.results[0]?.failure?.code).toBe("FORBIDDEN");
    expect((await product.hub.send("GET", `/agents/${product.agent}`, { key })).status).toBe(403);
    expect((await product.hub.send("GET", "/api-keys", { key })).status).toBe(403);
    const denials = (await recordsOf(id)).filter(({ status }) => status === "denied");
    expect(denials.map(({ event, code }) => `${event} ${code}`)).toEqual([
      "call.denied FORBIDDEN",
      "request.denied FORBIDDEN",
      "request.denied FORBIDDEN",
    ]);
    expect(denials.at(-1)?.detail).toMatchObject({ method: "GET", route: "/api/v1/api-keys" });
  });
});
