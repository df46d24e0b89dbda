import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Browser, createOAuthClient, createPkce } from "../testing/oauth-client.ts";
import { type Account, makeOwner } from "../testing/sign-in.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

// Two hubs on one database behind one address, as a load balancer has them. A client does not know
// which of them answers.

let hub: TestHub;
let front: Front;
let owner: Account;
let client: ReturnType<typeof createOAuthClient>;
/** The ports of both. */
let ports: [number, number];

beforeAll(async () => {
  front = await startFront();
  hub = await startHub(undefined, { publicUrl: front.origin });
  ports = [hub.ready.http, await hub.startSecond()];
  front.to(ports[0]);
  owner = await makeOwner(hub);
  client = createOAuthClient(front.origin);
});
afterAll(async () => {
  front?.close();
  await hub?.close();
});

type Front = { origin: string; to(port: number): void; close(): void };

/** Passes each request on to the hub that it was last told, as it came. */
async function startFront(): Promise<Front> {
  let port = 0;
  const server: Server = createServer((asked, answer) => {
    const { method, url, headers } = asked;
    const passed = request(
      { host: "127.0.0.1", port, method, path: url, headers, agent: false },
      (response) => {
        answer.writeHead(response.statusCode ?? 502, response.rawHeaders);
        response.pipe(answer);
      },
    );
    passed.on("error", () => answer.destroy());
    asked.pipe(passed);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    to(next) {
      port = next;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Opens the stream of a client of the 2025 revisions at one hub. */
async function openStream(port: number, token: string) {
  const asked = request(`http://localhost:${port}/mcp`, {
    agent: false,
    headers: { authorization: `Bearer ${token}`, accept: "text/event-stream" },
  });
  asked.on("error", () => undefined).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const ended = once(response.resume(), "end");
  return { status: response.statusCode, ended };
}

const statuses = async (token: string): Promise<(number | undefined)[]> => {
  const found = [];
  for (const port of ports) {
    const { status } = await fetch(`http://localhost:${port}/mcp`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
    });
    found.push(status);
  }
  return found;
};

const newestGrant = async (): Promise<string> => {
  const { answer } = await owner.ask("GET", "/me/grants");
  const [newest] = answer["grants"] as { id: string }[];
  return newest?.id ?? "";
};

async function readEnding(): Promise<{ because: string; code: string | null }> {
  const { sql, ...database } = await hub.openDatabase();
  const [row] = await sql<{ record: string }[]>`
    select record from audit_log where event = 'grant.ended' order by seq desc limit 1`;
  await database.close();
  const { detail, code } = JSON.parse(row?.record ?? "{}") as {
    detail: { because: string };
    code: string | null;
  };
  return { because: detail.because, code };
}

test("a request that begins at one hub is decided at the other, and its code counts at both", async () => {
  const clientId = await client.terminal();
  const browser = new Browser(owner.cookie);
  const { verifier, challenge } = createPkce();
  front.to(ports[0]);
  const page = await client.openConsent(browser, client.authorizeUrl(clientId, challenge));
  front.to(ports[1]);
  const back = await client.decide(browser, page);
  front.to(ports[0]);
  const code = back.searchParams.get("code") ?? "";
  const { body } = await client.exchange({ client_id: clientId, code, code_verifier: verifier });
  expect(await statuses(String(body["access_token"]))).toEqual([200, 200]);
  front.to(ports[1]);
  const next = await client.refresh(clientId, String(body["refresh_token"]));
  expect(await statuses(String(next.body["access_token"]))).toEqual([200, 200]);
});

test("a grant that ends at one hub is refused at the other at once, and its open stream there ends", async () => {
  front.to(ports[0]);
  const { accessToken, refreshToken, clientId } = await client.connect(owner.cookie);
  // Both hubs know the token now.
  expect(await statuses(accessToken)).toEqual([200, 200]);
  const streams = await Promise.all(ports.map((port) => openStream(port, accessToken)));
  expect(streams.map(({ status }) => status)).toEqual([200, 200]);
  expect((await owner.ask("DELETE", `/me/grants/${await newestGrant()}`)).code).toBe(200);
  await Promise.all(streams.map(({ ended }) => ended));
  expect(await statuses(accessToken)).toEqual([401, 401]);
  front.to(ports[1]);
  expect((await client.refresh(clientId, refreshToken)).body["error"]).toBe("invalid_grant");
});

test("attack 29: an old refresh token at the second hub ends the family at both", async () => {
  front.to(ports[0]);
  const { clientId, refreshToken } = await client.connect(owner.cookie);
  const { body } = await client.refresh(clientId, refreshToken);
  const accessToken = String(body["access_token"]);
  expect(await statuses(accessToken)).toEqual([200, 200]);
  const stream = await openStream(ports[0], accessToken);
  const { sql, ...database } = await hub.openDatabase();
  // Twenty seconds later.
  await sql`update oauth_items set consumed_at = consumed_at - interval '20 seconds'
    where consumed_at is not null`;
  await database.close();
  front.to(ports[1]);
  expect((await client.refresh(clientId, refreshToken)).body["error"]).toBe("invalid_grant");
  await stream.ended;
  expect(await statuses(accessToken)).toEqual([401, 401]);
  const own = await client.refresh(clientId, String(body["refresh_token"]));
  expect(own.body["error"]).toBe("invalid_grant");
  expect(await readEnding()).toEqual({ because: "token-reused", code: "TOKEN_REUSED" });
});

test("attack 29: of a refresh token that comes to both hubs at once, one use counts", async () => {
  const { clientId, refreshToken } = await client.connect(owner.cookie);
  const hubs = [...ports, ...ports].map((port) => createOAuthClient(`http://localhost:${port}`));
  let current = refreshToken;
  for (let round = 0; round < 5; round += 1) {
    const answers = await Promise.all(hubs.map((one) => one.refresh(clientId, current)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 400, 400, 400]);
    const won = answers.find(({ status }) => status === 200);
    current = String(won?.body["refresh_token"]);
  }
});

test("attack 26: a code that was used at one hub ends its tokens when it is used at the other", async () => {
  front.to(ports[0]);
  const { clientId, code, verifier, accessToken } = await client.connect(owner.cookie);
  expect(await statuses(accessToken)).toEqual([200, 200]);
  front.to(ports[1]);
  const again = await client.exchange({ client_id: clientId, code, code_verifier: verifier });
  expect(again.body["error"]).toBe("invalid_grant");
  await expect.poll(() => statuses(accessToken)).toEqual([401, 401]);
  expect(await readEnding()).toEqual({ because: "token-reused", code: "TOKEN_REUSED" });
});
