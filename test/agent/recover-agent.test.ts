import { generateKeyPairSync, X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { AuditEntry } from "@sonde/schemas/audit";
import { toSondeError } from "@sonde/schemas/errors";
import { createAuthority, openAuthority } from "@sonde/trust/ca";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { connectPinned } from "../../agent/daemon/src/edge/enrol/pin-hub.ts";
import { requestRecovery } from "../../agent/daemon/src/edge/enrol/request-identity.ts";
import { createWorkshop, type Workshop } from "../../foundation/privileges/src/testing/workshop.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { enrolAt, makeTicket } from "./enrol-at.ts";
import { createKnownAgent, type KnownAgent } from "./start-known-agent.ts";

// An agent and a hub as processes; the agent's certificate has ended.

const DAY_MS = 24 * 3_600_000;
const WAIT = { timeout: 30_000, interval: 200 };
let workshop: Workshop;
let program: string;
let hub: TestHub;
let agent: KnownAgent;

beforeAll(async () => {
  workshop = await createWorkshop();
  program = await workshop.bundle("agent", `import "./agent/daemon/src/main.ts";`);
});
afterAll(() => workshop.close());
beforeEach(async () => {
  hub = await startHub();
  agent = createKnownAgent(hub, workshop, program);
});
afterEach(async () => {
  await agent.stop();
  await hub.close();
});

const describeAgent = async () => (await hub.ask("GET", "/agents/web-1")).answer;
const held = async () =>
  ((await describeAgent())["holds"] as { kind: string }[]).map(({ kind }) => kind);
const comesBack = () =>
  vi.waitFor(async () => expect((await describeAgent())["online"]).toBe(true), WAIT);
const serialOf = (pem: string) => new X509Certificate(pem).serialNumber.toLowerCase();
async function recordsOf(event: string): Promise<AuditEntry["record"][]> {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const records = (answer["entries"] as AuditEntry[]).map(({ record }) => record);
  return records.filter((record) => record.event === event);
}
/** Asks for a recovery by the agent's own code. @returns `recovered`, or the code of the refusal */
async function ask(
  certificate: string,
  key = hub.agent.key.privateKey,
  prepare: (socket: TLSSocket) => void = () => undefined,
): Promise<string> {
  const address = { host: "localhost", port: hub.ready.enrol };
  const socket = await connectPinned(address, hub.ca.toString());
  prepare(socket);
  try {
    await requestRecovery(socket, { certificate, serial: serialOf(certificate), key });
    return "recovered";
  } catch (thrown) {
    return toSondeError(thrown).code;
  } finally {
    socket.destroy();
  }
}

/** A certificate as the agent's, of another CA. */
async function issueElsewhere(): Promise<string> {
  const hubId = hub.ready.hubId;
  const authority = await openAuthority(await createAuthority(hubId, new Date()), () => new Date());
  const { key, id } = hub.agent;
  const request = { publicKey: key.publicKey, hubId, agentId: id };
  return (await authority.issueAgentCertificate(request)).certificate;
}

test("identity rule 5: an agent that was away for longer than its certificate comes back by itself", async () => {
  const ended = await hub.issueCertificate(-29 * DAY_MS);
  agent.setCertificate(ended);
  await agent.start();
  await comesBack();
  expect(await recordsOf("agent.recovered")).toMatchObject([
    { agent: "web-1", detail: { after: serialOf(ended), serial: serialOf(agent.certificate()) } },
  ]);
  expect(await held()).toEqual([]);
  const { certificate } = await agent.status();
  expect(certificate.problem).toBe(null);
  expect(Date.parse(certificate.endsAt)).toBeGreaterThan(Date.now() + 0.9 * DAY_MS);
});

test("identity rule 5: after more than 30 days the agent says that it must enrol again", async () => {
  const ended = await hub.issueCertificate(-31 * DAY_MS);
  agent.setCertificate(ended);
  await agent.start();
  await vi.waitFor(async () => {
    const { certificate } = await agent.status();
    expect(certificate.problem?.code).toBe("CERTIFICATE_REFUSED");
    expect(certificate.problem?.message).toMatch(/^the certificate ended at .* enrol again\.$/);
  }, WAIT);
  expect(await recordsOf("agent.refused")).toMatchObject([
    { agent: "web-1", code: "CERTIFICATE_REFUSED" },
  ]);
  expect((await describeAgent())["online"]).toBe(false);
});

// Its certificate has ended by its own clock, and has not by the hub's.
test("attack 11: an agent whose clock is days ahead takes no certificate, says why, and the hub shows it", async () => {
  const before = agent.certificate();
  await agent.start(2 * DAY_MS);
  await vi.waitFor(async () => {
    const { clockSkewMs, online } = await describeAgent();
    expect(Math.round(Number(clockSkewMs) / DAY_MS)).toBe(2);
    expect(online).toBe(false);
    const { certificate, hub: seen } = await agent.status();
    expect(certificate.problem?.code).toBe("CLOCK_WRONG");
    expect(seen.problem?.code).toBe("ENVELOPE_EXPIRED");
  }, WAIT);
  expect(await recordsOf("agent.recovered")).toEqual([]);
  expect(agent.certificate()).toBe(before);
  await agent.stop();
  await agent.start();
  await comesBack();
  // The hub counts it as connected before its hello is saved.
  await vi.waitFor(async () => {
    expect(Math.abs(Number((await describeAgent())["clockSkewMs"]))).toBeLessThan(DAY_MS / 24);
    expect((await agent.status()).certificate.problem).toBe(null);
  }, WAIT);
});

test("attack 20: a host from a snapshot whose certificate ended comes back and is held", async () => {
  const snapshot = await hub.issueCertificate(-2 * DAY_MS, -1);
  agent.setCertificate(snapshot);
  await agent.start();
  await comesBack();
  expect(await held()).toEqual(["rolled-back"]);
  // Also when it comes again with the certificate that it was given.
  await agent.stop();
  await agent.start();
  await comesBack();
  expect(await held()).toEqual(["rolled-back"]);
  expect((await hub.ask("POST", "/agents/web-1/release")).code).toBe(200);
  await agent.stop();
  await agent.start();
  await comesBack();
  expect(await held()).toEqual([]);
  // The state that was lost is refused.
  await expect(hub.connect(hub.agent.certificate)).rejects.toThrow("401");
});

test("attack 21: an older copy that asks for its next certificate beside the live agent locks the identity", async () => {
  const snapshot = await hub.issueCertificate(-2 * DAY_MS, -1);
  await agent.start();
  await comesBack();
  expect(await ask(snapshot)).toBe("AGENT_LOCKED");
  expect(await held()).toEqual(["locked"]);
  await vi.waitFor(async () => {
    expect((await agent.status()).certificate.problem?.code).toBe("AGENT_LOCKED");
  }, WAIT);
  await agent.stop();
  // The way out: an invitation for exactly that name gives one host a new key.
  expect(await enrolAt(hub, await makeTicket(hub, "web-1"))).toBe("enrolled");
  expect(await held()).toEqual([]);
  expect(await ask(agent.certificate())).toBe("CERTIFICATE_REFUSED");
});

test("a recovery needs the agent's key, on this connection, and a certificate that is not revoked", async () => {
  const ended = await hub.issueCertificate(-DAY_MS);
  const stranger = generateKeyPairSync("ed25519").privateKey;
  expect(await ask(ended, stranger)).toBe("CERTIFICATE_REFUSED");
  const { sql, ...database } = await hub.openDatabase();
  await sql`update agent_certificates set revoked_at = now() where serial = ${serialOf(ended)}`;
  expect(await ask(ended)).toBe("CERTIFICATE_REFUSED");
  await sql`update agent_certificates set revoked_at = null where serial = ${serialOf(ended)}`;
  await database.close();
  expect(await ask(await issueElsewhere())).toBe("CERTIFICATE_REFUSED");
  expect(await ask(ended)).toBe("recovered");
  const ofAnotherSession = (socket: TLSSocket) => {
    socket.exportKeyingMaterial = () => Buffer.alloc(32);
  };
  expect(await ask(ended, hub.agent.key.privateKey, ofAnotherSession)).toBe("CERTIFICATE_REFUSED");
});

test("identity rule 1: an address has five refused recoveries a minute, and an agent five in all", async () => {
  const ended = await hub.issueCertificate(-DAY_MS);
  const many = "TOO_MANY_ATTEMPTS";
  const codes: string[] = [];
  for (let index = 0; index < 7; index++) codes.push(await ask(ended));
  expect(codes).toEqual([...Array<string>(5).fill("recovered"), many, many]);
  const refused: string[] = [];
  for (let index = 0; index < 7; index++) {
    refused.push(await ask(await hub.issueCertificate(-31 * DAY_MS)));
  }
  expect(refused).toEqual([...Array<string>(5).fill("CERTIFICATE_REFUSED"), many, many]);
});

test("attack 67: an agent comes back to a hub that was restored from before its certificate", async () => {
  const { sql, ...database } = await hub.openDatabase();
  const lost = await hub.issueCertificate(20 * 3_600_000);
  const restore = () =>
    sql`delete from agent_certificates where serial = ${serialOf(lost)}`.then(() => undefined);
  await restore();
  agent.setCertificate(lost);
  await agent.start();
  await comesBack();
  expect(await recordsOf("agent.recovered")).toMatchObject([
    { agent: "web-1", detail: { after: serialOf(lost), wasListed: false } },
  ]);
  expect(await held()).toEqual([]);
  await agent.stop();
  const longAgo = await hub.issueCertificate(-31 * DAY_MS);
  await sql`delete from agent_certificates where serial = ${serialOf(longAgo)}`;
  expect(await ask(longAgo)).toBe("CERTIFICATE_REFUSED");
  // Not after the agent got another key, and not after it was revoked.
  expect(await enrolAt(hub, await makeTicket(hub, "web-1"))).toBe("enrolled");
  await restore();
  expect(await ask(lost)).toBe("CERTIFICATE_REFUSED");
  expect((await hub.ask("DELETE", "/agents/web-1")).code).toBe(200);
  expect(await ask(lost)).toBe("CERTIFICATE_REFUSED");
  await database.close();
});
