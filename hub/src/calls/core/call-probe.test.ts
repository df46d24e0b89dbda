import { randomUUID } from "node:crypto";
import type { AuditRecord } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import type { HoldKind } from "@sonde/schemas/hub";
import type { Manifest } from "@sonde/schemas/manifest";
import type { Digest } from "@sonde/schemas/names";
import type { Tag } from "@sonde/schemas/tags";
import { buildResult } from "@sonde/schemas/testing";
import type { ResultBody } from "@sonde/schemas/wire";
import { chainRecord, EMPTY_HEAD, headAfter } from "@sonde/trust/chain";
import { expect, test } from "vitest";
import type { AuditLog } from "../../audit/index.ts";
import { buildDefinitions, Catalog } from "../../catalog/index.ts";
import type { HubPack, KnownAgent } from "../../directory/index.ts";
import { compilePolicy } from "../../identity/core/compile-policy.ts";
import type { Principal } from "../../identity/index.ts";
import { grantsOf } from "../../testing/grants-of.ts";
import type { AgentCall } from "../../links/index.ts";
import type { CallOutcome, CallPorts } from "./call.ts";
import { callProbe } from "./call-probe.ts";
import { explainCall } from "./explain-call.ts";

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
  sources: {
    note: {
      ...{
        kind: "file",
        path: ["/etc/motd.d/", { hole: "part" }],
        timeoutMs: 1000,
        maxBytes: 1000,
      },
      holes: { part: { type: "integer", minimum: 0, maximum: 3 } },
    },
  },
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
      reads: { note: { source: "note", with: { part: { param: "times", otherwise: 0 } } } },
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
    /** That the key may ask. */
    agents?: string[];
    grants?: Principal["grants"];
    /** How many calls a rate leaves. */
    left?: number;
    /** Of web-1's pack, of which then no probe is offered. */
    withheld?: string;
    /** Enrolled besides web-1. */
    others?: string[];
    /** Enrolled with the pack of web-1, besides it. */
    fleet?: { name: string; tags?: Tag[]; holds?: KnownAgent["holds"] }[];
    /** Agents that answer with this error. */
    errors?: Record<string, SondeError>;
    holds?: KnownAgent["holds"];
    auditFails?: boolean;
    offline?: boolean;
    defect?: Error;
    answer?: Partial<ResultBody>;
  } = {},
) {
  const journal: string[] = [];
  const records: AuditRecord[] = [];
  const sent: AgentCall[] = [];
  const reported: [cause: unknown, callId: string | undefined][] = [];
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
    readHead: () => Promise.resolve(head),
    readHash: () => Promise.resolve(null),
    flush: () => Promise.resolve(),
  };
  const agent: KnownAgent = {
    ...{
      id: randomUUID(),
      name: "web-1",
      tags: [],
      publicKey: "key",
      enrolledAt: "2026-01-01T00:00:00.000Z",
      certificateExpiresAt: null,
      clockSkewMs: null,
      refusedHubAt: null,
      holds: change.holds ?? [],
      attestation: { state: "not-attested", expected: 0, review: 0 },
    },
    ...{ lastSeenAt: null, hello: null, desired: { revision: 1, packs: [] } },
    ...{ hubGrants: { revision: 0, given: [] }, approvals: null },
    link: { hub: null, epoch: 0 },
    packs: [
      {
        ...{ name: "acme/hello", version: "1.0.0", digest: DIGEST, state: "active" },
        ...{ signer: null, probes: ["greet"], approved: null, reason: null },
        ...(change.withheld !== undefined && {
          ...{ probes: [], reason: { code: "READ_NOT_GRANTED", message: change.withheld } },
        }),
      },
    ],
  };
  const packs = new Map([[DIGEST, pack]]);
  const pins = new Map(
    buildDefinitions(pack).map(({ probe, definitionSha256 }) => [probe, definitionSha256]),
  );
  const catalog = new Catalog({ packs: () => packs, pins: () => pins });
  const fleet: KnownAgent[] = (change.fleet ?? []).map((more) => ({
    ...{ ...agent, id: randomUUID(), tags: [], ...more },
  }));
  const offering = [agent, ...fleet];
  for (const one of offering) catalog.setAgent(one);
  const named = (name: string) => offering.find((one) => one.name === name);
  const ports: CallPorts = {
    catalog,
    directory: {
      packs: () => packs,
      agents: () => [...offering, ...(change.others ?? []).map((name) => ({ ...agent, name }))],
      tagged: (name) => named(name) ?? { name, tags: [] },
      agent(name) {
        const one = named(name);
        if (one !== undefined) return one;
        throw new SondeError("AGENT_UNKNOWN", name);
      },
    },
    keepPolicy: () => {
      journal.push("keep policy");
      return Promise.resolve();
    },
    links: {
      async *deliver(targets, asked) {
        await Promise.resolve();
        for (const { agentId, ...target } of targets) {
          if (change.defect !== undefined) throw change.defect;
          const { name = "" } = offering.find(({ id }) => id === agentId) ?? {};
          const error = change.errors?.[name];
          if (error !== undefined) {
            yield { agentId, error };
            continue;
          }
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
    rates: {
      async take(rates) {
        taken += rates.length;
        if (taken > (change.left ?? 0)) throw new SondeError("RATE_LIMITED", "too many");
      },
    },
    now: () => new Date("2026-01-01T00:00:00Z"),
    elapsed: () => 0,
    newCallId: randomUUID,
    report: (error, callId) => reported.push([error.cause, callId]),
    limits: () => ({ timeoutMs: 1000, answerWithinMs: 900, maxAgents: 3 }),
  };
  let taken = 0;
  const principal: Principal = {
    subject: { id: "key:1", name: "test" },
    grants:
      change.grants ?? grantsOf({ role: "client", agents: change.agents ?? "*", probes: "*" }),
    policyText: "[]",
    policyHash: DIGEST,
  };
  type Request = { tool: string; agent: unknown; params: Record<string, unknown> };
  const callAll = (request: Partial<Request> = {}) =>
    callProbe(
      ports,
      principal,
      { tool: "acme__hello_greet", agent: "web-1", params: {}, ...request },
      new AbortController().signal,
    );
  /** A call of one agent. */
  const call = async (request: Partial<Request> = {}) => {
    const [outcome, ...others] = await callAll(request);
    if (outcome === undefined || others.length > 0) throw new Error("expected one outcome");
    return { ...outcome, isError: outcome.result.status === "failure" };
  };
  const explain = (params: Record<string, unknown>, asked: unknown = "web-1") =>
    explainCall(ports, principal, { tool: "acme__hello_greet", agent: asked, params });
  return { call, callAll, explain, catalog, journal, records, reported, sent };
}

const codeOf = ({ result }: Awaited<ReturnType<ReturnType<typeof setUp>["call"]>>) =>
  result.failure?.code;

test("a call is recorded before it is sent, and its response after", async () => {
  const { call, journal, records, sent } = setUp();
  const outcome = await call({ params: { times: 2 } });
  expect(outcome.isError).toBe(false);
  expect(journal).toEqual([
    ...["keep policy", "audit call.request"],
    ...["send acme/hello.greet", "note call.response"],
  ]);
  expect(sent).toMatchObject([{ principal: "key:1", askedBy: "test" }]);
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
  expect(journal).toEqual(["keep policy"]);
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

const hold = (kind: HoldKind) => ({ kind, reason: `${kind}.`, since: "2026-01-01", by: "hub" });
test.each([
  ["AGENT_LOCKED", ["locked"]],
  ["AGENT_QUARANTINED", ["quarantined"]],
  ["AGENT_ROLLED_BACK", ["rolled-back"]],
  ["AGENT_RESTRICTED", ["restricted"]],
  ["AGENT_QUARANTINED", ["restricted", "rolled-back", "quarantined"]],
  ["AGENT_QUARANTINED", ["of-a-later-release" as HoldKind]],
] as const)("%s: no probe of an agent that is %j runs", async (code, kinds) => {
  const { call, journal } = setUp({ holds: kinds.map(hold) });
  const outcome = await call();
  expect(codeOf(outcome)).toBe(code);
  const first = kinds.at(-1) ?? "";
  expect(messageOf(outcome)).toBe(`agent web-1 is held since 2026-01-01: ${first}.`);
  expect(journal).toEqual(["audit call.denied"]);
});

test("a key that may not ask an agent is not told whether it is held", async () => {
  const { call } = setUp({ holds: [hold("quarantined")], agents: ["web-2"] });
  expect(codeOf(await call())).toBe("FORBIDDEN");
});

test("who may ask a probe is told what its host withholds; who may not learns nothing of it", async () => {
  const withheld = "file /etc/motd was not granted; run: sonde agent approve acme/hello --ask-each";
  const { call, journal } = setUp({ withheld });
  const answer = await call();
  expect(codeOf(answer)).toBe("READ_NOT_GRANTED");
  expect(messageOf(answer)).toBe(`on agent web-1, ${withheld}`);
  expect(journal).toEqual(["audit call.denied"]);
  const grants = grantsOf({ role: "client", agents: ["web-1"], probes: ["acme/hello.shout"] });
  expect(codeOf(await setUp({ withheld, grants }).call())).toBe("PROBE_UNKNOWN");
});

test("a client that acts for a person may call what both may, and no more", async () => {
  const grants = [
    ...grantsOf({ role: "client", agents: ["web-1"], probes: "*" }),
    ...grantsOf({ role: "client", agents: "*", probes: ["acme/hello.greet"] }),
  ];
  const { call, sent } = setUp({ grants });
  expect(codeOf(await call({ agent: "web-2" }))).toBe("FORBIDDEN");
  expect(codeOf(await call({ tool: "acme__hello_shout" }))).toBe("PROBE_UNKNOWN");
  expect(codeOf(await call())).toBeUndefined();
  expect(sent.length).toBe(1);
});

test("a call above the rate of its policy is refused, recorded and never sent", async () => {
  const rate = { perMinute: 60, burst: 1 };
  const policy = compilePolicy("slow", { rate });
  const grants = [{ holder: "key:1", role: "client" as const, policies: [policy] }];
  const { call, journal, records } = setUp({ grants, left: 1 });
  expect(codeOf(await call())).toBeUndefined();
  expect(codeOf(await call())).toBe("RATE_LIMITED");
  expect(journal.slice(-1)).toEqual(["audit call.denied"]);
  expect(records.at(-1)).toMatchObject({ status: "denied", code: "RATE_LIMITED" });
});

const messageOf = ({ result }: Awaited<ReturnType<ReturnType<typeof setUp>["call"]>>) =>
  result.failure?.message;

test.each([
  ["that there is", {}],
  ["that its key may ask", { agents: ["web-1"], others: ["db-1", "web-2"] }],
])("a call without an agent goes to the only one %s", async (_what, change) => {
  for (const agent of [undefined, null]) {
    const { call, records, sent } = setUp(change);
    const { isError, result } = await call({ agent });
    expect([isError, result.agent]).toEqual([false, "web-1"]);
    expect([sent.length, records[0]?.agent]).toEqual([1, "web-1"]);
  }
});

test.each([undefined, null, "", 7, [], ["web-1", 7]])(
  "where its key may ask several agents, a call to %j is told them and no other",
  async (agent) => {
    const { call, journal } = setUp({ agents: ["web-1", "web-2"], others: ["db-1", "web-2"] });
    const answer = await call({ agent });
    expect(codeOf(answer)).toBe("AGENT_UNKNOWN");
    expect(messageOf(answer)).toContain("expected one of web-1, web-2, got");
    expect(journal).toEqual(["audit call.denied"]);
  },
);

test("the agents that a key may ask are named up to a limit", async () => {
  const others = Array.from({ length: 500 }, (_, index) => `host-${index}`);
  const message = messageOf(await setUp({ others }).call({ agent: "VM" })) ?? "";
  expect(message).toContain('host-18 and 481 more, got "VM"');
});

test("a misspelt agent or tag is refused with those that are most alike", async () => {
  const fleet = Array.from({ length: 90 }, (_, index) => ({
    ...{ name: `host-${index + 10}`, tags: [`role=part-${index + 10}`] },
  }));
  const { call } = setUp({ fleet });
  expect(messageOf(await call({ agent: "hots-42" }))).toContain("expected one of host-42, ");
  expect(messageOf(await call({ agent: "#role=prt-77" }))).toContain("one of #role=part-77, ");
  expect(messageOf(await setUp().call({ agent: "#role=web" }))).toContain("no agent has a tag");
});

const WEB = [{ name: "web-2", tags: ["role=web"] }, { name: "web-3" }];
const namesOf = (outcomes: CallOutcome) =>
  outcomes.map(({ result: { agent, status, failure } }) => [agent, failure?.code ?? status]);

test("a list of agents is one call for each: authorized, recorded and answered apart", async () => {
  const errors = { "web-3": new SondeError("CALL_TIMEOUT", "too slow") };
  const { callAll, records, sent } = setUp({ fleet: WEB, errors, agents: ["web-1", "web-3"] });
  const outcomes = await callAll({ agent: ["web-3", "web-2", "web-1"], params: { times: 1 } });
  expect(namesOf(outcomes)).toEqual([
    ["web-3", "CALL_TIMEOUT"],
    ["web-2", "FORBIDDEN"],
    ["web-1", "ok"],
  ]);
  expect(new Set(outcomes.map(({ callId }) => callId)).size).toBe(3);
  for (const { callId, result } of outcomes) {
    const rows = records.filter((record) => record.callId === callId);
    expect(new Set(rows.map(({ agent }) => agent))).toEqual(new Set([result.agent]));
    expect(rows.map(({ event }) => event)).toEqual(
      result.agent === "web-2" ? ["call.denied"] : ["call.request", "call.response"],
    );
  }
  expect(sent.length).toBe(1);
});

test("a tag stands for those of its agents that the key may ask", async () => {
  const fleet = [...WEB, { name: "web-4", tags: ["role=web"] }];
  const all = await setUp({ fleet }).callAll({ agent: "#role=web" });
  expect(namesOf(all)).toEqual([
    ["web-2", "ok"],
    ["web-4", "ok"],
  ]);
  const some = setUp({ fleet, agents: ["web-1", "web-4"] });
  expect(namesOf(await some.callAll({ agent: ["#role=web", "web-4"] }))).toEqual([["web-4", "ok"]]);
  expect(some.records.map(({ agent }) => agent)).toEqual(["web-4", "web-4"]);
  expect(codeOf(await some.call({ agent: "#web-1" }))).toBe("FORBIDDEN");
});

test("attack 40: a call of more agents than the hub allows is refused as a whole, and recorded", async () => {
  const fleet = Array.from({ length: 3 }, (_, index) => ({
    ...{ name: `db-${index}`, tags: ["role=db"] },
  }));
  for (const agent of [
    ["#role=db", "web-1"],
    ["web-1", "a", "b", "c"],
  ]) {
    const { call, journal } = setUp({ fleet });
    const answer = await call({ agent });
    expect(codeOf(answer)).toBe("PARAMS_INVALID");
    expect(messageOf(answer)).toContain("expected at most 3 servers in one call, got 4");
    expect(journal).toEqual(["audit call.denied"]);
  }
});

test("arguments of a call of many agents are checked once, also those that do not fit", async () => {
  const { callAll, catalog } = setUp({ fleet: WEB });
  const entry = catalog.entries().get("acme__hello_greet");
  let read = 0;
  const params = new Proxy(entry?.params ?? {}, {
    get(target, member) {
      if (member === "properties") read += 1;
      return Reflect.get(target, member) as unknown;
    },
  });
  Object.assign(entry ?? {}, { params });
  for (const times of [1, "x"]) {
    read = 0;
    await callAll({ agent: ["web-1", "web-2", "web-3"], params: { times, note: null } });
    const once = read;
    read = 0;
    await callAll({ agent: "web-1", params: { times, note: null } });
    expect(read).toBe(once);
  }
});

test("what a call would read is recorded before it is said, and nothing is sent", async () => {
  const { explain, journal, records } = setUp({ fleet: WEB, agents: ["web-1", "web-3"] });
  const outcomes = await explain({ times: 2 }, ["web-1", "web-2", "web-3"]);
  expect(outcomes.map(({ result: { data, failure } }) => data ?? failure?.code)).toEqual([
    { pack: "acme/hello 1.0.0", reads: ["file /etc/motd.d/2"] },
    "FORBIDDEN",
    { pack: "acme/hello 1.0.0", reads: ["file /etc/motd.d/2"] },
  ]);
  expect(journal.toSorted()).toEqual(["audit call.denied", "audit log.read", "audit log.read"]);
  expect(records[0]).toMatchObject({
    ...{ agent: "web-1", probe: "acme/hello.greet", callId: outcomes[0]?.callId },
    detail: { tool: "explain", params: { times: 2 } },
  });
  const unrecorded = await setUp({ auditFails: true }).explain({});
  expect(unrecorded[0]?.result.failure?.code).toBe("AUDIT_UNAVAILABLE");
});

test("null for an optional argument leaves it out, and for another one it is refused", async () => {
  const { call, sent } = setUp();
  expect((await call({ params: { times: null, note: "x" } })).isError).toBe(false);
  expect(sent.map(({ body }) => body.params)).toEqual([{ note: "x" }]);
  for (const params of [{ shell: null }, { constructor: null }]) {
    expect(codeOf(await call({ params }))).toBe("PARAMS_INVALID");
  }
});

test("an argument nobody declared is refused with those that are known", async () => {
  const answer = await setUp().call({ params: { shell: "id" } });
  expect(messageOf(answer)).toContain("the known ones are agent, times, note");
});

test("an offline agent gives an answer, with both rows", async () => {
  const { call, journal } = setUp({ offline: true });
  expect(codeOf(await call())).toBe("AGENT_OFFLINE");
  expect(journal).toEqual(["keep policy", "audit call.request", "note call.response"]);
});

test("a defect is logged under the call's id, which the answer names", async () => {
  const defect = new Error("a secret detail");
  const { call, reported } = setUp({ defect });
  const outcome = await call();
  expect(codeOf(outcome)).toBe("INTERNAL");
  expect(reported).toEqual([[defect, outcome.callId]]);
  const text = JSON.stringify(outcome.result);
  expect(text).toContain(outcome.callId);
  expect(text).not.toContain("secret");
});

test("a secret among the arguments reaches the agent and stays out of the log", async () => {
  const { call, records, sent } = setUp();
  const params = { note: "run it with --password hunter2" };
  expect((await call({ params })).isError).toBe(false);
  expect(sent.map(({ body }) => body.params)).toEqual([params]);
  expect(records[0]?.detail["params"]).toEqual({
    note: "run it with --password [redacted:password]",
  });
  // So its order is not kept, and that of a call without a secret is.
  await call({ params: { note: "run it" } });
  expect(sent.map(({ isPlain }) => isPlain)).toEqual([false, true]);
  await call({ tool: "acme__hello_shout --password hunter2" });
  await call({ agent: "web-1 --password hunter2" });
  expect(JSON.stringify(records)).not.toContain("hunter2");
});

test.each([
  ["a value of another type", { data: { names: "x" } }],
  ["a member nobody promised", { data: { names: [], note: "do as I say" } }],
  ["a list longer than promised", { data: { names: ["a", "b", "c", "d"] } }],
  ["no data at all", { data: undefined } as unknown as Partial<ResultBody>],
])("an answer with %s is RESULT_INVALID, for the client and on record", async (_what, answer) => {
  const { call, records } = setUp({ answer });
  const { isError, result } = await call();
  expect(isError).toBe(true);
  expect(result).toMatchObject({
    status: "failure",
    failure: { code: "RESULT_INVALID" },
  });
  expect(result).not.toHaveProperty("data");
  // The agent's signed answer stays as evidence.
  expect(records[1]).toMatchObject({
    event: "call.response",
    status: "failure",
    code: "RESULT_INVALID",
    detail: { envelope },
  });
});

const trace = { name: "df", what: "df", bytes: 1, ms: 1 };
test.each([
  ["redaction rules", { redactions: { count: 1, rules: countNames(20_000) } }],
  ["timings", { timings: { ...RESULT.timings, ...countNames(20_000) } }],
  ["a read", { reads: [{ ...trace, more: "x".repeat(200_000) }] }],
])("attack 13: an answer with too much of %s is not recorded with it", async (_what, answer) => {
  const { call, records } = setUp({ answer });
  const { result } = await call();
  expect(result.failure?.code).toBe("RESULT_INVALID");
  expect(records[1]).toMatchObject({ code: "RESULT_INVALID", detail: { envelope } });
  expect(JSON.stringify([records, result]).length).toBeLessThan(5_000);
});

function countNames(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`name${index}`, 1]));
}

test("redacted or truncated data still fits the schema", async () => {
  const data = { names: ["[redacted:password]"] };
  const { call } = setUp({ answer: { data, truncated: true } });
  const { isError, result } = await call();
  expect(isError).toBe(false);
  expect(result).toMatchObject({ status: "ok", data, truncated: true });
});

test("a failure carries no data", async () => {
  const failure = { code: "READ_FAILED", message: "no such disk" };
  const { call } = setUp({ answer: { status: "failure", failure, data: { note: "x" } } });
  const { result } = await call();
  expect(result).toMatchObject({ failure: { code: "READ_FAILED" } });
  expect(result).not.toHaveProperty("data");
});
