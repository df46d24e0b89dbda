import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../testing/start-hub.ts";

// The events that a running hub tells, to keys with different rights.

let hub: TestHub;
const open: IncomingMessage[] = [];

beforeAll(async () => {
  hub = await startHub();
});
afterEach(() => {
  for (const stream of open.splice(0)) stream.destroy();
});
afterAll(() => hub.close());

type Told = { id: string; event: string; data: Record<string, unknown> };
type Stream = {
  told: Told[];
  /** Waits for an event, also for one that came before. */
  until(event: string, has?: (data: Told["data"]) => boolean): Promise<Told>;
  isOver(): boolean;
};

async function listen(key = hub.operatorKey, after?: string): Promise<Stream> {
  const [response] = (await once(
    get(`http://127.0.0.1:${hub.ready.http}/api/v1/events`, {
      agent: false,
      headers: {
        authorization: `Bearer ${key}`,
        accept: "text/event-stream",
        ...(after !== undefined && { "last-event-id": after }),
      },
    }),
    "response",
  )) as [IncomingMessage];
  expect([response.statusCode, response.headers["content-type"]]).toEqual([
    200,
    "text/event-stream",
  ]);
  expect(response.headers["cache-control"]).toBe("no-store");
  open.push(response);
  const told: Told[] = [];
  let rest = "";
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n\n");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const [, id = "", event = "", data] = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(part) ?? [];
      if (data !== undefined) told.push({ id, event, data: JSON.parse(data) as Told["data"] });
    }
  });
  response.on("error", () => undefined);
  const find: Stream["until"] = async (event, has = () => true) => {
    const look = () => told.find((one) => one.event === event && has(one.data));
    await expect.poll(look).toBeDefined();
    return look() ?? { id: "", event, data: {} };
  };
  await find("start");
  return { told, until: find, isOver: () => response.complete || response.destroyed };
}

const tag = (set: string[], remove: string[] = []) =>
  hub.ask("POST", "/agents/web-1/tags", { set, remove });
const hasTag = (one: string) => (data: Told["data"]) => (data["tags"] as string[]).includes(one);
const namesOf = ({ told }: Stream) => told.map(({ event }) => event);

test("it is a stream, for those who ask for one", async () => {
  expect((await hub.ask("GET", "/events")).code).toBe("BAD_REQUEST");
  const { told } = await listen();
  expect(told[0]?.data).toMatchObject({
    id: expect.stringMatching(/^key:/) as string,
    name: "operator",
  });
  expect(told[0]?.data["rights"]).toContain("agents.manage");
});

test("a change of an agent is told as the list has it", async () => {
  const stream = await listen();
  await tag(["role=web"]);
  const { data } = await stream.until("agent", hasTag("role=web"));
  expect(data).toEqual((await hub.ask("GET", "/agents/web-1")).answer);
});

test("an agent is told to who may see it, and its end to who was shown it", async () => {
  const { key } = await hub.addKey({ role: "client", agents: ["role=db"], probes: "*" });
  const stream = await listen(key);
  const all = await listen();
  await tag(["role=web2"]);
  await all.until("agent", hasTag("role=web2"));
  await tag(["role=db"]);
  await stream.until("agent", hasTag("role=db"));
  await tag(["role=web3"]);
  expect((await stream.until("agent-gone")).data).toEqual({ id: hub.agent.id });
  await tag(["role=web4"]);
  await all.until("agent", hasTag("role=web4"));
  // Another change that it may see comes after all that it may not.
  await tag(["role=db"]);
  await expect.poll(() => stream.told.length).toBeGreaterThan(3);
  expect(namesOf(stream)).toEqual(["start", "agent", "agent-gone", "agent"]);
});

test("entries of the log are told to who may read it", async () => {
  const { key } = await hub.addKey({ role: "client", agents: "*", probes: "*" });
  const [auditor, client] = [await listen(), await listen(key)];
  await tag(["role=log"]);
  const { data } = await auditor.until(
    "audit",
    ({ record }) => (record as { event: string }).event === "agent.tagged",
  );
  expect(data).toMatchObject({ record: { agent: "web-1" }, hash: expect.any(String) as string });
  await client.until("agent", hasTag("role=log"));
  await tag(["role=log2"]);
  await auditor.until("audit", ({ seq }) => Number(seq) > Number(data["seq"]));
  await client.until("agent", hasTag("role=log2"));
  expect(namesOf(client)).not.toContain("audit");
});

test("keys, tools, policies and clients are told by their kind, to who may read them", async () => {
  const { key } = await hub.addKey({ role: "client", agents: "*", probes: "*" });
  const [operator, client] = [await listen(), await listen(key)];
  const made = await hub.addKey();
  await hub.ask("DELETE", `/api-keys/${made.id}`);
  expect((await operator.until("changed")).data).toEqual({ kind: "keys" });
  const { sql, ...database } = await hub.openDatabase();
  await sql`insert into changes (kind, id) values ('pin', 'acme/hello.greet')`;
  await database.close();
  await operator.until("changed", ({ kind }) => kind === "tools");
  const policy = { tools: { deny: ["acme/hello.**"] } };
  expect((await hub.ask("PUT", "/policies/narrow", { policy })).code).toBe(200);
  await operator.until("changed", ({ kind }) => kind === "policies");
  const registered = await fetch(`http://localhost:${hub.ready.http}/oauth/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      ...{ client_name: "Terminal", redirect_uris: ["http://127.0.0.1:4999/callback"] },
      token_endpoint_auth_method: "none",
    }),
  });
  expect(registered.status).toBe(201);
  await operator.until("changed", ({ kind }) => kind === "clients");
  await tag(["role=tools"]);
  await client.until("agent", hasTag("role=tools"));
  expect(namesOf(client)).not.toContain("changed");
});

test("a stream ends with its key, and with no other", async () => {
  const { id, key } = await hub.addKey();
  const [own, other] = [await listen(key), await listen()];
  expect((await hub.ask("DELETE", `/api-keys/${id}`)).code).toBe(200);
  expect((await own.until("end")).data).toEqual({ code: "UNAUTHENTICATED" });
  await expect.poll(() => own.isOver()).toBe(true);
  await tag(["role=after"]);
  await other.until("agent", hasTag("role=after"));
  expect(own.told.at(-1)?.event).toBe("end");
  expect(other.isOver()).toBe(false);
});

test("who comes back is told what it missed, also by a hub that started anew", async () => {
  const before = await listen();
  await tag(["role=before"]);
  await before.until("agent", hasTag("role=before"));
  const { id } = await before.until(
    "audit",
    ({ record }) => (record as { event: string }).event === "agent.tagged",
  );
  for (const stream of open.splice(0)) stream.destroy();
  await tag(["role=missed"]);
  await hub.restart();
  const back = await listen(hub.operatorKey, id);
  await back.until("agent", hasTag("role=missed"));
  const { data } = await back.until("audit");
  expect(data["seq"]).toBe(Number(id.split(".")[1]) + 1);
  expect(namesOf(back)).not.toContain("reset");
});

test("a place that is long past, or of another hub, is told as such", async () => {
  const { sql, ...database } = await hub.openDatabase();
  await sql`insert into changes (kind, id)
    select 'hub', gen_random_uuid() from generate_series(1, 1300)`;
  await database.close();
  const stream = await listen(hub.operatorKey, "1.1");
  expect((await stream.until("reset")).data).toEqual({});
});

test("one principal has so many streams, and no more", async () => {
  const { key } = await hub.addKey();
  for (let count = 0; count < 32; count++) await listen(key);
  const headers = { authorization: `Bearer ${key}`, accept: "text/event-stream" };
  const refused = await fetch(`http://127.0.0.1:${hub.ready.http}/api/v1/events`, { headers });
  expect(await refused.json()).toMatchObject({ code: "TOO_MANY_ATTEMPTS" });
  await listen();
});
