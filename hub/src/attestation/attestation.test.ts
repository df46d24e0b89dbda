import { sign, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect as connectTls } from "node:tls";
import type { AuditEntry } from "@sonde/schemas/audit";
import type { AgentAttestation } from "@sonde/schemas/hub";
import { buildHello, buildStatement } from "@sonde/schemas/testing";
import {
  type AgentStatement,
  type AttestBody,
  decodeFrame,
  encodeBody,
  OWN_PROTOCOL,
  type StatedFile,
} from "@sonde/schemas/wire";
import { EMPTY_HEAD } from "@sonde/trust/chain";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type AgentSession, startHub, type TestHub } from "../testing/start-hub.ts";

// What a hub makes of the statements of an agent whose session it is.
const WAIT = { timeout: 15_000 };
const DIGEST = `sha256:${"b".repeat(64)}`;
let hub: TestHub;
let sessions: AgentSession[];
/** Records of earlier tests. */
let seen: number;

beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.close());

/** Each test has an agent that has just enrolled. */
beforeEach(async () => {
  sessions = [];
  const { sql, ...opened } = await hub.openDatabase();
  await sql`delete from agent_attestations`;
  await sql`delete from agent_holds`;
  await sql`delete from drift_policy`;
  await sql`delete from accepted_programs`;
  await sql`update agents set first_approved_by = 'key:test', tags = '[]'`;
  await sql`insert into changes (kind, id) values ('agent', ${hub.agent.id})`;
  await opened.close();
  await expect.poll(stateOf, WAIT).toBe("not-attested");
  await expect.poll(holds, WAIT).toEqual([]);
  seen = (await readAudit()).length;
});
afterEach(async () => {
  await leave();
});

/** Ends every session that has not ended, and waits until the hub has noticed. */
async function leave(): Promise<void> {
  for (const { socket } of sessions.filter((one) => one.socket.readyState !== one.socket.CLOSED)) {
    const closed = once(socket, "close");
    socket.close();
    await closed;
  }
  await expect
    .poll(async () => (await hub.ask("GET", "/agents/web-1")).answer["online"], WAIT)
    .toBe(false);
}

type Attesting = AgentSession & {
  nonces: string[];
  state(statement: AgentStatement, nonce?: string): void;
  /** Tells the hub of a change, and answers the order that follows. */
  change(statement: AgentStatement): Promise<void>;
};

/** Connects an agent of this release. The hub's first order is in `nonces`. */
async function connect(features = OWN_PROTOCOL.features): Promise<Attesting> {
  const session = await hub.connect();
  sessions.push(session);
  const { socket, channel } = session;
  const nonces: string[] = [];
  socket.on("message", (frame: Buffer) => {
    const { header, body } = channel.open(frame);
    if (header.type === "attest") nonces.push((body as AttestBody).nonce);
  });
  const protocol = { ...OWN_PROTOCOL, features };
  socket.send(channel.seal({ type: "hello", body: encodeBody({ ...buildHello(), protocol }) }));
  if (features.length > 0) await expect.poll(() => nonces.length, WAIT).toBe(1);
  const state: Attesting["state"] = (statement, nonce = nonces.at(-1) ?? "") =>
    socket.send(channel.seal({ type: "attestation", body: encodeBody({ nonce, statement }) }));
  return {
    ...{ ...session, nonces, state },
    async change(statement) {
      const before = nonces.length;
      socket.send(channel.seal({ type: "host-changed", body: encodeBody({}) }));
      await expect.poll(() => nonces.length, WAIT).toBe(before + 1);
      state(statement);
    },
  };
}

/** Connects an agent whose first statement is approved, as that of an invited agent is. */
async function connectApproved(): Promise<Attesting> {
  const agent = await connect();
  agent.state(buildStatement());
  await expect.poll(stateOf, WAIT).toBe("approved");
  return agent;
}

/** The header of a signed message; the session's own channel opens it too. */
function typeOf(frame: Buffer): string {
  const { payload } = decodeFrame(frame, 16_384, "ENVELOPE_INVALID").head as {
    payload: string;
  };
  return (JSON.parse(Buffer.from(payload, "base64").toString()) as { type: string }).type;
}

type McpResult = {
  tools?: { name: string }[];
  structuredContent?: { results: { failure?: { code: string } }[] };
};

async function askMcp(method: string, params: object): Promise<McpResult> {
  const response = await fetch(`http://127.0.0.1:${hub.ready.http}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${hub.operatorKey}`,
      "content-type": "application/json",
      "mcp-protocol-version": "2025-06-18",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return ((await response.json()) as { result: McpResult }).result;
}

const show = async () =>
  (await hub.ask("GET", "/agents/web-1/attestation")).answer as unknown as AgentAttestation;
const stateOf = async () => (await show()).state;
const holds = async () =>
  ((await hub.ask("GET", "/agents/web-1")).answer["holds"] as { kind: string }[]).map(
    ({ kind }) => kind,
  );
async function readAudit(): Promise<AuditEntry["record"][]> {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  return (answer["entries"] as AuditEntry[]).map(({ record }) => record);
}
const recordsOf = async (event: string) =>
  (await readAudit()).slice(seen).filter((record) => record.event === event);
const changeFile = (kind: string, change: Partial<StatedFile>): AgentStatement => {
  const { files, ...others } = buildStatement();
  return {
    ...others,
    files: files.map((file) => (file.kind === kind ? { ...file, ...change } : file)),
  };
};
const accept = async () =>
  await hub.ask("POST", "/agents/web-1/accept-drift", {
    statementSha256: (await show()).statementSha256 ?? "",
  });

test("the first statement of an invited agent is approved by the inviter's key, on record, and no later one", async () => {
  expect(await stateOf()).toBe("not-attested");
  const agent = await connectApproved();
  expect(await show()).toMatchObject({ approvedBy: "key:test", differences: [] });
  expect(await recordsOf("agent.attested")).toMatchObject([
    { agent: "web-1", principal: "key:test" },
  ]);
  await agent.change(changeFile("configuration", { sha256: DIGEST }));
  await expect.poll(stateOf, WAIT).toBe("review");
  expect(await show()).toMatchObject({ approvedBy: "key:test" });
  expect(await recordsOf("agent.attested")).toHaveLength(1);
});

test("attack 23: another configuration is drift to review, and another kernel an expected one, both on record", async () => {
  const agent = await connectApproved();
  await agent.change(buildStatement({ kernel: "6.1" }));
  await expect.poll(stateOf, WAIT).toBe("expected");
  await agent.change(changeFile("configuration", { sha256: DIGEST }));
  await expect.poll(stateOf, WAIT).toBe("review");
  const what = "configuration /etc/sonde-agent/agent.json";
  expect((await show()).differences).toMatchObject([{ what, drift: "review" }]);
  expect(await recordsOf("agent.drifted")).toMatchObject([
    { detail: { state: "approved", differences: [] } },
    { detail: { state: "expected", differences: ["expected: kernel"] } },
    { detail: { state: "review", differences: [`review: ${what}`] } },
  ]);
  expect(await holds()).toEqual([]);
});

// Attack 23.
test.each([
  ["a stale nonce", 0, 1],
  ["the nonce of an order that was answered", 1, 0],
])("a statement over %s ends the session, on record", async (_what, orders, used) => {
  const agent = await connect();
  if (orders === 0) {
    agent.state(buildStatement(), "s".repeat(43));
  } else {
    agent.state(buildStatement());
    await expect.poll(stateOf, WAIT).toBe("approved");
    agent.state(buildStatement({ kernel: "replayed" }), agent.nonces[used]);
  }
  await once(agent.socket, "close");
  await expect
    .poll(async () => (await recordsOf("envelope.refused")).map(({ code }) => code), WAIT)
    .toEqual(["ATTESTATION_STALE"]);
  expect((await show()).statement?.kernel ?? null).toBe(orders === 0 ? null : "k");
});

test("a person accepts exactly the statement that was shown, on record", async () => {
  const agent = await connectApproved();
  await agent.change(changeFile("configuration", { sha256: DIGEST }));
  await expect.poll(stateOf, WAIT).toBe("review");
  const other = { statementSha256: `sha256:${"0".repeat(64)}` };
  expect((await hub.ask("POST", "/agents/web-1/accept-drift", other)).code).toBe("BAD_REQUEST");
  expect(await stateOf()).toBe("review");
  const { key } = await hub.addKey({ role: "auditor", agents: "*", probes: "*" });
  const body = { statementSha256: (await show()).statementSha256 ?? "" };
  expect((await hub.ask("POST", "/agents/web-1/accept-drift", body, key)).code).toBe("FORBIDDEN");
  expect((await accept()).code).toBe(200);
  expect(await show()).toMatchObject({
    state: "approved",
    approvedBy: expect.stringMatching(/^key:(?!test)/) as string,
  });
  expect(await recordsOf("drift.accepted")).toMatchObject([{ agent: "web-1", detail: body }]);
});

test("a program that a person accepted is expected when it comes again", async () => {
  const agent = await connectApproved();
  const other = changeFile("program", { sha256: DIGEST });
  const third = changeFile("program", { sha256: `sha256:${"c".repeat(64)}` });
  for (const statement of [other, third]) {
    await agent.change(statement);
    await expect.poll(stateOf, WAIT).toBe("review");
    await accept();
  }
  await agent.change(other);
  await expect.poll(stateOf, WAIT).toBe("expected");
});

test("attack 22: the policy of a tag quarantines once for each drift, and a release is on record", async () => {
  expect((await hub.ask("PUT", "/drift-policy/role=db", { action: "quarantine" })).code).toBe(200);
  expect((await hub.ask("PUT", "/drift-policy/all", { action: "flag" })).code).toBe(200);
  const agent = await connectApproved();
  const changed = changeFile("configuration", { sha256: DIGEST });
  await agent.change(changed);
  await expect.poll(stateOf, WAIT).toBe("review");
  expect(await holds()).toEqual([]);
  await hub.ask("POST", "/agents/web-1/tags", { set: ["role=db"], remove: [] });
  await agent.change(changed);
  await expect.poll(holds, WAIT).toEqual(["quarantined"]);
  expect(await recordsOf("agent.held")).toMatchObject([{ agent: "web-1", principal: "hub" }]);
  expect(agent.socket.readyState).toBe(agent.socket.OPEN);
  // Its statements are still heard.
  await agent.change({ ...changed, kernel: "6.2" });
  await expect.poll(async () => (await show()).statement?.kernel, WAIT).toBe("6.2");
  expect((await hub.ask("POST", "/agents/web-1/release")).code).toBe(200);
  expect(await recordsOf("agent.released")).toHaveLength(1);
  await agent.change({ ...changed, kernel: "6.2", bootId: "other" });
  await expect.poll(async () => (await show()).statement?.bootId, WAIT).toBe("other");
  expect(await holds()).toEqual([]);
  await agent.change({ ...changed, maxCapability: "manage" });
  await expect.poll(holds, WAIT).toEqual(["quarantined"]);
}, 90_000);

test("attack 22: a quarantine cancels the running probe, refuses new ones, and keeps the tools", async () => {
  const pack = {
    ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state: "active" },
    ...{ signer: null, probes: ["greet"], approved: null, reason: null },
  };
  const path = "/agents/web-1/packs/acme/hello";
  expect((await hub.ask("PUT", path, { version: "1.0.0" })).code).toBe(200);
  const { socket, channel } = await connect();
  const report = encodeBody({ packs: [pack], auditHead: EMPTY_HEAD, registryHead: null });
  const heard: string[] = [];
  socket.send(channel.seal({ type: "pack-report", body: report }));
  socket.on("message", (frame: Buffer) => heard.push(typeOf(frame)));
  const tools = async () => (await askMcp("tools/list", {})).tools?.map(({ name }) => name) ?? [];
  await expect.poll(tools, WAIT).toContain("acme__hello_greet");
  const call = async () => {
    const asked = { name: "acme__hello_greet", arguments: { agent: "web-1" } };
    const { structuredContent } = await askMcp("tools/call", asked);
    return structuredContent?.results[0]?.failure?.code;
  };
  const running = call();
  await expect.poll(() => heard, WAIT).toContain("call");
  await hub.ask("POST", "/agents/web-1/quarantine", { reason: "Odd." });
  expect(await running).toBe("AGENT_QUARANTINED");
  await expect.poll(() => heard, WAIT).toContain("cancel");
  expect(await call()).toBe("AGENT_QUARANTINED");
  expect(heard.filter((type) => type === "call")).toHaveLength(1);
  expect(await tools()).toContain("acme__hello_greet");
  expect((await hub.ask("DELETE", path)).code).toBe(200);
});

test("a changed policy counts at once for the drift that there is, by the strictest rule", async () => {
  const agent = await connectApproved();
  await agent.change(buildStatement({ maxCapability: "manage" }));
  await expect.poll(stateOf, WAIT).toBe("review");
  const set = async (action: string, key?: string) =>
    await hub.ask("PUT", "/drift-policy/all", { action }, key);
  const { key } = await hub.addKey({ role: "client", agents: "*", probes: "*" });
  expect((await set("restrict", key)).code).toBe("FORBIDDEN");
  expect((await set("restrict")).answer).toMatchObject({
    rules: [{ on: "all", action: "restrict" }],
  });
  expect(await holds()).toEqual(["restricted"]);
  expect(await recordsOf("drift-policy.changed")).toMatchObject([
    { detail: { on: "all", action: "restrict" } },
  ]);
  expect((await hub.ask("DELETE", "/drift-policy/all")).answer).toEqual({ rules: [] });
  expect((await hub.ask("DELETE", "/drift-policy/all")).code).toBe("NOT_FOUND");
});

test("an agent that attested once and cannot any more is said as such, and the policy holds it", async () => {
  await hub.ask("PUT", "/drift-policy/all", { action: "quarantine" });
  await connectApproved();
  await leave();
  await connect([]);
  await expect.poll(stateOf, WAIT).toBe("not-attested");
  await expect.poll(holds, WAIT).toEqual(["quarantined"]);
  expect(await recordsOf("agent.unattested")).toMatchObject([{ agent: "web-1" }]);
});

test("an agent of an earlier release is not attested, and not held for it", async () => {
  await hub.ask("PUT", "/drift-policy/all", { action: "quarantine" });
  await connect([]);
  await expect
    .poll(async () => (await hub.ask("GET", "/agents/web-1")).answer["os"], WAIT)
    .toBe("o");
  expect((await hub.ask("GET", "/agents/web-1")).answer["attestation"]).toEqual({
    ...{ state: "not-attested", expected: 0, review: 0 },
  });
  expect(await holds()).toEqual([]);
});

/** What the hub does when an agent comes back whose certificate has ended. */
async function recover(): Promise<void> {
  const certificate = await hub.issueCertificate(-60_000);
  const { serialNumber } = new X509Certificate(certificate);
  const serial = serialNumber.toLowerCase();
  const address = { host: "localhost", port: hub.ready.enrol };
  const socket = connectTls({ ...address, ca: hub.ca, servername: "localhost" });
  await once(socket, "secureConnect");
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agent.createConnection = () => socket;
  const ask = async (method: string, path: string, body?: object) => {
    const asked = request({
      ...{ method, path, agent, host: "localhost" },
      headers: { "content-type": "application/json" },
    });
    asked.end(body === undefined ? undefined : JSON.stringify(body));
    const [response] = (await once(asked, "response")) as [IncomingMessage];
    return JSON.parse((await response.toArray()).join("")) as Record<string, string>;
  };
  const { challenge = "" } = await ask("GET", "/enrol/challenge");
  const exporter = socket.exportKeyingMaterial(32, "EXPORTER-sonde-recover", Buffer.alloc(0));
  const text = ["sonde-recover-v1", challenge, serial, exporter.toString("base64")].join("\n");
  const proof = sign(null, Buffer.from(text), hub.agent.key.privateKey).toString("base64");
  const answer = await ask("POST", "/enrol/recover", { certificate, proof });
  expect(answer["certificate"]).toContain("BEGIN CERTIFICATE");
  socket.destroy();
}

test("identity rule 5: an agent that came back after its certificate's end is restricted until it attests well", async () => {
  await recover();
  // It never attested, so it would wait for ever.
  expect(await holds()).toEqual([]);
  await connectApproved();
  await leave();
  await recover();
  expect(await holds()).toEqual(["restricted"]);
  const back = await connect();
  expect(await holds()).toEqual(["restricted"]);
  const changed = changeFile("configuration", { sha256: DIGEST });
  back.state(changed);
  await expect.poll(stateOf, WAIT).toBe("review");
  // The hub acts on one statement before it judges the next.
  await back.change({ ...changed, kernel: "6.2" });
  await expect.poll(async () => (await show()).statement?.kernel, WAIT).toBe("6.2");
  expect(await holds()).toEqual(["restricted"]);
  await back.change(buildStatement());
  await expect.poll(holds, WAIT).toEqual([]);
  expect(await recordsOf("agent.released")).toMatchObject([
    { principal: "hub", detail: { kinds: ["restricted"] } },
  ]);
});
