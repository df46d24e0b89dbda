import { randomUUID } from "node:crypto";
import type { AuditRecord } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import type { Manifest, ProbeManifest, Runbook } from "@sonde/schemas/manifest";
import { type Digest, splitProbeId } from "@sonde/schemas/names";
import { buildResult } from "@sonde/schemas/testing";
import type { ResultBody } from "@sonde/schemas/wire";
import { chainRecord, EMPTY_HEAD } from "@sonde/trust/chain";
import { expect, test } from "vitest";
import type { CallPorts } from "../../calls/index.ts";
import { Catalog } from "../../catalog/index.ts";
import type { HubPack, KnownAgent } from "../../directory/index.ts";
import type { Principal } from "../../identity/index.ts";
import { grantsOf } from "../../testing/grants-of.ts";
import { runRunbooks } from "../index.ts";

// Runbooks over the hub's core, with ports that record the order of their uses.

const digestOf = (digit: string): Digest => `sha256:${digit.repeat(64).slice(0, 64)}`;
const object = (properties: Record<string, object>) => ({
  ...{ type: "object" as const, properties, required: [] },
  additionalProperties: false as const,
});
const number = { type: "number" as const };
const rows = { type: "array", items: object({ used: number, name: { type: "string" } }) };
const probe: ProbeManifest = {
  description: "How full it is.",
  capability: "observe",
  params: object({ limit: number }) as ProbeManifest["params"],
  result: object({ used: number, rows }) as ProbeManifest["result"],
  reads: {},
};
const runbook: Runbook = {
  description: "A runbook for this test.",
  probes: { disks: { probe: "disks", params: { limit: 9 } }, load: { probe: "load" } },
  rules: [
    {
      ...{ finding: "A disk is full.", severity: "critical", of: "disks", show: ["used"] },
      when: [{ value: "used", atLeast: 90 }],
      next: ["acme__web_load", "acme__web_secret", "other_tool"],
    },
    {
      ...{ finding: "The load is high.", severity: "warning", of: "load", show: ["used"] },
      when: [{ value: "used", atLeast: 4 }],
    },
  ],
};

function packOf(name = "acme/web", change: Partial<Manifest> = {}): HubPack {
  const manifest: Manifest = {
    ...{ manifest: 1, name, version: "1.0.0", description: "A pack for this test." },
    ...{ license: "MIT", repository: "https://example.com", engines: { agent: "*" } },
    ...{ sources: {}, requires: { groups: [], commands: [], files: [], sockets: [] } },
    ...{ probes: { disks: probe, load: probe, secret: probe }, runbook },
    ...change,
  };
  const signer = { kind: "rsa-sha256" as const, publisher: "acme", keyId: digestOf("f") };
  return { digest: digestOf(name.replace(/\W/g, "")), name, version: "1.0.0", signer, manifest };
}

type Answer = Partial<ResultBody> | SondeError;

function setUp(
  change: {
    packs?: HubPack[];
    agents?: string[];
    holds?: KnownAgent["holds"];
    clockSkewMs?: number;
    state?: string;
    /** By the agent, or by the probe's name in its pack. */
    answers?: Record<string, Answer>;
    grants?: Principal["grants"];
    /** Probes whose words nobody approved. */
    held?: string[];
    /** Milliseconds that each answer takes. */
    takes?: number;
  } = {},
) {
  const journal: string[] = [];
  const records: AuditRecord[] = [];
  const sent: { probe: string; params: unknown; agents: string[] }[] = [];
  let at = 0;
  const list = change.packs ?? [packOf()];
  const packs = new Map(list.map((pack) => [pack.digest, pack]));
  const pins = new Map<string, Digest>();
  const catalog = new Catalog({ packs: () => packs, pins: () => pins });
  for (const { probe: name, definitionSha256 } of list.flatMap((pack) => catalog.wordsOf(pack))) {
    if (!(change.held ?? []).includes(name)) pins.set(name, definitionSha256);
  }
  const agents = (change.agents ?? ["web-1"]).map(
    (name): KnownAgent => ({
      ...{ id: randomUUID(), name, tags: [], publicKey: "key", certificateExpiresAt: null },
      ...{ enrolledAt: "2026-01-01T00:00:00.000Z", refusedHubAt: null },
      clockSkewMs: change.clockSkewMs ?? null,
      attestation: { state: "not-attested", expected: 0, review: 0 },
      ...{ holds: change.holds ?? [], lastSeenAt: null, hello: null },
      ...{ hubGrants: { revision: 0, given: [] }, approvals: null },
      ...{ desired: { revision: 1, packs: [] }, link: { hub: null, epoch: 0 } },
      packs: list.map(({ digest, name: pack, manifest }) => ({
        ...{ name: pack, version: "1.0.0", digest, state: change.state ?? "active" },
        ...{ signer: null, probes: Object.keys(manifest.probes), approved: null, reason: null },
      })),
    }),
  );
  for (const agent of agents) catalog.setAgent(agent);
  const find = (name: string) => agents.find((agent) => agent.name === name);
  const write = (how: string) => (record: AuditRecord) => {
    journal.push(`${how} ${record.event}`);
    records.push(record);
    return Promise.resolve(chainRecord(EMPTY_HEAD, record));
  };
  const ports: CallPorts = {
    catalog,
    directory: {
      packs: () => packs,
      agents: () => agents,
      tagged: (name) => find(name) ?? { name, tags: [] },
      agent: (name) => find(name) ?? agents[0] ?? expect.fail("no agent"),
    },
    keepPolicy: () => Promise.resolve(),
    links: {
      async *deliver(targets, { body }, withinMs) {
        await Promise.resolve();
        const inPack = splitProbeId(body.probe).probe;
        const names = targets.flatMap(
          ({ agentId }) => agents.find(({ id }) => id === agentId) ?? [],
        );
        journal.push(`send ${body.probe}`);
        sent.push({ ...body, agents: names.map(({ name }) => name) });
        at += change.takes ?? 0;
        expect(withinMs).toBeGreaterThan(0);
        for (const { id, name } of names) {
          const answer = change.answers?.[name] ?? change.answers?.[inPack] ?? {};
          if (answer instanceof SondeError) yield { agentId: id, error: answer };
          else {
            const envelope = { payloadType: "x", payload: "", signatures: [] };
            yield { agentId: id, answer: { body: buildResult(randomUUID(), answer), envelope } };
          }
        }
      },
    },
    auditLog: {
      append: write("audit"),
      appendSoon: write("note"),
      head: () => EMPTY_HEAD,
      readHead: () => Promise.resolve(EMPTY_HEAD),
      readHash: () => Promise.resolve(null),
      flush: () => Promise.resolve(),
    },
    rates: { take: () => Promise.resolve() },
    now: () => new Date("2026-01-01T00:00:00Z"),
    elapsed: () => at,
    newCallId: randomUUID,
    report: (error) => {
      throw error;
    },
    limits: () => ({ timeoutMs: 1000, answerWithinMs: 900, maxAgents: 3 }),
  };
  const principal: Principal = {
    subject: { id: "key:1", name: "test" },
    grants: change.grants ?? grantsOf({ role: "client", agents: "*", probes: "*" }),
    policyText: "[]",
    policyHash: digestOf("0"),
  };
  const run = (pack: string | null = "acme/web", agent: unknown = "web-1") =>
    runRunbooks(ports, principal, { tool: "diagnose", agent, pack }, new AbortController().signal);
  const ask = async (pack?: string | null) => {
    const [one, ...others] = await run(pack);
    if (one === undefined || others.length > 0) throw new Error("expected one answer");
    return { ...one.result, calls: one.calls };
  };
  return { run, ask, journal, records, sent };
}

const client = (probes: string[]) => grantsOf({ role: "client", agents: "*", probes });

test("findings come from the answers, with their evidence and what to ask next", async () => {
  const { ask, sent } = setUp({ answers: { disks: { data: { used: 97 } } } });
  const { data, calls } = await ask();
  expect(data).toEqual({
    runbooks: ["acme/web 1.0.0"],
    findings: [
      {
        ...{ severity: "critical", finding: "A disk is full.", tool: "acme__web_disks", count: 1 },
        evidence: [{ used: 97 }],
        // Of these the key can call two on this server.
        next: ["acme__web_load", "acme__web_secret"],
      },
    ],
    unseen: [{ tool: "acme__web_load", why: "used is not reported here" }],
  });
  expect(sent).toMatchObject([
    { probe: "acme/web.disks", params: { limit: 9 } },
    { probe: "acme/web.load", params: {} },
  ]);
  expect(Object.keys(calls)).toEqual(["acme__web_disks", "acme__web_load"]);
});

test("each probe of a runbook is a call of its own, recorded before it is sent", async () => {
  const { ask, journal, records } = setUp();
  const { calls } = await ask();
  for (const name of ["disks", "load"]) {
    const mine = records.filter(({ probe: id }) => id === `acme/web.${name}`);
    expect(mine.map(({ event }) => event)).toEqual(["call.request", "call.response"]);
    expect(mine[0]).toMatchObject({ principal: "key:1", agent: "web-1" });
    expect(mine[0]?.callId).toBe(calls[`acme__web_${name}`]);
  }
  expect(journal.indexOf("audit call.request")).toBeLessThan(
    journal.indexOf("send acme/web.disks"),
  );
});

test("a probe that the key may not ask is refused, recorded and unseen, without its name", async () => {
  const { ask, records, sent } = setUp({
    grants: client(["acme/web.disks"]),
    answers: { disks: { data: { used: 97 } }, load: { data: { used: 97 } } },
  });
  const { data, calls } = await ask();
  expect(sent.map(({ probe: id }) => id)).toEqual(["acme/web.disks"]);
  expect(Object.keys(calls)).toEqual(["acme__web_disks"]);
  expect(data).toMatchObject({
    findings: [{ finding: "A disk is full.", next: [] }],
    unseen: [{ why: "this key may not ask 1 probes of the runbooks" }],
  });
  expect(JSON.stringify(data)).not.toContain("load");
  const denied = records.filter(({ event }) => event === "call.denied");
  expect(denied).toMatchObject([{ agent: "web-1", detail: { tool: "acme__web_load" } }]);
});

test("a probe that does more than observe is not asked, also by who may do more", async () => {
  const changing = { ...probe, capability: "manage" as const };
  const { ask, sent } = setUp({
    packs: [packOf("acme/web", { probes: { disks: probe, load: changing } })],
    grants: grantsOf({ role: "operator", agents: "*", probes: "*" }),
  });
  await ask();
  expect(sent.map(({ probe: id }) => id)).toEqual(["acme/web.disks"]);
});

test.each<[string, Answer, string]>([
  ["was refused by the host", new SondeError("READ_NOT_GRANTED", "approve"), "READ_NOT_GRANTED: "],
  ["failed", { status: "failure", failure: { code: "READ_FAILED", message: "no" } }, "READ_FAILED"],
  ["answers what it did not promise", { data: { used: "97" } }, "RESULT_INVALID: "],
])("a probe that %s is unseen with the reason, and finds nothing", async (_what, answer, why) => {
  const { ask } = setUp({ answers: { disks: answer, load: { data: { used: 1 } } } });
  const { data } = await ask();
  expect(data).toMatchObject({ findings: [], unseen: [{ tool: "acme__web_disks" }] });
  expect(data?.["unseen"]).toMatchObject([{ why: expect.stringContaining(why) as string }]);
});

test("a probe that read only a part is unseen as well", async () => {
  const { ask } = setUp({
    answers: { disks: { data: { used: 1 }, truncated: true }, load: { data: { used: 1 } } },
  });
  expect((await ask()).data).toMatchObject({ unseen: [{ tool: "acme__web_disks" }] });
});

test("when no probe answered, nobody could look: that is a failure", async () => {
  const offline = new SondeError("AGENT_OFFLINE", "web-1 is not connected");
  const { ask } = setUp({ answers: { "web-1": offline } });
  const { status, failure } = await ask();
  expect(status).toBe("failure");
  expect(failure).toMatchObject({ code: "AGENT_OFFLINE", message: "web-1 is not connected" });
});

test("a clock that is off is a finding, also when for that no probe answers", async () => {
  const finding = {
    ...{ severity: "critical", finding: "The clocks of the server and the hub differ." },
    ...{ tool: "agent_overview", count: 1, evidence: [{ clockAheadSeconds: -3600 }] },
  };
  const offline = { "web-1": new SondeError("AGENT_OFFLINE", "web-1 is not connected") };
  const silent = await setUp({ clockSkewMs: -3_600_400, answers: offline }).ask();
  expect(silent.data).toMatchObject({
    findings: [finding],
    unseen: [{ tool: "acme__web_disks" }, { tool: "acme__web_load" }],
  });
  const answers = { disks: { data: { used: 97 } }, load: { data: { used: 9 } } };
  const { data } = await setUp({ clockSkewMs: -3_600_400, answers }).ask();
  expect(data?.["findings"]).toMatchObject([
    { finding: "A disk is full." },
    finding,
    { finding: "The load is high." },
  ]);
  const fine = await setUp({ clockSkewMs: 30_000, answers }).ask();
  expect(JSON.stringify(fine.data)).not.toContain("clock");
  const blind = { grants: client(["acme/web.secret"]), clockSkewMs: 99_999, answers };
  expect((await setUp(blind).ask()).failure).toMatchObject({ code: "FORBIDDEN" });
});

test("no probe of an agent that is held is asked", async () => {
  const since = "2026-01-01T00:00:00.000Z";
  const holds = [{ kind: "quarantined" as const, reason: "odd", by: "key:1", since }];
  const { ask, sent } = setUp({ holds });
  expect((await ask()).failure?.code).toBe("AGENT_QUARANTINED");
  expect(sent).toEqual([]);
});

test("a runbook whose words nobody approved is not run", async () => {
  const { ask, sent } = setUp({ held: ["acme/web.diagnose"] });
  const { failure } = await ask();
  expect(failure).toMatchObject({ code: "FORBIDDEN" });
  expect(failure?.message).toMatch(/^acme\/web: nobody has approved the words/);
  expect(sent).toEqual([]);
});

test("a key that may ask no probe of a runbook is told so, and of none by name", async () => {
  const { ask, sent } = setUp({ grants: client(["acme/web.secret"]) });
  const { failure, calls } = await ask();
  expect(failure).toMatchObject({
    ...{ code: "FORBIDDEN", message: "this key may not ask 2 probes of the runbooks" },
  });
  expect([calls, sent]).toEqual([{}, []]);
});

test.each([
  ["a pack that there is not", {}, "acme/other", "NOT_FOUND"],
  [
    "a pack of which the key may ask nothing",
    { grants: client(["acme/b.x"]) },
    "acme/web",
    "NOT_FOUND",
  ],
  ["a pack that waits for its approval", { state: "pending" }, "acme/web", "PACK_NOT_ACTIVE"],
  [
    "an agent that the key may not ask",
    { grants: grantsOf({ role: "client", agents: ["b"], probes: "*" }) },
    "acme/web",
    "FORBIDDEN",
  ],
])("%s is a refusal, recorded", async (_what, change, pack, code) => {
  const { ask, records, sent } = setUp(change);
  expect((await ask(pack)).failure?.code).toBe(code);
  expect(records).toMatchObject([{ event: "call.denied", code, detail: { tool: "diagnose" } }]);
  expect(sent).toEqual([]);
});

test("a pack without a runbook, and a server without any, are told apart from nothing found", async () => {
  const { runbook: _, ...without } = packOf().manifest;
  const bare = { ...packOf(), manifest: without };
  expect((await setUp({ packs: [bare] }).ask()).failure?.code).toBe("NOT_FOUND");
  expect((await setUp({ packs: [bare] }).ask(null)).failure?.code).toBe("NOT_FOUND");
});

test("several servers are asked in one call of each probe, and judged each for itself", async () => {
  const { run, sent } = setUp({
    agents: ["web-1", "web-2", "web-3"],
    answers: {
      "web-1": { data: { used: 97 } },
      "web-2": new SondeError("AGENT_OFFLINE", "gone"),
      "web-3": { data: { used: 1 } },
    },
  });
  const answers = await run("acme/web", ["web-1", "web-2", "web-3"]);
  expect(sent.map(({ agents }) => agents)).toEqual([
    ["web-1", "web-2", "web-3"],
    ["web-1", "web-2", "web-3"],
  ]);
  expect(answers.map(({ result }) => [result.agent, result.failure?.code])).toEqual([
    ...[
      ["web-1", undefined],
      ["web-2", "AGENT_OFFLINE"],
      ["web-3", undefined],
    ],
  ]);
  expect(
    answers.map(({ result }) => (result.data?.["findings"] as [] | undefined)?.length),
  ).toEqual([2, undefined, 0]);
});

test("more servers than a call may ask are refused", async () => {
  await expect(setUp().run(null, ["a", "b", "c", "d"])).rejects.toThrowError(
    expect.objectContaining({ code: "PARAMS_INVALID" }),
  );
});

test("what there is no time for is unseen", async () => {
  const names = Array.from({ length: 12 }, (_, index) => `probe${index}`);
  const many: Runbook = {
    ...runbook,
    probes: Object.fromEntries(names.map((name) => [name, { probe: name }])),
    rules: names.map((of) => ({
      ...{ finding: "It is full.", severity: "info", of, when: [{ value: "used", atLeast: 1 }] },
      show: ["used"],
    })),
  };
  const probes = Object.fromEntries(names.map((name) => [name, probe]));
  const { ask, sent } = setUp({
    packs: [packOf("acme/web", { probes, runbook: many })],
    answers: { "web-1": { data: { used: 1 } } },
    takes: 100,
  });
  const { data } = await ask();
  expect(sent.length).toBeLessThan(12);
  const unseen = data?.["unseen"] as { why: string }[];
  expect(unseen).toHaveLength(12 - sent.length);
  expect(unseen[0]?.why).toMatch(/^CALL_TIMEOUT/);
  expect(data?.["findings"]).toHaveLength(sent.length);
});

test("all runbooks of a server are one check, of 20 packs at most", async () => {
  const packs = Array.from({ length: 22 }, (_, index) => {
    const letter = String.fromCharCode(97 + index);
    return { ...packOf(`acme/${letter}`), digest: digestOf((16 + index).toString(16)) };
  });
  const { ask } = setUp({ packs, answers: { "web-1": { data: { used: 97 } } } });
  const { data } = await ask(null);
  expect(data?.["runbooks"]).toHaveLength(20);
  expect(data?.["unseen"]).toMatchObject([{ pack: "acme/u" }, { pack: "acme/v" }]);
});

test("findings are cut where they become too long, the gravest stay", async () => {
  const name = "x".repeat(150);
  const severityOf = (index: number) => {
    if (index === 59) return "critical";
    return index < 30 ? "unseen" : "info";
  };
  const many = Array.from({ length: 60 }, (_, index) => ({
    ...({ finding: `${name} ${index}.`, severity: severityOf(index) } as const),
    ...{ of: "disks", each: "rows", when: [], show: ["name", "used"] },
  }));
  const { ask } = setUp({
    packs: [packOf("acme/web", { runbook: { ...runbook, rules: many } })],
    answers: {
      disks: { data: { rows: Array.from({ length: 9 }, () => ({ name: "y".repeat(300) })) } },
    },
  });
  const { data } = await ask();
  expect(JSON.stringify(data).length).toBeLessThan(61_000);
  expect(data?.["findings"]).toMatchObject({ 0: { severity: "critical", count: 9 } });
  expect(JSON.stringify(data?.["unseen"])).toMatch(/\d+ more: diagnose/);
});
