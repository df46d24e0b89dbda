import { afterAll, beforeAll, expect, test } from "vitest";
import type { AuditEntry } from "@sonde/schemas/audit";
import { readVerifiedAgentAudit, readVerifiedAudit } from "../product/audit.ts";
import { type CallAnswer, connectOlderClient } from "../product/mcp-clients.ts";
import { findPid, findPostgres, type Role } from "../product/processes.ts";
import { type Product, readLog, startProduct, until } from "../product/start-product.ts";
import {
  addPublisher,
  installPack,
  publishPack,
  type TestPublisher,
  trustPublisher,
} from "../product/test-packs.ts";

// Attack classes 61 to 63 and 65: every process is killed at the worst moment, and nothing
// acknowledged is lost.

const SOURCES = `export const load = source.file({ path: "/proc/loadavg", samples: { count: 3, intervalMs: 1000 } });`;
const SLOW = `look: probe({ description: "Looks for two seconds.", result: t.object({ looks: t.integer() }),
  reads: { load: sources.load }, run: ({ reads }) => ({ looks: reads.load.samples.length }) })`;

let product: Product;
let acme: TestPublisher;

beforeAll(async () => {
  product = await startProduct({ hubs: 1 });
  acme = await addPublisher(product, "acme");
  trustPublisher(product, acme);
  await installPack(product, acme, {
    name: "acme/slow",
    version: "1.0.0",
    sources: SOURCES,
    probes: SLOW,
  });
});
afterAll(async () => {
  await product?.stop();
});

/** One call on its own connection. If the hub dies during the call, the result is "no answer". */
async function ask(tool: string): Promise<CallAnswer | "no answer"> {
  try {
    const client = await connectOlderClient(product.mcpUrl, product.apiKey);
    try {
      return await client.call(tool, { agent: product.agent });
    } finally {
      await client.close();
    }
  } catch {
    // Any error that the transport raises for a killed peer.
    return "no answer";
  }
}
const codeOf = (answer: CallAnswer | "no answer") =>
  answer === "no answer" ? answer : (answer.results[0]?.failure?.code ?? "ok");
const slow = () => ask("acme__slow_look");
const quick = () => ask("system_memory_usage");

/** Makes a slow call and resolves when the agent has recorded it. The probe is then running. */
async function startSlow(): Promise<{ answer: ReturnType<typeof slow> }> {
  const begun = () =>
    readVerifiedAgentAudit(product).filter(
      ({ record }) => record.event === "call.request" && record.probe === "acme/slow.look",
    ).length;
  const before = begun();
  const answer = slow();
  await until("the probe to begin", () => begun() > before);
  return { answer };
}

function kill(role: Role): number {
  const pid = findPid(product, role);
  if (pid === undefined) throw new Error(`there is no ${role}`);
  process.kill(pid, "SIGKILL");
  return pid;
}

/** Everything recovers without help: a new process is connected and answers. */
async function untilWell(role: Role, killed: number): Promise<void> {
  await until(
    `a new ${role}`,
    () => {
      const pid = findPid(product, role);
      return pid !== undefined && pid !== killed;
    },
    60_000,
  );
  await until("an answer", async () => codeOf(await quick()) === "ok", 60_000);
}

/** The hub's log verifies and contains every call. So does the agent's log, with the answers. */
async function expectOnRecord(answered: CallAnswer[]): Promise<AuditEntry[]> {
  const hub = await readVerifiedAudit(product);
  const agent = readVerifiedAgentAudit(product);
  const eventsOf = (entries: AuditEntry[]) => {
    const byCall = new Map<string | null, string[]>();
    for (const { record } of entries) {
      byCall.set(record.callId, [...(byCall.get(record.callId) ?? []), record.event]);
    }
    return byCall;
  };
  const onHub = eventsOf(hub);
  const onAgent = eventsOf(agent);
  for (const { callId } of answered) {
    expect(onHub.get(callId)?.[0]).toBe("call.request");
    // A crash may lose the last response entry. The next start then records this.
    expect(["call.response", "call.unknown"]).toContain(onHub.get(callId)?.[1]);
    expect(onAgent.get(callId)).toEqual(["call.request", "call.response"]);
  }
  // The hub recorded every call before it ran.
  const ran = [...onAgent.keys()].filter((callId) => callId !== null);
  expect(ran.filter((callId) => onHub.get(callId)?.[0] !== "call.request")).toEqual([]);
  return hub;
}

/** Calls without a pause until told to stop. Returns the successful calls. */
function startBurst(width: number): { count(): number; stop(): Promise<CallAnswer[]> } {
  let stopped = false;
  const answered: CallAnswer[] = [];
  const lane = async () => {
    while (!stopped) {
      const answer = await quick();
      if (answer !== "no answer" && codeOf(answer) === "ok") answered.push(answer);
    }
  };
  const lanes = Promise.all(Array.from({ length: width }, lane));
  return {
    count: () => answered.length,
    async stop() {
      stopped = true;
      await lanes;
      return answered;
    },
  };
}

test("the agent dies while a probe runs: an error code at once, then AGENT_OFFLINE, then recovery", async () => {
  const { answer: interrupted } = await startSlow();
  const killed = kill("agent");
  const answer = await interrupted;
  expect(codeOf(answer)).toBe("CALL_OUTCOME_UNKNOWN");
  expect(["AGENT_OFFLINE", "ok"]).toContain(codeOf(await quick()));
  await untilWell("agent", killed);
  expect(codeOf(await slow())).toBe("ok");
  const { callId } = answer as CallAnswer;
  const hub = (await readVerifiedAudit(product)).filter(({ record }) => record.callId === callId);
  expect(hub.map(({ record }) => [record.event, record.code])).toEqual([
    ["call.request", null],
    ["call.response", "CALL_OUTCOME_UNKNOWN"],
  ]);
  // The agent's log contains the call that it had begun, although no answer was produced.
  const agent = readVerifiedAgentAudit(product).filter(({ record }) => record.callId === callId);
  expect(agent.map(({ record }) => record.event)).toEqual(["call.request"]);
});

test("the hub dies while a probe runs: the log records an unknown outcome, and the agent reconnects", async () => {
  const before = new Set((await readVerifiedAudit(product)).map(({ record }) => record.callId));
  const agentPid = findPid(product, "agent");
  const { answer: interrupted } = await startSlow();
  const killed = kill("hub");
  expect(await interrupted).toBe("no answer");
  await untilWell("hub", killed);
  expect(findPid(product, "agent")).toBe(agentPid);
  const entries = await readVerifiedAudit(product);
  const unknown = entries.filter(
    ({ record }) => record.event === "call.unknown" && !before.has(record.callId),
  );
  expect(unknown.map(({ record }) => [record.probe, record.code])).toEqual([
    ["acme/slow.look", "CALL_OUTCOME_UNKNOWN"],
  ]);
  expect(codeOf(await slow())).toBe("ok");
});

test.each<Role>(["hub", "agent"])(
  "attack 61, 62: the %s dies amid many calls, and every answered call is on both records",
  async (role) => {
    const burst = startBurst(8);
    await until("many answers", () => burst.count() > 20);
    const killed = kill(role);
    const answered = await burst.stop();
    await untilWell(role, killed);
    const hub = await expectOnRecord(answered);
    // No request stays open: each has an outcome, known or unknown.
    const ended = new Set(
      hub
        .filter(({ record }) => record.event !== "call.request")
        .map(({ record }) => record.callId),
    );
    const open = hub.filter(
      ({ record }) => record.event === "call.request" && !ended.has(record.callId),
    );
    expect(open).toEqual([]);
  },
);

test("the runner dies during a read: its replacement answers the same call", async () => {
  const { answer: interrupted } = await startSlow();
  const killed = kill("runner");
  expect(codeOf(await interrupted)).toBe("ok");
  expect(findPid(product, "runner")).not.toBe(killed);
});

test("the registry dies: packs stay active, and publishing works again afterwards", async () => {
  const killed = kill("registry");
  expect(codeOf(await quick())).toBe("ok");
  await untilWell("registry", killed);
  await until("the registry to answer", async () => {
    try {
      return (await fetch(`${product.registryUrl}/health`)).ok;
    } catch {
      return false;
    }
  });
  await publishPack(product, acme, {
    name: "acme/slow",
    version: "1.1.0",
    sources: SOURCES,
    probes: SLOW,
  });
  const pack = await fetch(`${product.registryUrl}/api/v1/packs/acme/slow/1.0.0/archive`);
  expect(pack.status).toBe(200);
});

test("attack 65: the hub's PostgreSQL dies: nothing runs unrecorded, and both recover", async () => {
  const answered: CallAnswer[] = [];
  for (let index = 0; index < 3; index++) answered.push((await quick()) as CallAnswer);
  const hub = findPid(product, "hub") ?? 0;
  process.kill(findPostgres(product, "hub"), "SIGKILL");
  const during = await quick();
  expect(["AUDIT_UNAVAILABLE", "UNAUTHENTICATED", "INTERNAL", "no answer", "ok"]).toContain(
    codeOf(during),
  );
  // PostgreSQL's backends outlive the postmaster for a moment, and their commits are durable.
  if (during !== "no answer" && codeOf(during) === "ok") answered.push(during);
  await untilWell("hub", hub);
  expect(readLog(product, "hub")).toContain("the PostgreSQL server of");
  await expectOnRecord(answered);
});

test("the registry's PostgreSQL dies: the registry ends with a message and restarts", async () => {
  const registry = findPid(product, "registry") ?? 0;
  process.kill(findPostgres(product, "registry"), "SIGKILL");
  await untilWell("registry", registry);
  expect(readLog(product, "registry")).toContain("the PostgreSQL server of");
  await until(
    "the registry to answer",
    async () => {
      try {
        return (await fetch(`${product.registryUrl}/api/v1/packs/acme/slow`)).ok;
      } catch {
        return false;
      }
    },
    60_000,
  );
});
