import { randomUUID } from "node:crypto";
import type { AuditRecord } from "@sonde/schemas/audit";
import type { Manifest } from "@sonde/schemas/manifest";
import type { Digest } from "@sonde/schemas/names";
import type { ResultBody } from "@sonde/schemas/wire";
import { SondeError } from "@sonde/schemas/errors";
import { buildResult } from "@sonde/schemas/testing";
import { chainRecord, EMPTY_HEAD, headAfter } from "@sonde/trust/chain";
import { expect, test } from "vitest";
import type { AuditLog } from "../../audit/index.ts";
import { grantsOf, type Principal } from "../../identity/index.ts";
import { callProbe, type CallPorts } from "./call-probe.ts";
import { buildDefinitions, Catalog } from "../../catalog/index.ts";
import type { HubPack, KnownAgent } from "../../directory/index.ts";
import type { AgentCall } from "../../links/index.ts";

const DIGEST: Digest = `sha256:${"a".repeat(64)}`;
const closed = { type: "object" as const, additionalProperties: false as const };

const manifest: Manifest = {
  manifest: 1,
  name: "acme/hello",
  version: "1.0.0",
  description: "A pack for this test.",
  license: "MIT",
  repository: "https://example.com",
  engines: { agent: "*" },
  sources: {},
  requires: { groups: [], commands: [], files: [], sockets: [] },
  probes: {
    greet: {
      description: "Says hello.",
      capability: "observe",
      params: {
        ...closed,
        properties: { times: { type: "integer", maximum: 3 }, note: { type: "string" } },
        required: [],
      },
      result: {
        ...closed,
        properties: { names: { type: "array", items: { type: "string" }, maxItems: 3 } },
        required: [],
      },
      reads: {},
    },
  },
};
const signer = { kind: "rsa-sha256" as const, publisher: "acme", keyId: DIGEST };
const pack: HubPack = { digest: DIGEST, name: "acme/hello", version: "1.0.0", signer, manifest };

const RESULT = buildResult(randomUUID());
const envelope = { payloadType: "x", payload: "", signatures: [{ keyid: DIGEST, sig: "" }] };

/** Sets up the hub's core with two ports that record the order of their uses. */
function setUp(
  change: {
    agents?: string[];
    auditFails?: boolean;
    offline?: boolean;
    answer?: Partial<ResultBody>;
  } = {},
) {
  const journal: string[] = [];
  const records: AuditRecord[] = [];
  const sent: AgentCall[] = [];
  let head = EMPTY_HEAD;
  const write = (how: string) => async (record: AuditRecord) => {
    if (change.auditFails) throw new SondeError("AUDIT_UNAVAILABLE", "the disk is full");
    const entry = chainRecord(head, record);
    head = headAfter(entry);
    journal.push(`${how} ${record.event}`);
    records.push(record);
    return entry;
  };
  const auditLog: AuditLog = {
    append: write("audit"),
    appendSoon: write("note"),
    head: () => head,
    flush: () => Promise.resolve(),
  };
  const agent: KnownAgent = {
    ...{
      id: randomUUID(),
      name: "web-1",
      publicKey: "key",
      enrolledAt: "2026-01-01T00:00:00.000Z",
    },
    ...{ lastSeenAt: null, hello: null, desired: { revision: 1, packs: [] } },
    link: { hub: null, epoch: 0 },
    packs: [
      {
        ...{ name: "acme/hello", version: "1.0.0", digest: DIGEST, state: "active" },
        ...{ signer: null, probes: ["greet"], approved: null, reason: null },
      },
    ],
  };
  const packs = new Map([[DIGEST, pack]]);
  const pins = new Map(
    buildDefinitions(pack).map(({ probe, definitionSha256 }) => [probe, definitionSha256]),
  );
  const catalog = new Catalog({ packs: () => packs, pins: () => pins });
  catalog.setAgent(agent);
  const ports: CallPorts = {
    catalog,
    directory: {
      packs: () => packs,
      agent(name) {
        if (name === agent.name) return agent;
        throw new SondeError("AGENT_UNKNOWN", name);
      },
    },
    links: {
      async *deliver(targets, asked) {
        await Promise.resolve();
        for (const { agentId, ...target } of targets) {
          if (change.offline) {
            yield { agentId, error: new SondeError("AGENT_OFFLINE", "not connected") };
            continue;
          }
          journal.push(`send ${asked.body.probe}`);
          sent.push({ ...asked, ...target });
          yield { agentId, answer: { body: { ...RESULT, ...change.answer }, envelope } };
        }
      },
    },
    auditLog,
    now: () => new Date("2026-01-01T00:00:00Z"),
    elapsed: () => 0,
    newCallId: randomUUID,
    report: () => undefined,
    timeoutMs: 1000,
  };
  const principal: Principal = {
    subject: { id: "key:1", name: "test" },
    grants: grantsOf({ role: "client", agents: change.agents ?? "*", probes: "*" }),
    policyHash: DIGEST,
  };
  const call = (
    request: Partial<{ tool: string; agent: string; params: Record<string, unknown> }> = {},
  ) =>
    callProbe(ports, principal, {
      tool: "acme__hello_greet",
      agent: "web-1",
      params: {},
      ...request,
    });
  return { call, journal, records, sent };
}

const codeOf = ({ structuredContent }: Awaited<ReturnType<ReturnType<typeof setUp>["call"]>>) =>
  structuredContent.results[0]?.failure?.code;

test("a call is recorded before it is sent, and its response after", async () => {
  const { call, journal, records } = setUp();
  const outcome = await call({ params: { times: 2 } });
  expect(outcome.isError).toBe(false);
  expect(journal).toEqual(["audit call.request", "send acme/hello.greet", "note call.response"]);
  expect(records[0]).toMatchObject({
    callId: outcome.callId,
    principal: "key:1",
    agent: "web-1",
    packDigest: DIGEST,
    detail: { decision: "allow", params: { times: 2 }, signer },
  });
});

test("a call that cannot be recorded is not sent", async () => {
  const { call, journal } = setUp({ auditFails: true });
  expect(codeOf(await call())).toBe("AUDIT_UNAVAILABLE");
  expect(journal).toEqual([]);
});

test.each([
  ["an agent outside the key's policy", "FORBIDDEN", { agents: ["web-2"] }, {}],
  ["a tool nobody approved", "PROBE_UNKNOWN", {}, { tool: "acme__hello_shout" }],
  ["an agent that does not exist", "AGENT_UNKNOWN", {}, { agent: "web-9" }],
  ["a prototype's name for an agent", "AGENT_UNKNOWN", {}, { agent: "__proto__" }],
  ["arguments beyond their range", "PARAMS_INVALID", {}, { params: { times: 4 } }],
  ["arguments of another type", "PARAMS_INVALID", {}, { params: { times: "2" } }],
  ["an argument nobody declared", "PARAMS_INVALID", {}, { params: { shell: "id" } }],
] as const)(
  "%s is refused as %s, recorded and never sent",
  async (_what, code, change, request) => {
    const { call, journal, records } = setUp({
      ...("agents" in change && { agents: [...change.agents] }),
    });
    expect(codeOf(await call(request))).toBe(code);
    expect(journal).toEqual(["audit call.denied"]);
    expect(records[0]).toMatchObject({ status: "denied", code });
  },
);

test("an offline agent gives an answer, with both rows", async () => {
  const { call, journal } = setUp({ offline: true });
  expect(codeOf(await call())).toBe("AGENT_OFFLINE");
  expect(journal).toEqual(["audit call.request", "note call.response"]);
});

test("a secret among the arguments reaches the agent and stays out of the log", async () => {
  const { call, records, sent } = setUp();
  const params = { note: "run it with --password hunter2" };
  expect((await call({ params })).isError).toBe(false);
  expect(sent.map(({ body }) => body.params)).toEqual([params]);
  expect(records[0]?.detail["params"]).toEqual({
    note: "run it with --password [redacted:password]",
  });
  await call({ tool: "acme__hello_shout --password hunter2" });
  expect(JSON.stringify(records)).not.toContain("hunter2");
});

test.each([
  ["a value of another type", { data: { names: "x" } }],
  ["a member nobody promised", { data: { names: [], note: "do as I say" } }],
  ["a list longer than promised", { data: { names: ["a", "b", "c", "d"] } }],
  ["no data at all", { data: undefined } as unknown as Partial<ResultBody>],
])("an answer with %s is RESULT_INVALID, for the client and on record", async (_what, answer) => {
  const { call, records } = setUp({ answer });
  const { isError, structuredContent } = await call();
  expect(isError).toBe(true);
  expect(structuredContent.results[0]).toMatchObject({
    status: "failure",
    failure: { code: "RESULT_INVALID" },
  });
  expect(structuredContent.results[0]).not.toHaveProperty("data");
  // The agent's signed answer stays as evidence.
  expect(records[1]).toMatchObject({
    event: "call.response",
    status: "failure",
    code: "RESULT_INVALID",
    detail: { envelope },
  });
});

test("redacted or truncated data still fits the schema", async () => {
  const data = { names: ["[redacted:password]"] };
  const { call } = setUp({ answer: { data, truncated: true } });
  const { isError, structuredContent } = await call();
  expect(isError).toBe(false);
  expect(structuredContent.results[0]).toMatchObject({ status: "ok", data, truncated: true });
});

test("a failure carries no data", async () => {
  const failure = { code: "READ_FAILED", message: "no such disk" };
  const { call } = setUp({ answer: { status: "failure", failure, data: { note: "x" } } });
  const { structuredContent } = await call();
  expect(structuredContent.results[0]).toMatchObject({ failure: { code: "READ_FAILED" } });
  expect(structuredContent.results[0]).not.toHaveProperty("data");
});
