import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Browser, CALLBACK, createOAuthClient, createPkce } from "../testing/oauth-client.ts";
import { type Account, joinHub } from "../testing/sign-in.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

// The chapters of RFC 9700 that apply to a server without implicit grants, cookies of clients and
// shared secrets of clients.
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

const works = async (token: string): Promise<boolean> => {
  const { status } = await fetch(`${origin}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
  });
  return status === 200;
};

/** A code that nobody exchanged yet. */
async function obtainCode(more: Record<string, string | null> = {}) {
  const clientId = await client.terminal();
  const browser = new Browser(owner.cookie);
  const { verifier, challenge } = createPkce();
  const page = await client.openConsent(browser, client.authorizeUrl(clientId, challenge, more));
  const back = await client.decide(browser, page);
  const code = back.searchParams.get("code") ?? "";
  return { client_id: clientId, code, code_verifier: verifier };
}

async function readEndings(): Promise<{ because: string; status: string; code: string | null }[]> {
  const { sql, ...database } = await hub.openDatabase();
  const rows = await sql<{ record: string }[]>`
    select record from audit_log where event = 'grant.ended' order by seq`;
  await database.close();
  return rows.map(({ record }) => {
    const { detail, status, code } = JSON.parse(record) as {
      detail: { because: string };
      status: string;
      code: string | null;
    };
    return { because: detail.because, status, code };
  });
}

describe("a code", () => {
  test("attack 26: used twice, ends the tokens that were made of it, and is recorded", async () => {
    const { clientId, code, verifier, accessToken, refreshToken } = await client.connect(
      owner.cookie,
    );
    expect(await works(accessToken)).toBe(true);
    const again = await client.exchange({ client_id: clientId, code, code_verifier: verifier });
    expect(again).toMatchObject({ status: 400, body: { error: "invalid_grant" } });
    expect(await works(accessToken)).toBe(false);
    expect((await client.refresh(clientId, refreshToken)).body["error"]).toBe("invalid_grant");
    expect((await readEndings()).at(-1)).toEqual({
      ...{ because: "token-reused", status: "denied", code: "TOKEN_REUSED" },
    });
  });

  test("attack 26: used twice at once, gives tokens that work to nobody or to one", async () => {
    const form = await obtainCode();
    const answers = await Promise.all([1, 2, 3].map(() => client.exchange(form)));
    const won = answers.filter(({ status }) => status === 200);
    expect(won.length).toBeLessThanOrEqual(1);
    for (const { body } of won) expect(await works(String(body["access_token"]))).toBe(false);
  });

  test.each([
    ["of another client", { client_id: "other" }],
    ["to another address", { redirect_uri: "http://127.0.0.1:5000/callback" }],
    ["with another verifier", { code_verifier: "x".repeat(43) }],
    ["for another resource", { resource: "https://other.example/mcp" }],
  ])("attack 26: is refused %s", async (_what, change) => {
    const form = await obtainCode();
    if ("client_id" in change) change.client_id = await client.registerTerminal();
    const { status, body } = await client.exchange({ ...form, ...change });
    expect([status, body["access_token"]]).toEqual([400, undefined]);
    expect(["invalid_grant", "invalid_target"]).toContain(body["error"]);
  });

  test("attack 27: is refused without its verifier", async () => {
    const { code_verifier: _verifier, ...form } = await obtainCode();
    expect((await client.exchange(form)).body["error"]).toBe("invalid_grant");
  });
});

describe("a request", () => {
  test.each([
    ["without a challenge", { code_challenge: null, code_challenge_method: null }],
    ["with a plain challenge", { code_challenge_method: "plain" }],
    ["with a challenge of no method", { code_challenge_method: null }],
  ])("attack 27: %s is refused, and the client is told", async (_what, more) => {
    const clientId = await client.terminal();
    const { challenge } = createPkce();
    const browser = new Browser(owner.cookie);
    const { url } = await browser.follow(client.authorizeUrl(clientId, challenge, more));
    expect(`${url.origin}${url.pathname}`).toBe(CALLBACK);
    expect(url.searchParams.get("error")).toBe("invalid_request");
    // Attack 26 (mix-up, RFC 9207): errors name the server too.
    expect(url.searchParams.get("iss")).toBe(origin);
  });

  test.each([
    "http://127.0.0.1:4999/callback/../callback",
    "http://127.0.0.1:4999/callback?x=1",
    "http://127.0.0.1:4999/callback#x",
    "http://127.0.0.1:4999/Callback",
    "http://user@127.0.0.1:4999/callback",
    "http://127.0.0.1.evil.example/callback",
    "http://evil.example/callback",
    "https://evil.example/callback",
    "javascript:alert(1)//callback",
    "//evil.example/callback",
    "",
  ])("attack 28: for the address %j goes nowhere (no open redirector)", async (redirect) => {
    const clientId = await client.terminal();
    const { challenge } = createPkce();
    const url = client.authorizeUrl(clientId, challenge, { redirect_uri: redirect });
    const response = await new Browser(owner.cookie).get(url);
    expect(response.status).toBe(400);
    expect(response.headers.get("location")).toBe(null);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  test("attack 28: may come from another port on loopback, as programs of a terminal do", async () => {
    const form = await obtainCode({ redirect_uri: "http://127.0.0.1:5001/callback" });
    const exchanged = { ...form, redirect_uri: "http://127.0.0.1:5001/callback" };
    expect((await client.exchange(exchanged)).status).toBe(200);
  });

  test("of a client that is gone is refused, and its tokens with 401 invalid_client", async () => {
    const id = await client.registerTerminal();
    const { clientId, refreshToken } = await client.connect(owner.cookie, {}, id);
    const removed = await hub.ask("DELETE", `/oauth/clients/${clientId}`, undefined);
    expect(removed.code).toBe(200);
    expect(await client.refresh(clientId, refreshToken)).toMatchObject({
      ...{ status: 401, body: { error: "invalid_client" } },
    });
    const url = client.authorizeUrl(clientId, createPkce().challenge);
    expect((await new Browser(owner.cookie).get(url)).status).toBe(400);
  });

  test("for another resource than this hub's is refused", async () => {
    const clientId = await client.terminal();
    const more = { resource: "https://other.example/mcp" };
    const { url } = await new Browser(owner.cookie).follow(
      client.authorizeUrl(clientId, createPkce().challenge, more),
    );
    expect(url.searchParams.get("error")).toBe("invalid_target");
  });

  test("attack 32: no header of it changes where anything is", async () => {
    const clientId = await client.terminal();
    const url = client.authorizeUrl(clientId, createPkce().challenge);
    const browser = new Browser(owner.cookie);
    const response = await browser.get(url, {
      "x-forwarded-host": "evil.example",
      "x-forwarded-proto": "https",
      forwarded: "host=evil.example",
    });
    const text = `${response.headers.get("location")} ${response.headers.getSetCookie().join()}`;
    expect(response.status).toBe(303);
    expect(text).not.toContain("evil.example");
    expect(text).not.toContain("https");
    // Nor where the person's decision leads.
    const page = await client.openConsent(
      browser,
      new URL(response.headers.get("location") ?? "", origin),
    );
    const decided = await browser.post(page.at, { ticket: page.ticket, decision: "refuse" });
    expect(decided.headers.get("location")).toMatch(`${origin}/`);
  });
});

describe("a refresh token", () => {
  test("attack 29: rotates, and an old one ends the whole family", async () => {
    const first = await client.connect(owner.cookie);
    const second = await client.refresh(first.clientId, first.refreshToken);
    expect(second.body["refresh_token"]).not.toBe(first.refreshToken);
    const { sql, ...database } = await hub.openDatabase();
    // Twenty seconds later.
    await sql`update oauth_items set consumed_at = consumed_at - interval '20 seconds'
      where consumed_at is not null`;
    await database.close();
    expect((await client.refresh(first.clientId, first.refreshToken)).body["error"]).toBe(
      "invalid_grant",
    );
    expect(await works(String(second.body["access_token"]))).toBe(false);
    const third = await client.refresh(first.clientId, String(second.body["refresh_token"]));
    expect(third.body["error"]).toBe("invalid_grant");
    expect((await readEndings()).at(-1)).toEqual({
      ...{ because: "token-reused", status: "denied", code: "TOKEN_REUSED" },
    });
  });

  test("attack 29: of two requests at once one wins, and the family goes on", async () => {
    const { clientId, refreshToken } = await client.connect(owner.cookie);
    const answers = await Promise.all(
      [1, 2, 3, 4].map(() => client.refresh(clientId, refreshToken)),
    );
    const won = answers.filter(({ status }) => status === 200);
    expect(won.length).toBe(1);
    for (const { status, body } of answers) {
      if (status !== 200) expect(body["error"]).toBe("invalid_grant");
    }
    const next = String(won[0]?.body["refresh_token"]);
    expect((await client.refresh(clientId, next)).status).toBe(200);
  });

  test("is refused for another client and for more scopes", async () => {
    const { clientId, refreshToken } = await client.connect(owner.cookie);
    const other = await client.registerTerminal();
    expect((await client.refresh(other, refreshToken)).body["error"]).toBe("invalid_grant");
    const more = await client.postForm("/oauth/token", {
      ...{ grant_type: "refresh_token", client_id: clientId, refresh_token: refreshToken },
      scope: "observe manage",
    });
    expect(more.body["error"]).toBe("invalid_scope");
  });
});

describe("attack 30: at /mcp", () => {
  test("only an access token in force counts, and not a day longer", async () => {
    const { accessToken, refreshToken, code } = await client.connect(owner.cookie);
    for (const token of [
      ...[
        refreshToken,
        code,
        accessToken.slice(0, -1),
        `${accessToken}x`,
        accessToken.toUpperCase(),
      ],
      ...["sonde_at_", `sonde_at_${"A".repeat(43)}`, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."],
    ]) {
      expect(await works(token), token).toBe(false);
    }
    expect(await works(accessToken)).toBe(true);
    const { sql, ...database } = await hub.openDatabase();
    await sql`update oauth_items set expires_at = now() where model = 'AccessToken'`;
    await database.close();
    // The hub remembers a token for five seconds at the most.
    await expect.poll(() => works(accessToken), { timeout: 50_000 }).toBe(false);
  });

  test("attack 39: a token in the address is nobody's", async () => {
    const { accessToken } = await client.connect(owner.cookie);
    const { status } = await fetch(`${origin}/mcp?access_token=${accessToken}`, { method: "POST" });
    expect(status).toBe(400);
  });
});

describe("attack 38: the consent page", () => {
  const open = async () => {
    const clientId = await client.terminal();
    const browser = new Browser(owner.cookie);
    const url = client.authorizeUrl(clientId, createPkce().challenge);
    return { browser, page: await client.openConsent(browser, url) };
  };
  const allow = { decision: "allow", level: "observe", agents: "all" };

  test("cannot be framed, has no script, and is kept by nobody", async () => {
    const { page } = await open();
    const policy = page.response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    expect(page.response.headers.get("x-frame-options")).toBe("DENY");
    expect(page.response.headers.get("cache-control")).toBe("no-store");
    expect(page.html).not.toMatch(/<script|style=|onclick/);
  });

  test("takes no form of another page", async () => {
    const { browser, page } = await open();
    const form = { ...allow, ticket: page.ticket };
    for (const headers of [
      { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
      { origin: "http://localhost:1", "sec-fetch-site": "same-site" },
      { origin, "sec-fetch-site": "same-site" },
      { origin: "null" },
      {},
    ] as Record<string, string>[]) {
      expect((await browser.post(page.at, form, headers)).status).toBe(403);
    }
  });

  test("takes no form without its ticket, or with that of another request, person or browser", async () => {
    const { browser, page } = await open();
    const other = await open();
    for (const ticket of ["", "x", other.page.ticket]) {
      expect((await browser.post(page.at, { ...allow, ticket })).status).toBe(403);
    }
    // Another browser of the same person has not begun the request.
    const stranger = new Browser(owner.cookie);
    expect((await stranger.post(page.at, { ...allow, ticket: page.ticket })).status).toBe(404);
    const { answer } = await owner.ask("POST", "/people/invitations", { role: "member" });
    const member = await joinHub(hub, String(answer["link"]), `member-${Date.now()}`);
    const sessionOf = (cookie: string) => /(?:^|; )sonde=([^;]*)/.exec(cookie)?.[1] ?? "";
    browser.setCookie("sonde", sessionOf(member.cookie));
    expect((await browser.post(page.at, { ...allow, ticket: page.ticket })).status).toBe(403);
  });

  test("gives no more than was asked for", async () => {
    const { browser, page } = await open();
    const form = { ...allow, level: "manage", ticket: page.ticket };
    const answer = await browser.post(page.at, form);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain("BAD_REQUEST");
  });

  test("shows a client's name as text", async () => {
    const { body } = await client.register({
      client_name: `<img src=x onerror=alert(1)>"'\u202e claude.ai`,
      redirect_uris: [CALLBACK],
    });
    const url = client.authorizeUrl(String(body["client_id"]), createPkce().challenge);
    const page = await client.openConsent(new Browser(owner.cookie), url);
    expect(page.html).toContain("&lt;img src=x onerror=alert(1)&gt;&quot;&#39; claude.ai");
    expect(page.html).not.toContain("<img");
  });
});

describe("what a browser is told", () => {
  const request = async (more: Record<string, string | null> = {}) => {
    const clientId = await client.terminal();
    return client.authorizeUrl(clientId, createPkce().challenge, more);
  };

  // RFC 9700, 4.2.
  test("no page of a request tells another host its address, or loads anything of one", async () => {
    const signedIn = await client.openConsent(new Browser(owner.cookie), await request());
    const stranger = await new Browser().follow(await request());
    const refused = await new Browser().get(
      await request({ redirect_uri: "https://evil.example" }),
    );
    const pages = [
      { response: signedIn.response, html: signedIn.html },
      { response: stranger.response, html: await stranger.response.text() },
      { response: refused, html: await refused.text() },
    ];
    for (const { response, html } of pages) {
      expect(response.headers.get("referrer-policy")).toMatch(/^(same-origin|no-referrer)$/);
      expect(html).toContain("<main");
      expect(html).not.toMatch(/(?:src|href|action)="(?:https?:)?\/\//);
    }
  });

  // RFC 9700, 4.3.
  test("attack 26: a code that a browser kept is over after a minute, and no answer is kept", async () => {
    const form = await obtainCode();
    const { sql, ...database } = await hub.openDatabase();
    const [row] = await sql<{ seconds: number }[]>`
      update oauth_items set payload = payload || jsonb_build_object('exp', (payload->>'iat')::int)
      where model = 'AuthorizationCode' and consumed_at is null
        and payload->>'codeChallenge' is not null
      returning (select (i.payload->>'exp')::int - (i.payload->>'iat')::int
        from oauth_items i where i.id_sha256 = oauth_items.id_sha256) as seconds`;
    await database.close();
    expect(row?.seconds).toBe(60);
    expect((await client.exchange(form)).body["error"]).toBe("invalid_grant");
    const redirect = await new Browser(owner.cookie).get(await request());
    expect(redirect.headers.get("cache-control")).toBe("no-store");
  });

  // RFC 9700, 4.12: with 307 the browser would send the form on to the client.
  test("what a person typed or pressed is sent on to nobody: each answer is 303", async () => {
    const browser = new Browser(owner.cookie);
    const page = await client.openConsent(browser, await request());
    const form = { decision: "allow", level: "observe", agents: "all", ticket: page.ticket };
    const decided = await browser.post(page.at, form);
    expect(decided.status).toBe(303);
    const back = await browser.get(new URL(decided.headers.get("location") ?? "", page.at));
    expect(back.status).toBe(303);
    expect(back.headers.get("location")).toContain(`${CALLBACK}?code=`);
    const signIn = { name: "ada", password: "not hers", code: "000000", next: "/" };
    const refused = await new Browser().post(`${origin}/login`, signIn);
    expect([refused.status, refused.headers.get("location")]).toEqual([401, null]);
  });

  // RFC 9700, 4.6 and 4.17.
  test.each([
    ["a token in the address", { response_type: "token" }],
    ["a code and a token", { response_type: "code token" }],
    ["a message to the window that opened it", { response_mode: "web_message" }],
  ])("attack 26: %s is not to be had", async (_what, more) => {
    const { url } = await new Browser(owner.cookie).follow(await request(more));
    expect(url.href).toMatch(/error=unsupported_response_(type|mode)/);
    expect(url.href).not.toMatch(/access_token|[?&#]code=/);
  });
});

// RFC 9700, 4.15 and 2.4.
test.each(["client_credentials", "password", "urn:ietf:params:oauth:grant-type:token-exchange"])(
  "attack 30: no client gets a token without a person, by %s",
  async (type) => {
    const clientId = await client.terminal();
    const { status, body } = await client.postForm("/oauth/token", {
      ...{ grant_type: type, client_id: clientId, scope: "observe", resource: `${origin}/mcp` },
      ...{ username: owner.name, password: owner.password },
    });
    expect([status, body["error"]]).toEqual([400, "unsupported_grant_type"]);
  },
);

describe("registration", () => {
  // RFC 9700, 4.15: else a client could have the id of a person.
  test("attack 30: gives an id of the hub's own choice, also to who asks for another", async () => {
    const { body } = await client.register({
      ...{ client_id: owner.id, client_name: "x", redirect_uris: [CALLBACK] },
    });
    expect(body["client_id"]).toMatch(/^[A-Za-z0-9_-]{20,}$/);
    expect(body["client_id"]).not.toBe(owner.id);
  });

  test.each([
    ["an address of a stranger", { redirect_uris: ["https://evil.example/callback"] }],
    ["a script as its address", { redirect_uris: ["javascript:alert(1)"] }],
    ["no address", { redirect_uris: [] }],
    ["a secret", { redirect_uris: [CALLBACK], token_endpoint_auth_method: "client_secret_post" }],
    ["tokens in the address", { redirect_uris: [CALLBACK], response_types: ["token"] }],
  ])("attack 28: with %s is refused", async (_what, metadata) => {
    const { status, body } = await client.register({ client_name: "x", ...metadata });
    expect(status).toBe(400);
    expect(body["error"]).toMatch(/^invalid_/);
  });

  test("is bounded", async () => {
    const { sql, ...database } = await hub.openDatabase();
    await sql`insert into oauth_clients (id, metadata, registered_at, registered_from)
      select 'flood-' || i, '{}', now(), '127.0.0.1' from generate_series(1, 30) i`;
    const refused = await client.register({ client_name: "x", redirect_uris: [CALLBACK] });
    expect(refused).toMatchObject({ status: 400, body: { error: "temporarily_unavailable" } });
    await sql`delete from oauth_clients where id like 'flood-%'`;
    await database.close();
  });
});
