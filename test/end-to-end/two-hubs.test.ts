import { chmodSync } from "node:fs";
import { dirname, join } from "node:path";
import { startTestDatabase, type TestDatabase } from "@sonde/database/testing";
import { buildHello, buildResult } from "@sonde/schemas/testing";
import {
  type CallBody,
  type DesiredStateBody,
  type HelloBody,
  OWN_PROTOCOL,
  encodeBody,
} from "@sonde/schemas/wire";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Identity, readIdentity } from "../../agent/daemon/src/edge/store/identity.ts";
import { eventsOf, readVerifiedAudit } from "../product/audit.ts";
import { connectBoth, type McpClient } from "../product/mcp-clients.ts";
import { enrolRawAgent, knock, openSession, type RawSession } from "../product/raw-agent.ts";
import { type SecondHub, startSecondHub } from "../product/second-hub.ts";
import { seedSwarm } from "../product/swarm/seed-swarm.ts";
import { startSwarm } from "../product/swarm/start-swarm.ts";
import { type Product, startProduct, until } from "../product/start-product.ts";

// Two hubs on one database. The host's own agent is at the first. The test plays a second agent
// over the real wire, at the second hub unless a test says otherwise.

/** Simulated agents that come back at once. */
const SWARM = 40;
const HEAD = { size: 0, hash: `sha256:${"0".repeat(64)}` };
const AWAY = "elsewhere";
const TOOL = "system_disk_usage";

let database: TestDatabase;
let product: Product;
let second: SecondHub;
let identity: Identity;
let atFirst: McpClient[];
let atSecond: McpClient[];
const sessions: RawSession[] = [];

beforeAll(async () => {
  database = await startTestDatabase();
  const socketDir = new URL(database.url).searchParams.get("host") ?? "";
  chmodSync(dirname(socketDir), 0o755);
  product = await startProduct({ env: { DATABASE_URL: database.url } });
  second = await startSecondHub(product);
  identity = await enrolRawAgent(product, AWAY);
  atFirst = await connectBoth(product.mcpUrl, product.apiKey);
  atSecond = await connectBoth(second.mcpUrl, product.apiKey);
});
afterEach(async () => {
  for (const { socket, closed } of sessions.splice(0)) {
    socket.terminate();
    await closed;
  }
  await until("the agent to be away", async () => !(await isOnline(product)));
});
afterAll(async () => {
  for (const client of [...atFirst, ...atSecond]) await client.close();
  await second.stop();
  await product.stop();
  await database.close();
});

type Played = {
  session: RawSession;
  desired: DesiredStateBody[];
  calls: { callId: string; body: CallBody }[];
  answer: (callId: string) => void;
  report: (state: "active" | "revoked") => void;
};

/** The agent's end of a session: sends hello and keeps every message. */
async function play(controlAddress: string, answers = true): Promise<Played> {
  const session = await openSession({ ...identity, controlAddress });
  sessions.push(session);
  const { channel, socket } = session;
  channel.open(session.welcome);
  const [pack] = product.packs.filter(({ name }) => name === "sonde/system");
  const packs = (state: string): HelloBody["packs"] => [
    {
      ...{
        name: "sonde/system",
        version: pack?.version ?? "",
        digest: pack?.digest ?? null,
        state,
      },
      ...{ signer: null, probes: ["disk.usage"], approved: null, reason: null },
    },
  ];
  const hello = buildHello({ name: AWAY, packs: packs("active"), protocol: OWN_PROTOCOL });
  const played: Played = {
    session,
    desired: [],
    calls: [],
    answer(callId) {
      const lists = { filesystems: [], filesystemCount: 0, unreadable: [], unreadableCount: 0 };
      const data = { ...lists, withoutStorageCount: 0, leftOutCount: 0, incomplete: false };
      const body = buildResult(callId, { data });
      socket.send(channel.seal({ type: "result", callId, body: encodeBody(body) }));
    },
    report: (state) =>
      socket.send(
        channel.seal({
          type: "pack-report",
          body: encodeBody({ packs: packs(state), auditHead: HEAD, registryHead: null }),
        }),
      ),
  };
  socket.on("message", (frame: Buffer) => {
    const { header, body } = channel.open(frame);
    if (header.type === "desired-state") played.desired.push(body as DesiredStateBody);
    if (header.type !== "call" || header.callId === null) return;
    played.calls.push({ callId: header.callId, body: body as CallBody });
    if (answers) played.answer(header.callId);
  });
  socket.send(channel.seal({ type: "hello", body: encodeBody(hello) }));
  await until("the hello to be answered", () => played.desired.length > 0);
  await until("both hubs to see it", async () => (await isOnline(product)) && isOnline(second));
  return played;
}

async function isOnline({ hub }: Pick<Product, "hub">): Promise<boolean> {
  return (await hub.send("GET", `/agents/${AWAY}`)).body["online"] === true;
}

test("a client of either hub can call agents of both hubs", async () => {
  const { calls } = await play(second.controlAddress);
  for (const client of [...atFirst, ...atSecond]) {
    const own = await client.call(TOOL, { agent: product.agent });
    expect(own.results[0]).toMatchObject({ agent: product.agent, status: "ok" });
    const away = await client.call(TOOL, { agent: AWAY });
    expect(away.results[0], JSON.stringify(away.structured)).toMatchObject({
      agent: AWAY,
      status: "ok",
    });
    await until("both rows of the call", async () => {
      const events = eventsOf(await readVerifiedAudit(product), away.callId);
      return events.join() === "call.request,call.response";
    });
  }
  expect(calls.length).toBe(4);
});

test("a change of an agent's packs changes the tools at both hubs, and each client is notified", async () => {
  const { report } = await play(second.controlAddress);
  // This key sees the tool only while this one agent offers it.
  const policy = { role: "client", agents: [AWAY], probes: "*" };
  const made = await product.hub.send("POST", "/api-keys", { body: { name: "narrow", policy } });
  const { key } = made.body as { key: string };
  const clients = [
    ...(await connectBoth(product.mcpUrl, key)),
    ...(await connectBoth(second.mcpUrl, key)),
  ];
  try {
    const offers = async (client: McpClient) =>
      (await client.listTools()).some(({ name }) => name === TOOL);
    for (const client of clients) expect(await offers(client)).toBe(true);
    for (const [round, state] of (["revoked", "active"] as const).entries()) {
      report(state);
      for (const client of clients) {
        await until(
          `${state} to be told to a ${client.generation} client`,
          async () => (await offers(client)) === (state === "active") && client.changes() > round,
        );
      }
    }
  } finally {
    for (const client of clients) await client.close();
  }
});

test("an assignment at one hub reaches an agent at the other", async () => {
  const { desired } = await play(second.controlAddress);
  const before = desired.at(-1)?.revision ?? 0;
  const [pack] = product.packs.filter(({ name }) => name === "sonde/system");
  const wish = { body: { version: pack?.version } };
  const { status } = await product.hub.send("PUT", `/agents/${AWAY}/packs/sonde/system`, wish);
  expect(status).toBe(200);
  await until("the order", () => (desired.at(-1)?.revision ?? 0) > before);
  expect(desired.at(-1)?.packs).toMatchObject([{ name: "sonde/system", digest: pack?.digest }]);
});

test("attack 19: of two live connections at two hubs the first stays", async () => {
  await play(second.controlAddress);
  expect(await knock(identity)).toEqual({ kind: "status", status: 401 });
  expect(sessions[0]?.isOpen()).toBe(true);
});

test("an agent that reconnects at the other hub is reachable there", async () => {
  const first = await play(second.controlAddress);
  first.session.socket.terminate();
  await first.session.closed;
  sessions.splice(0);
  const moved = await play(identity.controlAddress);
  const answer = await atSecond[0]?.call(TOOL, { agent: AWAY });
  expect(answer?.results[0]?.status).toBe("ok");
  expect(moved.calls.length).toBe(1);
});

test("an agent that enrols again at one hub loses its old connection at the other", async () => {
  const { session } = await play(second.controlAddress);
  identity = await enrolRawAgent(product, AWAY);
  await session.closed;
  sessions.splice(0);
  const again = await play(second.controlAddress);
  expect(again.session.isOpen()).toBe(true);
});

test("a key revoked at one hub is refused by the other at once", async () => {
  const policy = { role: "client", agents: "*", probes: "*" };
  const made = await product.hub.send("POST", "/api-keys", { body: { name: "short", policy } });
  const { id, key } = made.body as { id: string; key: string };
  const ask = async () => (await second.hub.send("GET", "/agents", { key })).status;
  expect(await ask()).toBe(200);
  await product.hub.send("DELETE", `/api-keys/${id}`);
  // Below the 5 s for which a hub caches a key.
  await until("the refusal", async () => (await ask()) === 401, 4000);
});

test("a hub that restarts after a kill closes its own open calls only", async () => {
  const { calls, answer } = await play(identity.controlAddress, false);
  const [first] = atFirst;
  const [other] = await connectBoth(second.mcpUrl, product.apiKey);
  const ofFirst = first?.call(TOOL, { agent: AWAY });
  await until("the first hub's call", () => calls.length === 1);
  const lost = other?.call(TOOL, { agent: AWAY }).catch(() => "the hub was killed");
  await until("the second hub's call", () => calls.length === 2);
  const [open, killed] = calls.map(({ callId }) => callId);
  await second.killAndRestart();
  expect(await lost).toBe("the hub was killed");
  const events = async (callId = "") => eventsOf(await readVerifiedAudit(product), callId);
  expect(await events(killed)).toEqual(["call.request", "call.unknown CALL_OUTCOME_UNKNOWN"]);
  expect(await events(open)).toEqual(["call.request"]);
  answer(open ?? "");
  expect((await ofFirst)?.results[0]?.status).toBe("ok");
});

test("agents of a killed hub are reported offline and are not called", async () => {
  const { session } = await play(second.controlAddress);
  await second.killAndRestart();
  await session.closed;
  sessions.splice(0);
  const answer = await atFirst[0]?.call(TOOL, { agent: AWAY });
  expect(answer?.results[0]?.failure?.code).toBe("AGENT_OFFLINE");
});

test("attack 64: all agents of a killed hub come back by themselves, and other calls are answered meanwhile", async () => {
  const { searchParams, username, pathname } = new URL(database.url);
  const sql = postgres({
    ...{ host: searchParams.get("host") ?? "", username, database: pathname.slice(1), max: 1 },
    connection: { search_path: "hub" },
  });
  const agents = await seedSwarm(join(product.data, "hub/keys"), sql, SWARM);
  await sql.end();
  // A hub knows agents that were put into its database only when it starts.
  await second.killAndRestart();
  const identityFolder = join(product.data, "agent/identity");
  const { hubId, ca, hubKey } = readIdentity(identityFolder);
  const { controlAddress } = second;
  const key = hubKey.export({ type: "spki", format: "pem" }).toString();
  const swarm = await startSwarm({ hubId, controlAddress, ca, hubKey: key }, agents);
  try {
    swarm.connect({ count: SWARM, atOnce: 4 });
    await swarm.until(({ connected }) => connected === SWARM, 60_000);
    await second.killAndRestart();
    const back = swarm.until(({ connected }) => connected === SWARM, 60_000);
    const answer = await atFirst[0]?.call(TOOL, { agent: product.agent });
    expect(answer?.results[0]?.status).toBe("ok");
    await back;
  } finally {
    await swarm.stop();
  }
});
