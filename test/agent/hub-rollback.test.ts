import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditAttestation, AuditEntry, AuditRecord } from "@sonde/schemas/audit";
import type { SondeError } from "@sonde/schemas/errors";
import { buildHello } from "@sonde/schemas/testing";
import type { LogHead } from "@sonde/schemas/wire";
import { chainRecord, EMPTY_HEAD } from "@sonde/trust/chain";
import { verifyHubLog } from "@sonde/trust/hub-log";
import { stretchesOf } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { HubView } from "../../agent/daemon/src/core/hub-view.ts";
import { createHubLink, type HubLink } from "../../agent/daemon/src/edge/hub/hub-link.ts";
import { openHubView } from "../../agent/daemon/src/edge/store/hub-view-file.ts";
import { readIdentity } from "../../agent/daemon/src/edge/store/identity.ts";
import { writeIdentity } from "../../agent/daemon/src/edge/store/write-identity.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";

// Attack 67 with the hub's program, and the agent's own code for its side of the link.

let hub: TestHub;
let folder: string;
let link: HubLink | undefined;
let view: HubView;
let refusals: string[];
/** What the hub's last welcome said of this agent's log. */
let named: LogHead | null;
const OWN_HEAD: LogHead = { size: 7, hash: `sha256:${"7".repeat(64)}` };

beforeAll(async () => {
  hub = await startHub();
  folder = mkdtempSync(join(tmpdir(), "sonde-view-"));
  const { keys } = (await hub.ask("GET", "/signing-keys")).answer as { keys: { use: string }[] };
  expect(keys).toHaveLength(4);
  const { id: agentId, name: agentName, key, certificate } = hub.agent;
  writeIdentity(join(folder, "identity"), {
    key: key.privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    ...{ certificate, ca: hub.ca.toString() },
    identity: {
      ...{ hubId: hub.ready.hubId, agentId, agentName, registryHead: null },
      controlAddress: `localhost:${hub.ready.control}`,
      // Another key than the hub signs with: the key set has that one.
      hubKey: key.publicKey.export({ format: "pem", type: "spki" }).toString(),
    },
  });
});
afterAll(async () => {
  link?.close();
  await hub.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Starts the agent's side, as after a restart of the agent. */
function connect(): Promise<"welcome" | "refused"> {
  link?.close();
  refusals = [];
  const identity = readIdentity(join(folder, "identity"));
  view = openHubView(join(folder, "identity"), identity, () => undefined);
  return new Promise((done) => {
    link = createHubLink({
      identity: () => identity,
      hub: view,
      ensureCertificate: () => Promise.resolve(),
      onRejected: () => undefined,
      handlers: {
        onWelcome(welcome, _agreement, sessionId) {
          view.takeHead(welcome, sessionId);
          done("welcome");
        },
        buildHello(agentHead) {
          named = agentHead;
          return buildHello({ auditHead: OWN_HEAD });
        },
        buildPackReport: () => ({ packs: [], auditHead: EMPTY_HEAD, registryHead: null }),
        buildApprovals: () => ({ hubMayGrant: "none", revision: 0, packs: [] }),
        onHubGrants: () => undefined,
        onDesiredState: () => undefined,
        onCertificate: () => undefined,
        onCheckpoint: (body) => view.takeCheckpoint(body),
        buildWitness: () => view.seenCheckpoint(),
        onCancel: () => undefined,
        onHeadRepeated: () => undefined,
        onAttest: () => Promise.reject(new Error("this agent is not asked")),
        onUnattested: () => undefined,
        onKeySet: () => view.commandKey(),
        onUnsupported: () => undefined,
        onCall: () => Promise.reject(new Error("nobody calls")),
      },
      onRefused: ({ code }: SondeError) => {
        refusals.push(code);
        done("refused");
      },
      log: () => undefined,
      now: Date.now,
    });
  });
}

const describeAgent = async () => (await hub.ask("GET", "/agents/web-1")).answer;
const headOf = async (): Promise<LogHead> => {
  const { sql, ...database } = await hub.openDatabase();
  const [row] = await sql<{ size: number; hash: string }[]>`
    select size::float8 as size, hash from audit_head`;
  await database.close();
  if (row === undefined) throw new Error("expected a head");
  return row;
};

test("a hub whose database went back is refused, also after its log has grown again", async () => {
  const early = await headOf();
  await describeAgent();
  expect(await connect()).toBe("welcome");
  expect(view.seenHead()?.size).toBeGreaterThan(early.size);
  await expect.poll(async () => (await describeAgent())["online"]).toBe(true);
  link?.close();
  await expect.poll(async () => (await describeAgent())["online"]).toBe(false);

  const { sql, ...database } = await hub.openDatabase();
  await sql`delete from audit_log where seq > ${early.size}`;
  await sql`update audit_head set size = ${early.size}, hash = ${early.hash}`;
  await database.close();
  await hub.restart();
  // More than the agent saw: each question of an operator is a row.
  while ((await headOf()).size <= (view.seenHead()?.size ?? 0)) await describeAgent();
  expect(await connect()).toBe("refused");
  expect(refusals).toEqual(["HUB_ROLLED_BACK"]);

  // The hub's operator sees it.
  await expect.poll(async () => (await describeAgent())["refusedHubAt"]).not.toBe(null);
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const recorded = (answer["entries"] as AuditEntry[]).filter(
    ({ record }) => record.event === "envelope.refused",
  );
  expect(recorded.at(-1)?.record).toMatchObject({ agent: "web-1", code: "HUB_ROLLED_BACK" });
});

test("a later epoch makes it good", async () => {
  link?.close();
  await hub.restart(() => {
    const file = join(hub.keysDir, "epoch");
    writeFileSync(file, String(Date.now()));
    chmodSync(file, 0o644);
  });
  expect(await connect()).toBe("welcome");
  await expect.poll(async () => (await describeAgent())["refusedHubAt"]).toBe(null);
  expect(view.place()).toMatch(/^1\d{12}\.2$/);
});

const attest = async () =>
  (await hub.ask("POST", "/audit/checkpoints")).answer as unknown as AuditAttestation;

test("each checkpoint is kept by the agent, and the hub has its signed word for it", async () => {
  const { checkpoint } = await attest();
  await expect.poll(() => view.seenCheckpoint()?.size).toBe(checkpoint?.size);
  expect(view.seenCheckpoint()?.root).toBe(checkpoint?.root);
  await expect.poll(async () => (await attest()).witnesses[0]?.size).toBe(checkpoint?.size);
  const attested = await attest();
  const [witness] = attested.witnesses;
  expect(witness).toMatchObject({ agent: "web-1", agentId: hub.agent.id });
  const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1000");
  const entries = answer["entries"] as AuditEntry[];
  const verdict = await verifyHubLog(stretchesOf(entries, 500), attested);
  expect(verdict).toMatchObject({ bad: null, witnesses: [{ agent: "web-1", says: "same" }] });
});

test("attack 20: the hub names the newest head of the agent's log that it knows, also to a next process", async () => {
  expect(await connect()).toBe("welcome");
  // By then the hub has the agent's hello, which states its head.
  await expect.poll(async () => (await describeAgent())["online"]).toBe(true);
  link?.close();
  await expect.poll(async () => (await describeAgent())["online"]).toBe(false);
  await hub.restart();
  expect(await connect()).toBe("welcome");
  expect(named).toEqual(OWN_HEAD);
});

test("attack 59: an entry that was edited is refused by an agent that saw the log before", async () => {
  expect(await connect()).toBe("welcome");
  const seen = view.seenCheckpoint()?.size ?? 0;
  expect(seen).toBeGreaterThan(3);
  link?.close();
  await hub.restart(async () => {
    const { sql, ...database } = await hub.openDatabase();
    const [old] = await sql<{ record: string }[]>`select record from audit_log where seq = 3`;
    const record = { ...(JSON.parse(old?.record ?? "") as AuditRecord), principal: "key:nobody" };
    const [before] = await sql<LogHead[]>`
      select seq::float8 as size, hash from audit_log where seq = 2`;
    const { hash } = chainRecord(before ?? EMPTY_HEAD, record);
    await sql`update audit_log set record = ${JSON.stringify(record)}, hash = ${hash} where seq = 3`;
    await sql`update audit_log set previous = ${hash} where seq = 4`;
    // The hub builds the tree anew, and signs it.
    await sql`truncate audit_tree_hashes, audit_checkpoints`;
    await sql`update audit_tree set size = 0, frontier = '', head = 'sha256:' || repeat('0', 64)`;
    await database.close();
  });
  expect((await attest()).problem).toBe(null);
  expect(await connect()).toBe("refused");
  expect(refusals).toEqual(["HUB_ROLLED_BACK"]);
  expect(view.seenCheckpoint()?.size).toBe(seen);
  await expect.poll(async () => (await describeAgent())["refusedHubAt"]).not.toBe(null);
});
