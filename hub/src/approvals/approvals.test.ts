import { once } from "node:events";
import type { ApprovalOutcome, ApprovalRequest, Inbox } from "@sonde/schemas/approvals";
import type { AuditEntry } from "@sonde/schemas/audit";
import type { Manifest } from "@sonde/schemas/manifest";
import { buildHello } from "@sonde/schemas/testing";
import {
  type ApprovalsBody,
  encodeBody,
  HUB_GRANTS,
  type HubGrantsBody,
  OWN_PROTOCOL,
  type PackReport,
} from "@sonde/schemas/wire";
import { buildSampleManifest } from "@sonde/trust/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type AgentSession, startHub, type TestHub } from "../testing/start-hub.ts";

// What a hub makes of the approvals of people, and of what an agent says of them.
const WAIT = { timeout: 15_000 };
const PACK = "acme/hello";
const [LOAD, NAME, GROUP] = ["file /proc/loadavg", "file /etc/hostname", "group adm"];
const digestOf = (letter: string) => `sha256:${letter.repeat(64)}`;
const [ONE, TWO, THREE] = [digestOf("1"), digestOf("2"), digestOf("3")];
const file = (path: string) => ({ kind: "file", path, timeoutMs: 500, maxBytes: 99 }) as const;
let hub: TestHub;
let session: PlayedAgent | null;
let seen: number;

/** 1.0.0 asks for what a host lets its hub grant, and what it does not; 1.1.0 for no more. */
const MANIFESTS: Record<string, Manifest> = {
  [ONE]: manifestOf("1.0.0", ["/proc/loadavg", "/etc/hostname"]),
  [TWO]: manifestOf("1.1.0", ["/proc/loadavg", "/etc/hostname"]),
  [THREE]: manifestOf("2.0.0", ["/proc/loadavg", "/proc/stat", "/etc/hostname"]),
};

function manifestOf(version: string, files: string[]): Manifest {
  const requires = { groups: ["adm"], commands: [], files: files.toSorted(), sockets: [] };
  const sample = buildSampleManifest({ version, requires });
  const [probe] = Object.values(sample.probes);
  const sources = Object.fromEntries(files.map((path, index) => [`s${index}`, file(path)]));
  const probes = Object.fromEntries(
    Object.keys(sources).map((source) => [
      `look-${source}`,
      { ...(probe as Manifest["probes"][string]), reads: { it: { source } } },
    ]),
  );
  return { ...sample, sources, probes };
}

beforeAll(async () => {
  hub = await startHub();
  await changeFacts(async (sql) => {
    for (const [digest, manifest] of Object.entries(MANIFESTS)) {
      const signer = { kind: "none", publisher: "acme" };
      await sql`insert into packs (digest, name, version, signer, manifest, readme, verified_at)
        values (${digest}, ${PACK}, ${manifest.version}, ${sql.json(signer)},
          ${sql.json(manifest)}, '', now())`;
    }
  });
});
afterAll(() => hub.close());

beforeEach(async () => {
  session = null;
  await changeFacts(async (sql) => {
    await sql`delete from hub_grants`;
    await sql`delete from desired_packs`;
    await sql`update agents set approvals = null, packs = '[]'`;
    await sql`insert into desired_packs (agent_id, pack, digest, assigned_by, assigned_at)
      values (${hub.agent.id}, ${PACK}, ${ONE}, 'key:test', now())`;
  });
  await expect.poll(async () => (await show()).state, WAIT).toBe("assigned");
  seen = (await readAudit()).length;
});
afterEach(async () => {
  await session?.leave();
});

async function changeFacts(
  work: (sql: Awaited<ReturnType<TestHub["openDatabase"]>>["sql"]) => Promise<void>,
): Promise<void> {
  const { sql, ...opened } = await hub.openDatabase();
  await work(sql);
  await sql`insert into changes (kind, id) select 'pack', digest from packs`;
  await sql`insert into changes (kind, id) values ('agent', ${hub.agent.id})`;
  await opened.close();
}

type PlayedAgent = AgentSession & {
  /** Every list of grants that the hub sent. */
  lists: HubGrantsBody[];
  /** Says what is granted. Without `packs`, what the hub granted of `LOAD` counts. */
  state(change?: Partial<ApprovalsBody>): void;
  leave(): Promise<void>;
};

/** Connects an agent of this release that answers every list, unless it is told not to. */
async function connect({
  answers = true,
  mayGrant = ["/proc"],
  features = OWN_PROTOCOL.features,
}: {
  answers?: boolean;
  mayGrant?: ApprovalsBody["hubMayGrant"];
  features?: string[];
} = {}) {
  const opened = await hub.connect();
  const { socket, channel } = opened;
  const lists: HubGrantsBody[] = [];
  const state: PlayedAgent["state"] = (change = {}) => {
    const last = lists.at(-1);
    const body: ApprovalsBody = {
      hubMayGrant: mayGrant,
      revision: last?.revision ?? 0,
      packs: (last?.grants ?? []).map(({ pack, digest, items }) => ({
        ...{ pack, digest, byHost: [], withheld: [], refused: false },
        byHub: items.filter((item) => item.startsWith("file /proc/")),
      })),
      ...change,
    };
    socket.send(channel.seal({ type: "approvals", body: encodeBody(body) }));
  };
  socket.on("message", (frame: Buffer) => {
    const { header, body } = channel.open(frame);
    if (header.type !== "hub-grants") return;
    lists.push(body as HubGrantsBody);
    if (answers) state();
  });
  const report: PackReport = {
    ...{ name: PACK, version: "1.0.0", digest: ONE, state: "pending", signer: null, probes: [] },
    ...{ approved: null, reason: { code: "PACK_NOT_ACTIVE", message: "not approved" } },
  };
  const protocol = { ...OWN_PROTOCOL, features };
  const hello = { ...buildHello({ packs: [report] }), protocol };
  socket.send(channel.seal({ type: "hello", body: encodeBody(hello) }));
  if (features.includes(HUB_GRANTS)) state();
  session = {
    ...{ ...opened, lists, state },
    async leave() {
      const closed = once(socket, "close");
      socket.close();
      if (socket.readyState !== socket.CLOSED) await closed;
      await expect.poll(async () => (await show()).online, WAIT).toBe(false);
    },
  };
  await expect.poll(async () => (await show()).state, WAIT).toBe("pending");
  if (features.includes(HUB_GRANTS) && mayGrant !== "none") {
    await expect.poll(async () => itemOf(await show(), LOAD)?.hubMayGrant, WAIT).toBe(true);
  }
  return session;
}

const path = `/agents/web-1/packs/${PACK}`;
const show = async () =>
  (await hub.ask("GET", `${path}/approval`)).answer as unknown as ApprovalRequest;
const approve = async (shownSha256: string, items?: string[], key?: string) => {
  const body = { shownSha256, ...(items !== undefined && { items }) };
  const { answer, code } = await hub.ask("POST", `${path}/approve`, body, key);
  return { code, outcome: answer as unknown as ApprovalOutcome };
};
const revoke = async () => await hub.ask("POST", `${path}/revoke-approval`);
const inbox = async () => (await hub.ask("GET", "/inbox")).answer as unknown as Inbox;
const itemOf = ({ items }: ApprovalRequest, wanted: string) =>
  items.find(({ item }) => item === wanted);
async function readAudit(): Promise<AuditEntry["record"][]> {
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  return (answer["entries"] as AuditEntry[]).map(({ record }) => record);
}
const recordsOf = async (event: string) =>
  (await readAudit()).slice(seen).filter((record) => record.event === event);

test("a person sees the exact reads, what the hub may grant, and the command for the rest", async () => {
  await connect();
  const shown = await show();
  expect(shown.items).toMatchObject([
    { item: GROUP, state: "asked", by: null, hubMayGrant: false, reads: [] },
    { item: NAME, words: "Reads a file", reads: ["file /etc/hostname"], hubMayGrant: false },
    { item: LOAD, words: "Reads a file", reads: ["file /proc/loadavg"], hubMayGrant: true },
  ]);
  expect(shown).toMatchObject({
    ...{ state: "pending", online: true, approval: null, refusedOnHost: false },
    hostCommand: `sonde-agent approve ${PACK}`,
    windows: [
      "the first 99 bytes of file /etc/hostname",
      "the first 99 bytes of file /proc/loadavg",
    ],
  });
});

test("an approval is recorded, given to the agent, and answered item by item", async () => {
  const agent = await connect();
  const { code, outcome } = await approve((await show()).shownSha256);
  expect(code).toBe(200);
  expect(outcome.items).toEqual([
    { item: GROUP, outcome: "held", why: "the host does not let the hub grant it" },
    { item: NAME, outcome: "held", why: "the host does not let the hub grant it" },
    { item: LOAD, outcome: "granted", why: null },
  ]);
  expect(outcome.request.hostCommand).toBe(`sonde-agent approve ${PACK}`);
  const [given] = agent.lists.at(-1)?.grants ?? [];
  expect(given).toMatchObject({ pack: PACK, digest: ONE, items: [LOAD], byName: "operator" });
  expect(given?.by).toMatch(/^key:/);
  expect(await recordsOf("pack.approved")).toMatchObject([
    { agent: "web-1", principal: given?.by, detail: { pack: PACK, digest: ONE, items: [LOAD] } },
  ]);
  expect((await show()).approval).toMatchObject({ items: [LOAD], expiresAt: null });
});

// Attack 35.
test("an approval of anything but what is shown now is refused, and nothing is given", async () => {
  const agent = await connect();
  const before = await show();
  agent.state({ hubMayGrant: ["/proc", "/etc"] });
  await expect.poll(async () => itemOf(await show(), NAME)?.hubMayGrant, WAIT).toBe(true);
  expect((await approve(before.shownSha256)).code).toBe("APPROVAL_STALE");
  expect((await approve(digestOf("0"))).code).toBe("APPROVAL_STALE");
  await changeFacts(async (sql) => {
    await sql`update desired_packs set digest = ${THREE}`;
  });
  await expect.poll(async () => (await show()).version, WAIT).toBe("2.0.0");
  expect((await approve(before.shownSha256)).code).toBe("APPROVAL_STALE");
  expect(agent.lists.flatMap(({ grants }) => grants)).toEqual([]);
  expect(await recordsOf("pack.approved")).toEqual([]);
});

// Attack 68.
test("of two people who approve the same at once, one is told to look again", async () => {
  const agent = await connect({ answers: false });
  const { shownSha256 } = await show();
  await agent.leave();
  const both = await Promise.all([approve(shownSha256), approve(shownSha256, [LOAD])]);
  expect(both.map(({ code }) => code).toSorted()).toEqual([200, "APPROVAL_STALE"]);
  expect((await show()).approval?.items).toEqual([LOAD]);
});

test("a host that lets its hub grant nothing of it decides itself", async () => {
  const agent = await connect({ mayGrant: "none" });
  const { shownSha256 } = await show();
  expect((await approve(shownSha256)).code).toBe("HOST_DECIDES");
  const refusal = await hub.ask("POST", `${path}/approve`, { shownSha256 });
  expect(JSON.stringify(refusal.answer)).toContain(`sonde-agent approve ${PACK}`);
  expect(agent.lists.flatMap(({ grants }) => grants)).toEqual([]);
});

test("of an item that only the host may grant, nothing is given though it is named", async () => {
  const agent = await connect();
  const { shownSha256 } = await show();
  expect((await approve(shownSha256, [NAME, GROUP])).code).toBe("HOST_DECIDES");
  expect((await approve(shownSha256, ["file /proc/stat"])).code).toBe("BAD_REQUEST");
  const { outcome } = await approve(shownSha256, [NAME, LOAD]);
  expect(outcome.items.map(({ outcome: of }) => of)).toEqual(["held", "granted"]);
  expect(agent.lists.at(-1)?.grants[0]?.items).toEqual([LOAD]);
});

test("after a person on the host revoked the pack, the hub gives nothing", async () => {
  const agent = await connect();
  const refused = { pack: PACK, digest: ONE, byHost: [], byHub: [], withheld: [], refused: true };
  agent.state({ packs: [refused] });
  await expect.poll(async () => (await show()).refusedOnHost, WAIT).toBe(true);
  expect((await approve((await show()).shownSha256)).code).toBe("HOST_DECIDES");
  expect((await inbox()).entries.filter(({ kind }) => kind === "approval")).toEqual([]);
});

test("an approval of an agent that is offline waits for it, also through a killed hub", async () => {
  const agent = await connect();
  const { shownSha256 } = await show();
  await agent.leave();
  const { outcome } = await approve((await show()).shownSha256);
  expect(outcome.request.shownSha256).not.toBe(shownSha256);
  expect(outcome.items.at(-1)).toEqual({ item: LOAD, outcome: "waits", why: null });
  expect(outcome.request.approval?.expiresAt).not.toBeNull();
  await hub.restart(undefined, "SIGKILL");
  const back = await connect();
  await expect.poll(() => back.lists.at(-1)?.grants.length, WAIT).toBe(1);
  await expect.poll(async () => (await show()).approval?.expiresAt, WAIT).toBeNull();
});

test("an approval that no agent took over ends, and is not given any more", async () => {
  const agent = await connect();
  await agent.leave();
  await approve((await show()).shownSha256);
  await changeFacts(async (sql) => {
    await sql`update hub_grants set expires_at = now() - interval '1 second'`;
  });
  await expect.poll(async () => (await show()).approval, WAIT).toBeNull();
  const back = await connect();
  await expect.poll(() => back.lists.length, WAIT).toBeGreaterThan(0);
  expect(back.lists.flatMap(({ grants }) => grants)).toEqual([]);
  expect((await show()).approval).toBeNull();
});

test("what is taken back is on record and gone from the agent's list, with a higher revision", async () => {
  const agent = await connect();
  await approve((await show()).shownSha256);
  const given = agent.lists.at(-1);
  expect((await revoke()).code).toBe(200);
  expect(agent.lists.at(-1)?.grants).toEqual([]);
  expect(agent.lists.at(-1)?.revision).toBeGreaterThan(given?.revision ?? 0);
  expect(await recordsOf("pack.approval-revoked")).toMatchObject([{ detail: { pack: PACK } }]);
  expect((await revoke()).code).toBe("BAD_REQUEST");
});

test("an agent of an earlier release is sent no grants, and its host decides", async () => {
  const agent = await connect({ features: [] });
  expect((await show()).items.map(({ hubMayGrant }) => hubMayGrant)).toEqual([false, false, false]);
  expect((await approve((await show()).shownSha256)).code).toBe("HOST_DECIDES");
  expect(agent.lists).toEqual([]);
});

// Attack 24.
test("a key without the right approves nothing and takes nothing back", async () => {
  const agent = await connect();
  const { shownSha256 } = await show();
  for (const role of ["auditor", "client"]) {
    const { key } = await hub.addKey({ role, agents: "*", probes: "*" });
    expect((await approve(shownSha256, undefined, key)).code).toBe("FORBIDDEN");
    const taken = await hub.ask("POST", `${path}/revoke-approval`, undefined, key);
    expect(taken.code).toBe("FORBIDDEN");
  }
  expect(agent.lists.flatMap(({ grants }) => grants)).toEqual([]);
});

test("the inbox lists what waits, each with the act that resolves it", async () => {
  await connect();
  const [entry] = (await inbox()).entries.filter(({ kind }) => kind === "approval");
  if (entry?.kind !== "approval" || entry.act === null) throw new Error("expected an approval");
  const { probes, ...shown } = await show();
  expect(probes).toHaveLength(2);
  expect(entry.request).toEqual(shown);
  const { code } = await hub.ask("POST", entry.act.path, entry.act.body);
  expect(code).toBe(200);
});
