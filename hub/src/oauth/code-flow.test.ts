import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Browser, CALLBACK, createOAuthClient, createPkce } from "../testing/oauth-client.ts";
import { type Account, joinHub } from "../testing/sign-in.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

let hub: TestHub;
let owner: Account;
let origin: string;
let client: ReturnType<typeof createOAuthClient>;

beforeAll(async () => {
  hub = await startHub();
  owner = await joinHub(hub, hub.ready.ownerLink ?? "", "owner");
  origin = `http://localhost:${hub.ready.http}`;
  client = createOAuthClient(origin);
});
afterAll(() => hub.close());

/** Asks `/mcp` for the list of tools. */
async function listTools(token: string, headers: Record<string, string> = {}) {
  const response = await fetch(`${origin}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

const json = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(`${origin}${path}`, { headers });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};

describe("what a client finds", () => {
  test("a request without a token is told where the metadata is, and the scope", async () => {
    for (const [path, host] of [
      ["/mcp", origin],
      ["/mcp/", origin],
      ["/mcp", `http://127.0.0.1:${hub.ready.http}`],
    ] as const) {
      const { status, headers } = await fetch(`${host}${path}`, { method: "POST" });
      expect(status).toBe(401);
      expect(headers.get("www-authenticate")).toBe(
        `Bearer realm="sonde", scope="observe", resource_metadata="${host}/.well-known/oauth-protected-resource/mcp"`,
      );
    }
  });

  test("the resource's metadata is at both places and names the address by which it was asked", async () => {
    for (const path of ["", "/mcp"]) {
      const { body } = await json(`/.well-known/oauth-protected-resource${path}`);
      expect(body).toMatchObject({
        resource: `${origin}/mcp`,
        authorization_servers: [origin],
        scopes_supported: ["observe", "interact", "manage"],
        bearer_methods_supported: ["header"],
      });
    }
    const other = `http://127.0.0.1:${hub.ready.http}`;
    const asked = await fetch(`${other}/.well-known/oauth-protected-resource/mcp`);
    expect(await asked.json()).toMatchObject({
      resource: `${other}/mcp`,
      authorization_servers: [origin],
    });
    const { body } = await json("/.well-known/oauth-protected-resource/api/v1");
    expect(body).toMatchObject({ resource: `${origin}/api/v1` });
  });

  test("attack 27: the server's metadata has S256 only, public clients, and no address of a request", async () => {
    const { body } = await json("/.well-known/oauth-authorization-server");
    expect(body).toMatchObject({
      issuer: origin,
      authorization_endpoint: `${origin}/oauth/authorize`,
      token_endpoint: `${origin}/oauth/token`,
      registration_endpoint: `${origin}/oauth/register`,
      code_challenge_methods_supported: ["S256"],
      token_endpoint_auth_methods_supported: ["none"],
      response_types_supported: ["code"],
      authorization_response_iss_parameter_supported: true,
      client_id_metadata_document_supported: true,
    });
    const port = hub.ready.http;
    const asked = await fetch(`http://127.0.0.1:${port}/.well-known/oauth-authorization-server`);
    expect(await asked.json()).toMatchObject({ issuer: origin });
  });
});

describe("a person who lets a client in", () => {
  test("sees where the code goes, and the client gets tokens that work at this hub", async () => {
    const clientId = await client.terminal();
    const browser = new Browser(owner.cookie);
    const { verifier, challenge } = createPkce();
    const page = await client.openConsent(browser, client.authorizeUrl(clientId, challenge));
    expect(page.html).toContain('<p class="client">127.0.0.1:4999</p>');
    expect(page.html).toContain("Nobody has checked that name");
    const back = await client.decide(browser, page);
    expect(`${back.origin}${back.pathname}`).toBe(CALLBACK);
    expect(back.searchParams.get("state")).toBe("the-state");
    // RFC 9207: a client can tell from which server the answer is.
    expect(back.searchParams.get("iss")).toBe(origin);
    const code = back.searchParams.get("code") ?? "";
    const { body } = await client.exchange({ client_id: clientId, code, code_verifier: verifier });
    expect(body).toMatchObject({ token_type: "Bearer", scope: "observe" });
    expect(body["access_token"]).toMatch(/^sonde_at_[A-Za-z0-9_-]{43}$/);
    expect(body["refresh_token"]).toMatch(/^sonde_rt_[A-Za-z0-9_-]{43}$/);
    expect(body["expires_in"]).toBeLessThanOrEqual(600);
    const { status, text } = await listTools(String(body["access_token"]));
    expect(status, text).toBe(200);
    expect(text).toContain("list_agents");
  });

  test("who is not signed in signs in first, and comes back to the request", async () => {
    const browser = new Browser();
    const clientId = await client.terminal();
    const { challenge } = createPkce();
    const { url } = await browser.follow(client.authorizeUrl(clientId, challenge));
    expect(url.pathname).toBe("/login");
    expect(url.searchParams.get("next")).toMatch(/^\/oauth\/consent\/[A-Za-z0-9_-]+$/);
  });

  test("who refuses sends the client away with access_denied and no code", async () => {
    const clientId = await client.terminal();
    const browser = new Browser(owner.cookie);
    const { challenge } = createPkce();
    const page = await client.openConsent(browser, client.authorizeUrl(clientId, challenge));
    const back = await client.decide(browser, page, { decision: "deny" });
    expect(back.searchParams.get("error")).toBe("access_denied");
    expect(back.searchParams.get("iss")).toBe(origin);
    expect(back.searchParams.get("code")).toBe(null);
  });

  test("may narrow it to agents by name and tag, and is shown that choice the next time", async () => {
    const clientId = await client.terminal();
    const browser = new Browser(owner.cookie);
    const { verifier, challenge } = createPkce();
    const url = client.authorizeUrl(clientId, challenge, { scope: "observe interact manage" });
    const page = await client.openConsent(browser, url);
    expect(page.html).toContain(`name="agents.${hub.agent.name}"`);
    const back = await client.decide(browser, page, {
      ...{ decision: "allow", level: "interact", agents: "some", more: "role=none" },
    });
    const code = back.searchParams.get("code") ?? "";
    const { body } = await client.exchange({ client_id: clientId, code, code_verifier: verifier });
    expect(body["scope"]).toBe("observe interact");
    const { text } = await call(String(body["access_token"]), "list_agents");
    expect(text).not.toContain(hub.agent.name);
    const again = await client.openConsent(new Browser(owner.cookie), url);
    expect(again.html).toContain('value="role=none"');
    expect(again.html).toMatch(/value="interact" required checked/);
  });

  test("attack 16: no token, code or ticket is in the database, and a restart keeps them", async () => {
    const { accessToken, refreshToken, clientId, code } = await client.connect(owner.cookie);
    const { sql, ...database } = await hub.openDatabase();
    const rows = await sql`select row_to_json(i)::text as row from oauth_items i`;
    await database.close();
    const dump = JSON.stringify(rows);
    expect(rows.length).toBeGreaterThan(0);
    for (const secret of [accessToken, refreshToken, code]) expect(dump).not.toContain(secret);
    await hub.restart();
    expect((await listTools(accessToken)).status).toBe(200);
    expect((await client.refresh(clientId, refreshToken)).status).toBe(200);
  });

  test("attack 30: a token is for one resource, and REST is another one", async () => {
    const forMcp = await client.connect(owner.cookie);
    expect(await hub.ask("GET", "/agents", undefined, forMcp.accessToken)).toMatchObject({
      code: "UNAUTHENTICATED",
    });
    const forApi = await client.connect(owner.cookie, {
      ...{ resource: `${origin}/api/v1`, scope: "api.read" },
    });
    expect((await listTools(forApi.accessToken)).status).toBe(401);
    expect(await hub.ask("GET", "/agents", undefined, forApi.accessToken)).toMatchObject({
      code: 200,
    });
  });

  test("a token that lacks a scope is told which one to ask for", async () => {
    const { accessToken } = await client.connect(owner.cookie, {
      ...{ resource: `${origin}/api/v1`, scope: "api.read" },
    });
    const response = await fetch(`${origin}/api/v1/enrolment-tokens`, {
      method: "POST",
      headers: { authorization: `Bearer ${accessToken}`, "content-type": "application/json" },
      body: "{}",
    });
    expect(response.status).toBe(403);
    expect(response.headers.get("www-authenticate")).toBe(
      `Bearer realm="sonde", error="insufficient_scope", scope="api.read api.write", resource_metadata="${origin}/.well-known/oauth-protected-resource/api/v1"`,
    );
  });
});

async function call(token: string, name: string) {
  const response = await fetch(`${origin}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name, arguments: {} },
    }),
  });
  return { status: response.status, text: await response.text() };
}
