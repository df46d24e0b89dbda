import { X509Certificate } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type AuditEntry } from "@sonde/schemas/audit";
import { parseAgentDetail, parseAgentList, parseCreatedToken } from "@sonde/schemas/hub";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { enrolAgent } from "../../cli/src/start/enrol-agent.ts";
import { createWorkshop, type Workshop } from "../../foundation/privileges/src/testing/workshop.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { createKnownAgent, type KnownAgent } from "./start-known-agent.ts";

// The agent that `npm start` runs, and its hub, as processes: what a start does when the agent's
// certificate has ended.

const DAY_MS = 24 * 3_600_000;
let workshop: Workshop;
let programs: { agent: string; enrol: string };
let hub: TestHub;
let agent: KnownAgent;

beforeAll(async () => {
  workshop = await createWorkshop();
  programs = {
    agent: await workshop.bundle("agent", `import "./agent/daemon/src/main.ts";`),
    enrol: await workshop.bundle("enrol", `import "./agent/daemon/src/enrol.ts";`),
  };
});
afterAll(() => workshop.close());
beforeEach(async () => {
  hub = await startHub();
  agent = createKnownAgent(hub, workshop, programs.agent);
});
afterEach(async () => {
  await agent.stop();
  await hub.close();
});

const describeAgent = async () => parseAgentDetail((await hub.ask("GET", "/agents/web-1")).answer);
const heldFor = async () => (await describeAgent()).holds.map(({ kind }) => kind);
async function countEnrolled(): Promise<number> {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = answer["entries"] as AuditEntry[];
  return entries.filter(({ record }) => record.event === "agent.enrolled").length;
}

/** The hub's REST API with the operator's key, as `npm start` asks it. */
const client = {
  listAgents: async () => parseAgentList((await hub.ask("GET", "/agents")).answer).agents,
  quarantineAgent: async (name: string, reason: string) =>
    parseAgentDetail((await hub.ask("POST", `/agents/${name}/quarantine`, { reason })).answer),
  createToken: async (agentName: string) =>
    parseCreatedToken((await hub.ask("POST", "/enrolment-tokens", { agentName })).answer),
};

/** What a start does before it starts the agent. */
async function begin(enrolPort: number | null = hub.ready.enrol): Promise<void> {
  const config = join(workshop.folder, "config");
  mkdirSync(config, { recursive: true, mode: 0o755 });
  agent.giveAway();
  await enrolAgent(
    { config, agent: join(agent.identity, "..") },
    client,
    {
      ...{ agentName: "web-1", keyAlgorithm: "ed25519", enrolPort },
      certificate: agent.certificate(),
    },
    hub.ready.enrol,
    (args) => {
      const [command = "", ...words] = workshop.unprivileged([programs.enrol, ...args]);
      return { command, args: words };
    },
  );
}

async function holdAsRolledBack(): Promise<void> {
  const { sql, ...database } = await hub.openDatabase();
  await sql`insert into agent_holds (agent_id, kind, reason, since, by)
    values (${hub.agent.id}, 'rolled-back', 'Its host went back in time.', now(), 'hub')`;
  await database.close();
  await hub.restart();
}

test("an agent whose certificate has ended comes back by proof of its key, and stays held", async () => {
  await holdAsRolledBack();
  agent.setCertificate(await hub.issueCertificate(-2 * DAY_MS));
  await begin();
  expect(await countEnrolled()).toBe(0);
  await agent.start();
  await vi.waitFor(async () => expect((await describeAgent()).online).toBe(true), 30_000);
  expect(new X509Certificate(agent.certificate()).validToDate.getTime()).toBeGreaterThan(
    Date.now(),
  );
  expect(await heldFor()).toContain("rolled-back");
});

test.each([
  ["ended too long ago", -31 * DAY_MS, undefined],
  ["ended, and that does not know where to come back", -2 * DAY_MS, null],
])("one whose certificate %s enrols anew, and what held it holds it", async (_what, left, port) => {
  await holdAsRolledBack();
  agent.setCertificate(await hub.issueCertificate(left));
  await begin(port);
  expect(await countEnrolled()).toBe(1);
  const { holds } = await describeAgent();
  expect(holds).toMatchObject([
    { kind: "quarantined", reason: expect.stringContaining("rolled-back: Its host went back") },
  ]);
});

test("one that nothing held enrols anew and is free; one with a certificate in force stays", async () => {
  await begin();
  expect(await countEnrolled()).toBe(0);
  agent.setCertificate(await hub.issueCertificate(-31 * DAY_MS));
  await begin();
  expect(await countEnrolled()).toBe(1);
  expect(await heldFor()).toEqual([]);
});
