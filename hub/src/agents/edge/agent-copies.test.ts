import { randomUUID, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AuditEntry } from "@sonde/schemas/audit";
import { buildHello, buildResult } from "@sonde/schemas/testing";
import { encodeBody, type LogHead, parseCertificateBody } from "@sonde/schemas/wire";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type AgentSession, startHub, type TestHub } from "../../testing/start-hub.ts";

const HOUR_MS = 3_600_000;
let hub: TestHub;
/** An older and a newer certificate of the agent. */
let older: string;
let newer: string;

/** The size of the hub's log when the test began. */
let from = 0;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());
beforeEach(async () => {
  const { sql, ...database } = await hub.openDatabase();
  await sql`delete from agent_holds`;
  await sql`delete from agent_certificates where generation > 1`;
  await sql`update agents set generation = 1, stale_generation = null, audit_head = null, packs = '[]'`;
  await sql`insert into changes (kind, id) values ('agent', ${hub.agent.id})`;
  await database.close();
  await expect.poll(held).toEqual([]);
  newer = await hub.issueCertificate(20 * HOUR_MS, 1);
  older = await hub.issueCertificate(10 * HOUR_MS);
  from = (await readAudit(0)).at(-1)?.seq ?? 0;
});

/** Connects with that certificate and says hello. */
async function arrive(certificate: string): Promise<AgentSession> {
  const session = await hub.connect(certificate);
  session.socket.send(session.channel.seal({ type: "hello", body: encodeBody(buildHello()) }));
  return session;
}
async function leave({ socket }: AgentSession): Promise<void> {
  socket.close();
  await once(socket, "close");
  await expect.poll(async () => (await describeAgent())["online"]).toBe(false);
}
const visit = async (certificate: string) => leave(await arrive(certificate));
const describeAgent = async () => (await hub.ask("GET", "/agents/web-1")).answer;
const held = async () =>
  ((await describeAgent())["holds"] as { kind: string }[]).map(({ kind }) => kind);
const release = async () => (await hub.ask("POST", "/agents/web-1/release")).code;
const readAudit = async (afterSeq: number) => {
  const { answer } = await hub.ask("GET", `/audit?afterSeq=${afterSeq}&limit=1000`);
  return answer["entries"] as AuditEntry[];
};
async function recordsOf(event: string): Promise<AuditEntry["record"][]> {
  const records = (await readAudit(from)).map(({ record }) => record);
  return records.filter((record) => record.event === event);
}

test("identity rule 5: an agent's certificate and its next one open, until the next one was used", async () => {
  await visit(older);
  await visit(older);
  await visit(newer);
  await visit(newer);
  expect(await held()).toEqual([]);
  await visit(older);
  expect(await held()).toEqual(["rolled-back"]);
});

test("attack 20: a copy that comes back with an older certificate is held, and goes on when a person releases it", async () => {
  await visit(newer);
  const back = await arrive(older);
  expect(await held()).toEqual(["rolled-back"]);
  expect(await recordsOf("agent.held")).toMatchObject([
    { agent: "web-1", principal: "hub", detail: { kind: "rolled-back" } },
  ]);
  await leave(back);
  await visit(older);
  await hub.restart();
  await visit(older);
  expect(await held()).toEqual(["rolled-back"]);
  expect(await release()).toBe(200);
  await visit(older);
  expect(await held()).toEqual([]);
  // The state that was lost opens nothing any more.
  await expect(hub.connect(newer)).rejects.toThrow("401");
  expect(await held()).toEqual([]);
  expect(await recordsOf("agent.released")).toMatchObject([
    { agent: "web-1", detail: { kinds: ["rolled-back"] } },
  ]);
});

test("attack 21: an older certificate, while the agent is there with a newer one, locks the identity", async () => {
  const first = await arrive(newer);
  const ended = once(first.socket, "close") as Promise<[number, Buffer]>;
  await expect(hub.connect(older)).rejects.toThrow("401");
  const [closed, reason] = await ended;
  expect([closed, reason.toString()]).toEqual([1001, "locked"]);
  expect(await held()).toEqual(["locked"]);
  for (const certificate of [older, newer]) {
    await expect(hub.connect(certificate)).rejects.toThrow("401");
  }
  await hub.restart();
  await expect(hub.connect(newer)).rejects.toThrow("401");
  expect(await recordsOf("agent.held")).toMatchObject([
    { agent: "web-1", principal: "hub", detail: { kind: "locked" } },
  ]);
  const refused = await recordsOf("agent.refused");
  expect(new Set(refused.map(({ agent, code }) => `${agent} ${code}`))).toEqual(
    new Set(["web-1 AGENT_LOCKED"]),
  );
  expect(await release()).toBe(200);
  await visit(newer);
  expect(await held()).toEqual([]);
});

test("attack 21: a newer certificate, after an older one came back, locks the identity", async () => {
  await visit(newer);
  const back = await arrive(older);
  const ended = once(back.socket, "close");
  await expect(hub.connect(newer)).rejects.toThrow("401");
  await ended;
  expect(await held()).toEqual(["locked", "rolled-back"]);
  for (const certificate of [older, newer]) {
    await expect(hub.connect(certificate)).rejects.toThrow("401");
  }
  // A released lock approves no copy.
  expect(await release()).toBe(200);
  await visit(older);
  expect(await held()).toEqual(["rolled-back"]);
});

test("attack 19: a second connection with the same certificate is refused, and locks nobody", async () => {
  const first = await arrive(newer);
  await expect(hub.connect(newer)).rejects.toThrow("401");
  expect(first.socket.readyState).toBe(first.socket.OPEN);
  expect(await held()).toEqual([]);
  await leave(first);
});

test("identity rule 5: an agent that says that it keeps its next certificate ends the one before", async () => {
  const ending = await hub.issueCertificate(20_000);
  const { socket, channel } = await arrive(ending);
  const next = await new Promise<string>((done) => {
    socket.on("message", (data: Buffer) => {
      const { header, body } = channel.open(data);
      if (header.type === "certificate") done(parseCertificateBody(body).certificate);
    });
  });
  const state = async (certificateSerial: string) => {
    const { packs, auditHead, registryHead } = buildHello();
    const body = { packs, auditHead, registryHead, certificateSerial };
    socket.send(channel.seal({ type: "pack-report", body: encodeBody(body) }));
  };
  const generation = async () => {
    const { sql, ...database } = await hub.openDatabase();
    const [row] = await sql<{ generation: number }[]>`
      select generation::float8 as generation from agents`;
    await database.close();
    return row?.generation;
  };
  // Only what this session was sent counts.
  await state(new X509Certificate(newer).serialNumber.toLowerCase());
  expect(await generation()).toBe(1);
  await state(new X509Certificate(next).serialNumber.toLowerCase());
  await expect.poll(generation).toBe(3);
  await leave({ socket, channel } as AgentSession);
  await visit(older);
  expect(await held()).toEqual(["rolled-back"]);
});

const HASHES = ["a", "b"].map((digit) => `sha256:${digit.repeat(64)}` as const);
const head = (size: number, hash = HASHES[0]): LogHead => ({ size, hash: hash ?? "" });

/**
 * Connects, states that head, and leaves once the hub has taken it.
 *
 * @param seenHead its own entry where the hub asks for one
 */
async function stateLog(auditHead: LogHead, seenHead?: LogHead | null): Promise<void> {
  const session = await hub.connect();
  const { socket, channel } = session;
  const ready = new Promise((done) => socket.once("message", done));
  const hello = buildHello({ auditHead, ...(seenHead !== undefined && { seenHead }) });
  socket.send(channel.seal({ type: "hello", body: encodeBody(hello) }));
  await ready;
  await leave(session);
}

test.each([
  ["went on from what it had", head(5), []],
  ["went on from an older copy", head(5, HASHES[1]), ["rolled-back"]],
  ["says that it ends before, and is longer", null, ["rolled-back"]],
  ["answers for another place", head(4), []],
] as const)("attack 20: an agent whose longer audit log %s", async (_what, seen, holds) => {
  await stateLog(head(5));
  await stateLog(head(9), seen);
  expect(await held()).toEqual(holds);
});

test.each([
  ["is shorter than it was", [head(5), head(4)], ["rolled-back"]],
  ["is as long and another one", [head(5), head(5, HASHES[1])], ["rolled-back"]],
  ["is the same", [head(5), head(5)], []],
  ["is longer", [head(5), head(6)], []],
  ["is the first one", [head(0)], []],
] as const)("attack 20: an agent whose audit log %s", async (_what, heads, holds) => {
  for (const stated of heads) await stateLog(stated);
  expect(await held()).toEqual(holds);
});

test("attack 20: a log that fell behind is held until a person releases it, also when it grows again", async () => {
  await stateLog(head(5));
  await hub.restart();
  await stateLog(head(3));
  await stateLog(head(9));
  expect(await held()).toEqual(["rolled-back"]);
  await stateLog(head(9));
  expect(await release()).toBe(200);
  expect(await held()).toEqual([]);
  await stateLog(head(9));
  expect(await held()).toEqual([]);
  await stateLog(head(8));
  expect(await held()).toEqual(["rolled-back"]);
  // It goes on from the log that the person released.
  expect(await release()).toBe(200);
  await stateLog(head(8));
  expect(await held()).toEqual([]);
});

/** Connects with that version of a pack, and leaves once the hub has taken it. */
async function servePack(version: string, digest: string | undefined = HASHES[0]): Promise<void> {
  const session = await hub.connect();
  const { socket, channel } = session;
  const pack = {
    ...{ name: "acme/hello", version, digest: digest ?? null, state: "active" },
    ...{ signer: null, probes: [], approved: null, reason: null },
  };
  const ready = new Promise((done) => socket.once("message", done));
  socket.send(channel.seal({ type: "hello", body: encodeBody(buildHello({ packs: [pack] })) }));
  await ready;
  await expect.poll(async () => (await describeAgent())["packs"]).toMatchObject([{ version }]);
  await leave(session);
}
/** Has the hub want version 1.0.0 of that pack of the agent, or none. */
async function wantPack(isWanted: boolean): Promise<void> {
  const path = "/agents/web-1/packs/acme/hello";
  const { code } = isWanted
    ? await hub.ask("PUT", path, { version: "1.0.0" })
    : await hub.ask("DELETE", path);
  expect(code).toBe(200);
}

test("attack 20: an agent that serves a pack in an older version than it did is held until a person releases it", async () => {
  await wantPack(true);
  await servePack("1.9.0");
  await servePack("1.10.0");
  expect(await held()).toEqual([]);
  await servePack("1.9.0");
  expect(await held()).toEqual(["rolled-back"]);
  const [hold] = (await describeAgent())["holds"] as { reason: string }[];
  expect(hold?.reason).toBe("Its pack acme/hello has version 1.9.0; it had 1.10.0 before.");
  expect(await release()).toBe(200);
  await servePack("1.9.0");
  expect(await held()).toEqual([]);
});

test("a pack that the hub wants in an older version, or does not want, makes no agent rolled back", async () => {
  await wantPack(true);
  await servePack("2.0.0");
  await servePack("1.0.0", hub.digest);
  expect(await held()).toEqual([]);
  await wantPack(false);
  await servePack("0.9.0");
  expect(await held()).toEqual([]);
});

/** Connects with an audit log of 5 entries, answers at the end of 7, and leaves. */
async function answerAtSeven(): Promise<void> {
  const { socket, channel, ...session } = await hub.connect();
  const ready = new Promise((done) => socket.once("message", done));
  socket.send(
    channel.seal({ type: "hello", body: encodeBody(buildHello({ auditHead: head(5) })) }),
  );
  await ready;
  const callId = randomUUID();
  const result = buildResult(callId, { auditHead: head(7) });
  socket.send(channel.seal({ type: "result", callId, body: encodeBody(result) }));
  await leave({ socket, channel, ...session });
}

test("attack 20: the head of an answer is remembered", async () => {
  await answerAtSeven();
  await stateLog(head(6));
  expect(await held()).toEqual(["rolled-back"]);
});

test("attack 20: the release of another hold forgets no head", async () => {
  await answerAtSeven();
  await hub.ask("POST", "/agents/web-1/quarantine", { reason: "looks odd" });
  expect(await held()).toEqual(["quarantined"]);
  expect(await release()).toBe(200);
  await stateLog(head(6));
  expect(await held()).toEqual(["rolled-back"]);
});
