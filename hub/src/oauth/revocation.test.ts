import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createOAuthClient } from "../testing/oauth-client.ts";
import { type Account, invite, makeOwner } from "../testing/sign-in.ts";
import { startHub, type TestHub } from "../testing/start-hub.ts";

let hub: TestHub;
let owner: Account;
let client: ReturnType<typeof createOAuthClient>;

beforeAll(async () => {
  hub = await startHub();
  owner = await makeOwner(hub);
  client = createOAuthClient(`http://localhost:${hub.ready.http}`);
});
afterAll(() => hub.close());

/** Opens the stream of a client of the 2025 revisions. */
async function openStream(token: string): Promise<IncomingMessage> {
  const asked = request(`http://localhost:${hub.ready.http}/mcp`, {
    agent: false,
    headers: { authorization: `Bearer ${token}`, accept: "text/event-stream" },
  });
  asked.on("error", () => undefined).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  return response;
}

type Grants = { id: string; endedAt: string | null; endedBecause: string | null; client: object }[];
const listOf = (answer: Record<string, unknown>) => answer["grants"] as Grants;

/** Connects a client of a person, and opens its stream. */
async function connect(person: Account) {
  const tokens = await client.connect(person.cookie);
  const stream = await openStream(tokens.accessToken);
  expect(stream.statusCode).toBe(200);
  stream.resume();
  const { answer } = await person.ask("GET", "/me/grants");
  const [newest] = listOf(answer);
  return { ...tokens, ended: once(stream, "end"), id: newest?.id ?? "" };
}

const isRefused = async ({
  accessToken,
  refreshToken,
  clientId,
}: Awaited<ReturnType<typeof connect>>) => {
  const again = await openStream(accessToken);
  again.resume();
  const refreshed = await client.refresh(clientId, refreshToken);
  return [again.statusCode, refreshed.body["error"]];
};

test("a person sees what they granted, ends it, and the open stream ends with it", async () => {
  const connected = await connect(owner);
  const { answer } = await owner.ask("GET", "/me/grants");
  expect(listOf(answer)[0]).toMatchObject({
    ...{ id: connected.id, scopes: ["observe"], agents: "*", endedAt: null },
    client: { id: connected.clientId, name: "Terminal", host: "127.0.0.1:4999" },
    person: { id: owner.id, name: owner.name },
  });
  const ended = await owner.ask("DELETE", `/me/grants/${connected.id}`);
  expect(ended.code).toBe(200);
  expect(listOf(ended.answer)[0]).toMatchObject({ endedBecause: "revoked-by-person" });
  await connected.ended;
  expect(await isRefused(connected)).toEqual([401, "invalid_grant"]);
  expect((await owner.ask("DELETE", `/me/grants/${connected.id}`)).code).toBe("NOT_FOUND");
});

test("nobody ends what another person granted, but an admin does", async () => {
  const member = await invite(hub, owner, "member", "grace");
  const connected = await connect(member);
  const other = await invite(hub, owner, "member", "alan");
  expect((await other.ask("DELETE", `/me/grants/${connected.id}`)).code).toBe("NOT_FOUND");
  expect((await other.ask("GET", "/oauth/grants")).code).toBe("FORBIDDEN");
  expect((await other.ask("DELETE", `/oauth/grants/${connected.id}`)).code).toBe("FORBIDDEN");
  expect((await owner.ask("DELETE", `/oauth/grants/${connected.id}`)).code).toBe(200);
  await connected.ended;
  expect(await isRefused(connected)).toEqual([401, "invalid_grant"]);
});

test("a client ends its own by either token, and no other client does (RFC 7009)", async () => {
  for (const which of ["accessToken", "refreshToken"] as const) {
    const connected = await connect(owner);
    const stranger = await client.registerTerminal();
    expect((await client.revoke(stranger, connected[which])).status).toBe(200);
    expect((await openStream(connected.accessToken)).statusCode).toBe(200);
    expect((await client.revoke(connected.clientId, connected[which])).status).toBe(200);
    await connected.ended;
    expect(await isRefused(connected)).toEqual([401, "invalid_grant"]);
  }
  expect((await client.revoke(await client.terminal(), "sonde_rt_unknown")).status).toBe(200);
});

test("a person who is disabled or deleted takes their clients with them", async () => {
  for (const [index, end] of [
    (id: string) => owner.ask("PATCH", `/people/${id}`, { disabled: true }),
    (id: string) => owner.ask("DELETE", `/people/${id}`),
  ].entries()) {
    const member = await invite(hub, owner, "member", `gone-${index}`);
    const connected = await connect(member);
    expect((await end(member.id)).code).toBe(200);
    await connected.ended;
    expect(await isRefused(connected)).toEqual([401, "invalid_grant"]);
  }
});

test("a client that is removed is gone with all that was granted to it", async () => {
  const connected = await connect(owner);
  const path = `/oauth/clients/${connected.clientId}`;
  expect((await hub.ask("GET", "/oauth/clients")).answer["clients"]).toContainEqual(
    expect.objectContaining({ id: connected.clientId, grants: expect.any(Number) as number }),
  );
  expect((await hub.ask("DELETE", path)).code).toBe(200);
  await connected.ended;
  expect((await hub.ask("DELETE", path)).code).toBe("NOT_FOUND");
});

test("a person's rights are looked at anew: less for them is less for their clients", async () => {
  const member = await invite(hub, owner, "operator", "linus");
  const fresh = createOAuthClient(`http://localhost:${hub.ready.http}`);
  const { accessToken } = await fresh.connect(member.cookie, {
    resource: `http://localhost:${hub.ready.http}/api/v1`,
    scope: "api.write",
  });
  const ask = () => hub.ask("POST", "/enrolment-tokens", {}, accessToken);
  expect((await ask()).code).toBe(201);
  expect((await owner.ask("PATCH", `/people/${member.id}`, { role: "member" })).code).toBe(200);
  expect((await ask()).code).toBe("FORBIDDEN");
});
