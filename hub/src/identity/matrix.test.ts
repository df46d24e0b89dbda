import { request } from "node:http";
import type { Policy, Role } from "@sonde/schemas/policy";
import { buildHello } from "@sonde/schemas/testing";
import { encodeBody } from "@sonde/schemas/wire";
import type { OpenApi } from "@sonde/service/testing";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { FIXED_TOOLS } from "../mcp/edge/fixed-tools.ts";
import { createOAuthClient } from "../testing/oauth-client.ts";
import { type Account, invite, makeOwner } from "../testing/sign-in.ts";
import { type AgentSession, startHub, type TestHub } from "../testing/start-hub.ts";
import { authorize, ROUTE_RIGHTS, type RouteRight } from "./core/authorize.ts";
import { createPrincipal } from "./core/principal.ts";

// Attack 24: every route of the running hub, and every tool, by every role and scope. What is
// expected is written here once more, so that a change of the table in the code shows.
const LISTS: RouteRight[] = ["probe.list", "agents.read"];
const LOOKS: RouteRight[] = [
  "inbox.read",
  "drift.read",
  "tools.read",
  "policy.read",
  "audit.read",
  "calls.read",
  "metrics.read",
];
const KNOWS: RouteRight[] = ["keys.read", "people.read", "oauth.read"];
const RUNS: RouteRight[] = ["packs.approve", "agents.manage", "drift.manage", "tools.approve"];
const LETS_IN: RouteRight[] = ["keys.manage", "people.manage", "oauth.manage", "policy.manage"];
const HOLDS: RouteRight[] = ["audit.hold"];
const RIGHTS: Record<Role, RouteRight[]> = {
  owner: [...LISTS, ...LOOKS, ...KNOWS, ...RUNS, ...HOLDS, ...LETS_IN, "owners.manage", "self"],
  admin: [...LISTS, ...LOOKS, ...KNOWS, ...RUNS, ...HOLDS, ...LETS_IN, "self"],
  operator: [...LISTS, ...LOOKS, ...RUNS, "self"],
  auditor: [...LISTS, ...LOOKS, ...KNOWS, "self"],
  member: [...LISTS, "self"],
  client: LISTS,
  metrics: ["metrics.read"],
};
const ROLES = Object.keys(RIGHTS) as Role[];
/** What a key of a role is. */
const KEYS = {
  operator: "admin",
  auditor: "auditor",
  client: "client",
  metrics: "metrics",
} as const;

/** The agent that every route for one is asked for. No hub has it, so that nothing happens to it. */
const AGENT = "web-7";
const ENDED = "2026-01-01T00:00:00.000Z";
/** What the policy of a caller says, and what it makes of a right that its role has. */
const SCOPES: [string, Policy, (right: RouteRight, isForAgent: boolean) => string][] = [
  ["no policy", {}, () => "let in"],
  [
    "another agent",
    { agents: { allow: ["web-9"] } },
    (right, isForAgent) => {
      if (isForAgent) return "FORBIDDEN";
      return right === "self" || LISTS.includes(right) ? "let in" : "FORBIDDEN";
    },
  ],
  [
    "this agent",
    { agents: { allow: [AGENT] } },
    (right, isForAgent) => {
      if (isForAgent) return "let in";
      return right === "self" || LISTS.includes(right) ? "let in" : "FORBIDDEN";
    },
  ],
  ["no tool", { tools: { allow: [] } }, () => "let in"],
  ["another address", { addresses: ["203.0.113.9"] }, () => "ADDRESS_REFUSED"],
  ["an end that is over", { expiresAt: ENDED }, () => "ACCESS_ENDED"],
];

/** By these, pages of the hub let people in. A program that is no page of it is refused. */
const OF_PAGES = ["sign-in", "join"].flatMap((step) => [
  `/api/v1/${step}/passkey/options`,
  `/api/v1/${step}/passkey`,
]);
// The others are asked with a body that does not fit, and refused for that first.
const openTo = ({ path }: Route) => (path === OF_PAGES[0] ? "ORIGIN_REFUSED" : "let in");

type Route = { method: string; path: string; right: RouteRight | "anybody"; isForAgent: boolean };

let hub: TestHub;
let agent: AgentSession;
let document: OpenApi;
/** Those who sign in, each with a role of their own. */
const PEOPLE = ["owner", "admin", "operator", "auditor", "member"] as const;
type PersonRole = (typeof PEOPLE)[number];
const accounts = new Map<PersonRole, Account>();
const origin = () => `http://localhost:${hub.ready.http}`;

beforeAll(async () => {
  hub = await startHub();
  const pack = "/agents/web-1/packs/acme/hello";
  expect((await hub.ask("PUT", pack, { version: "1.0.0" })).code).toBe(200);
  agent = await hub.connect();
  const report = {
    ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state: "active" },
    ...{ probes: ["greet"], signer: null, approved: null, reason: null },
  };
  const body = encodeBody(buildHello({ packs: [report] }));
  agent.socket.send(agent.channel.seal({ type: "hello", body }));
  await vi.waitUntil(async () => (await listTools(hub.operatorKey)).includes(TOOL), 15_000);
  const owner = await makeOwner(hub);
  accounts.set("owner", owner);
  for (const role of PEOPLE.slice(1)) accounts.set(role, await invite(hub, owner, role, role));
  const url = `http://127.0.0.1:${hub.ready.http}/api/v1/openapi.json`;
  document = (await (await fetch(url)).json()) as OpenApi;
});
afterAll(async () => {
  agent.socket.terminate();
  await hub.close();
});

/** The routes that the hub has, as it runs. */
function listRoutes(): Route[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const stated = operation["x-sonde-right"] as "anybody" | { action: RouteRight };
      return {
        ...{ method: method.toUpperCase(), path, isForAgent: path.includes("{agent}") },
        right: stated === "anybody" ? stated : stated.action,
      };
    }),
  );
}

/** Headers of a browser that is signed in, on a page of the hub. */
type Credential = { cookie: string; host: string; origin: string };

/** Whether the hub's guard lets a request in, before anything of it is read; else the code. */
async function enter({ method, path }: Route, as: string | Credential | null): Promise<string> {
  const url = path.replace("{agent}", AGENT).replaceAll(/\{\w+\}/g, "none");
  const asked = request(`http://127.0.0.1:${hub.ready.http}${url}`, {
    ...{ method, agent: false },
    headers: {
      ...(typeof as === "string" ? { authorization: `Bearer ${as}` } : as),
      // No body fits, so that nothing is changed.
      ...(method !== "GET" && { "content-type": "application/json", "content-length": 7 }),
    },
  });
  asked.end(method === "GET" ? undefined : `{"?":1}`);
  return await new Promise((done, fail) => {
    asked.once("error", fail);
    asked.once("response", (answer) => {
      let text = "";
      const settle = () => {
        const code = /"code":"(\w+)"/.exec(text)?.[1];
        const isDenied = answer.statusCode === 401 || answer.statusCode === 403;
        done(isDenied ? (code ?? "no code") : "let in");
      };
      // What is let in may be a stream without an end.
      if ((answer.statusCode ?? 0) < 400) {
        settle();
        answer.destroy();
        return;
      }
      answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
      answer.once("end", settle);
    });
  });
}

test("the hub that runs demands a right at every route, and each right of a route is known", () => {
  const routes = listRoutes();
  expect(routes.length).toBeGreaterThan(35);
  const open = routes.filter(({ right }) => right === "anybody").map(({ path }) => path);
  expect(open.toSorted()).toEqual(["/api/v1/openapi.json", ...OF_PAGES].toSorted());
  for (const { path, method, right } of routes) {
    if (right === "anybody") continue;
    const stated = document.paths[path]?.[method.toLowerCase()]?.["x-sonde-right"];
    const expected = ROLES.filter((role) => RIGHTS[role].includes(right));
    expect(stated, `${method} ${path}`).toEqual({ action: right, roles: expected });
  }
});

describe.each(SCOPES)("attack 24: with a policy for %s", (scope, held, outcomeOf) => {
  test.each(ROLES)("the role %s is let in at exactly its routes", (role) => {
    const id = `person:${role}`;
    const book = { policies: () => new Map(), holders: () => new Map([[id, held]]) };
    const person = createPrincipal(book, { id, name: role }, [{ id, role }]);
    const decide = (right: RouteRight, isForAgent: boolean): string => {
      const at = Date.parse("2026-03-01T00:00:00.000Z");
      const entered = authorize(person, { kind: "enter", address: "127.0.0.1", at });
      const named = { name: AGENT, tags: [] };
      const decision = entered.allowed
        ? authorize(person, isForAgent ? { kind: right, agent: named } : { kind: right })
        : entered;
      return decision.allowed ? "let in" : decision.code;
    };
    const asked = [
      ...ROUTE_RIGHTS.map((right) => ({ right, isForAgent: false })),
      ...listRoutes().flatMap(({ right, isForAgent }) =>
        right === "anybody" ? [] : [{ right, isForAgent }],
      ),
    ];
    for (const { right, isForAgent } of asked) {
      const doors = outcomeOf(right, isForAgent);
      const isHeld = RIGHTS[role].includes(right);
      // Who is not let in at all is not told what its role may.
      const isOut = doors === "ADDRESS_REFUSED" || doors === "ACCESS_ENDED";
      expect(decide(right, isForAgent), `${role} ${right} ${isForAgent}`).toBe(
        isHeld || isOut ? doors : "FORBIDDEN",
      );
    }
  });

  test.each(Object.keys(KEYS) as (keyof typeof KEYS)[])(
    "a key of role %s is let in at exactly its routes of the hub that runs",
    async (role) => {
      const key = await addKey(role, held);
      for (const route of listRoutes()) {
        const { right, isForAgent } = route;
        if (right === "anybody") {
          expect(await enter(route, key), route.path).toBe(openTo(route));
          continue;
        }
        // A route of one pack also needs a tool of it.
        const lacksPack = scope === "no tool" && route.path.endsWith("approval");
        const doors = lacksPack ? "FORBIDDEN" : outcomeOf(right, isForAgent);
        const isOut = doors === "ADDRESS_REFUSED" || doors === "ACCESS_ENDED";
        // No key has an account.
        const isHeld = right !== "self" && RIGHTS[KEYS[role]].includes(right);
        expect(await enter(route, key), `${role}: ${route.method} ${route.path}`).toBe(
          isHeld || isOut ? doors : "FORBIDDEN",
        );
      }
    },
    60_000,
  );
});

function findAccount(role: PersonRole): Account {
  const account = accounts.get(role);
  if (account === undefined) throw new Error(`expected an account of role ${role}`);
  return account;
}

async function hold(holder: string, held: Policy): Promise<void> {
  const { code } = await hub.ask("PUT", `/policy-holders/${holder}`, { policy: held });
  expect(code).toBe(200);
}

/** What somebody meets at a route whose roles have the rights of `role`, under a policy. */
function expectedAt(
  { right, isForAgent, path }: Route,
  role: PersonRole,
  [scope, , outcomeOf]: (typeof SCOPES)[number],
): string {
  if (right === "anybody") return "let in";
  // A route of one pack also needs a tool of it.
  const lacksPack = scope === "no tool" && path.endsWith("approval");
  const doors = lacksPack ? "FORBIDDEN" : outcomeOf(right, isForAgent);
  const isOut = doors === "ADDRESS_REFUSED" || doors === "ACCESS_ENDED";
  return RIGHTS[role].includes(right) || isOut ? doors : "FORBIDDEN";
}

describe("attack 24: a person who is signed in", () => {
  test.each(PEOPLE)(
    "as %s is let in at exactly the routes of that role, by every policy",
    async (role) => {
      const { id, cookie } = findAccount(role);
      const page = { cookie, host: new URL(origin()).host, origin: origin() };
      for (const scope of SCOPES) {
        await hold(`person:${id}`, scope[1]);
        for (const route of listRoutes()) {
          const said = `${role}, ${scope[0]}: ${route.method} ${route.path}`;
          const got = await enter(route, page);
          // Who may, and has not signed in just now, is asked to do so again.
          const code = got === "SIGN_IN_AGAIN" ? "let in" : got;
          expect(code, said).toBe(expectedAt(route, role, scope));
        }
      }
      await hold(`person:${id}`, {});
    },
    180_000,
  );

  test("is let in at no route that changes something from a page of somebody else", async () => {
    const { cookie } = findAccount("owner");
    const page = { cookie, host: new URL(origin()).host, origin: "https://evil.example" };
    for (const route of listRoutes()) {
      if (route.method === "GET" || route.right === "anybody") continue;
      expect(await enter(route, page), `${route.method} ${route.path}`).toBe("ORIGIN_REFUSED");
    }
  });
});

describe("attack 24: an OAuth client", () => {
  test.each(["owner", "auditor", "member"] as const)(
    "for a person of role %s has that person's routes as far as its scope reaches, and no account",
    async (role) => {
      const { cookie } = findAccount(role);
      const client = createOAuthClient(origin());
      const resource = `${origin()}/api/v1`;
      const reading = await client.connect(cookie, { resource, scope: "api.read" });
      const writing = await client.connect(cookie, { resource, scope: "api.write" });
      const asking = await client.connect(cookie);
      for (const route of listRoutes()) {
        const said = `${role}: ${route.method} ${route.path}`;
        if (route.right === "anybody") continue;
        const isHeld = route.right !== "self" && RIGHTS[role].includes(route.right);
        const full = isHeld ? "let in" : "FORBIDDEN";
        expect(await enter(route, writing.accessToken), said).toBe(full);
        const few = route.method === "GET" ? full : "SCOPE_MISSING";
        expect(await enter(route, reading.accessToken), said).toBe(few);
        expect(await enter(route, asking.accessToken), said).toBe("UNAUTHENTICATED");
      }
    },
    180_000,
  );

  test.each(SCOPES)(
    "with a policy of its own for %s is held by it, whatever its person may",
    async (...scope) => {
      const account = findAccount("owner");
      const client = createOAuthClient(origin());
      const more = { resource: `${origin()}/api/v1`, scope: "api.write" };
      const { accessToken } = await client.connect(account.cookie, more);
      const { answer } = await account.ask("GET", "/me/grants");
      const [newest] = answer["grants"] as { id: string }[];
      await hold(`grant:${newest?.id ?? ""}`, scope[1]);
      for (const route of listRoutes()) {
        if (route.right === "anybody") continue;
        const expected = expectedAt(route, "owner", scope);
        const isOut = expected === "ADDRESS_REFUSED" || expected === "ACCESS_ENDED";
        expect(await enter(route, accessToken), `${route.method} ${route.path}`).toBe(
          route.right === "self" && !isOut ? "FORBIDDEN" : expected,
        );
      }
    },
    60_000,
  );
});

test("attack 24: without a key, no route is open but the document and those of pages on which people get in", async () => {
  for (const route of listRoutes()) {
    const expected = route.right === "anybody" ? openTo(route) : "UNAUTHENTICATED";
    expect(await enter(route, null), `${route.method} ${route.path}`).toBe(expected);
  }
});

const TOOL = "acme__hello_greet";
const OWN = [...FIXED_TOOLS.keys()];

async function addKey(role: keyof typeof KEYS, held: Policy): Promise<string> {
  const policy = { role, agents: "*", probes: "*" };
  const { answer, code } = await hub.ask("POST", "/api-keys", { name: role, policy, held });
  expect(code).toBe(201);
  return String(answer["key"]);
}

async function rpc(key: string, method: string, params: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`http://127.0.0.1:${hub.ready.http}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      ...{ "content-type": "application/json", accept: "application/json, text/event-stream" },
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return (await answer.json()) as Record<string, unknown>;
}

async function listTools(key: string): Promise<string[]> {
  const { result } = (await rpc(key, "tools/list", {})) as {
    result: { tools: { name: string }[] };
  };
  return result.tools.map(({ name }) => name);
}

/** A code of the refusal of a tool for rights; "may" for every other end of the call. */
async function callTool(key: string, name: string): Promise<string> {
  const others = { agent: "web-1", tool: TOOL };
  // Rows of the log have codes of other calls.
  const own = name === "query_audit" ? { event: "log.read" } : others;
  const answer = await rpc(key, "tools/call", {
    name,
    arguments: name === TOOL ? { agent: "web-1" } : own,
  });
  const code = /"code":"(FORBIDDEN|PROBE_UNKNOWN)"/.exec(JSON.stringify(answer))?.[1];
  if (code !== undefined) return code;
  return /Unknown tool|-32602/.test(JSON.stringify(answer)) ? "PROBE_UNKNOWN" : "may";
}

// The agent answers no call, so one that is let in ends as CALL_TIMEOUT.
test.each<[keyof typeof KEYS, string, Policy, string]>([
  ["operator", "no policy", {}, "may"],
  ["operator", "this agent", { agents: { allow: ["web-1"] } }, "may"],
  ["operator", "another agent", { agents: { deny: ["web-1"] } }, "FORBIDDEN"],
  ["operator", "another tool", { tools: { deny: ["acme/hello.**"] } }, "PROBE_UNKNOWN"],
  ["client", "no policy", {}, "may"],
  ["client", "this tool", { tools: { allow: ["acme/hello.greet"] } }, "may"],
  ["client", "another tool", { tools: { allow: ["acme/hello.greets"] } }, "PROBE_UNKNOWN"],
  ["client", "another pack", { packs: { deny: ["acme/hello"] } }, "PROBE_UNKNOWN"],
  ["client", "another agent", { agents: { allow: ["web-2"] } }, "FORBIDDEN"],
  ["auditor", "no policy", {}, "PROBE_UNKNOWN"],
])("attack 24: a key of role %s with a policy for %s has exactly its tools", async (...of) => {
  const [role, , held, outcome] = of;
  const key = await addKey(role, held);
  const isForAll = (held.agents ?? null) === null;
  // Of the hub's own tools only the audit log's needs a right, one of the whole fleet.
  const readsAudit = role !== "client" && isForAll;
  const own = OWN.filter((name) => name !== "query_audit" || readsAudit);
  const listed = await listTools(key);
  expect(listed).toEqual([...own, ...(outcome === "may" ? [TOOL] : [])]);
  expect(await callTool(key, TOOL)).toBe(outcome);
  for (const name of OWN) {
    if (name === "query_audit") {
      expect(await callTool(key, name), name).toBe(readsAudit ? "may" : "FORBIDDEN");
    } else if (["call_tool", "explain"].includes(name)) {
      // They decide about the tool that they resolve to.
      const got = await callTool(key, name);
      expect(got === "may", `${name}: ${got}`).toBe(outcome === "may");
    }
  }
});
