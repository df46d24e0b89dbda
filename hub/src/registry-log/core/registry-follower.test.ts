import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { followRegistry } from "@sonde/trust/admit";
import { headOf } from "@sonde/trust/log";
import {
  type SampleRegistry,
  buildAdmitProgram,
  buildSampleArchive,
  buildSamplePolicy,
  startSampleRegistry,
} from "@sonde/trust/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createAuditStore, openAudit } from "../../audit/index.ts";
import { RegistryFollower } from "./registry-follower.ts";
import { type HubDatabase, openHubDatabase } from "../../testing/open-hub-database.ts";
import { createRegistryLogStore } from "../edge/registry-log-store.ts";

// A real database, the real admit program, a registry over HTTP.

const root = mkdtempSync(join(tmpdir(), "sonde-follower-"));
const admitPath = join(root, "admit.cjs");
let database: HubDatabase;
let registry: SampleRegistry;
let follower: RegistryFollower;
let news: string[];
/** Each reading of the clock is later than any cached look lasts. */
let elapsed = 0;

beforeAll(async () => {
  await buildAdmitProgram(admitPath);
  database = await openHubDatabase();
}, 120_000);
afterAll(async () => {
  await database.close();
  rmSync(root, { recursive: true, force: true });
});

beforeEach(async () => {
  registry = await startSampleRegistry();
  registry.publish(buildSampleArchive(), null);
  follower = await createFollower();
});
afterEach(async () => {
  await registry.close();
});

async function createFollower(
  policy: { logHeadMaxAgeHours?: number } = {},
): Promise<RegistryFollower> {
  news = [];
  return new RegistryFollower({
    readPolicy: () => ({
      ...buildSamplePolicy({}),
      ...policy,
      registry: registry.url,
      logKey: registry.logKey,
    }),
    follow: (request, onEntry) => followRegistry(admitPath, request, onEntry),
    store: createRegistryLogStore(database.sql),
    auditLog: await openAudit(createAuditStore(database.sql, randomUUID())),
    isEnrolled: () => true,
    now: () => new Date(),
    elapsed: () => (elapsed += 10_000),
    onNews: (packs) => news.push(...packs),
  });
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => (error instanceof SondeError ? error.code : String(error)),
  );
const choose = (wanted: string) => follower.choose("acme/hello", wanted, "0.1.0");
const publish = (version: string) =>
  registry.publish(buildSampleArchive({ manifest: { version } }), null);
const lastAlarms = async (): Promise<{ event: string; agent: string | null }[]> => {
  const rows = await database.sql<{ record: string }[]>`
    select record from audit_log where event like 'registry.%' order by seq`;
  return rows.map(({ record }) => {
    const { event, agent } = JSON.parse(record) as { event: string; agent: string | null };
    return { event, agent };
  });
};
const reportOf = (log: SampleRegistry["log"]) => ({
  logKey: registry.logKey,
  head: headOf(log.frontier),
});

test("a range resolves by the log, and a later look sees new entries", async () => {
  expect(await choose("^1")).toMatchObject({ version: "1.0.0" });
  publish("1.1.0");
  expect(await choose("^1")).toMatchObject({ version: "1.1.0" });
  expect(news).toEqual(["acme/hello", "acme/hello"]);
  expect(follower.head()).toEqual(headOf(registry.log.frontier));
  const { name, version } = await choose("1.0.0");
  registry.append({
    type: "quarantine",
    at: new Date().toISOString(),
    name,
    version,
    quarantined: true,
    reason: "malware",
  });
  expect(await codeOf(choose("1.0.0"))).toBe("PACK_QUARANTINED");
  expect(await codeOf(follower.choose("acme/none", "*", "0.1.0"))).toBe("NOT_FOUND");
});

test("a head counts up to the policy's maximum age", async () => {
  const signedBefore = (hours: number) => {
    const at = new Date(Date.now() - hours * 3_600_000);
    registry.lie = ({ url }, response) => {
      if (url !== "/log/checkpoint") return false;
      response.end(registry.log.checkpoint({ at }));
      return true;
    };
  };
  signedBefore(71);
  expect(await codeOf(choose("^1"))).toBe("REGISTRY_LOG_INCONSISTENT");
  follower = await createFollower({ logHeadMaxAgeHours: 72 });
  expect(await choose("^1")).toMatchObject({ version: "1.0.0" });
  signedBefore(73);
  expect(await codeOf(choose("^1"))).toBe("REGISTRY_LOG_INCONSISTENT");
});

test("attack 69: a rewritten log raises one alarm, and nothing of it is chosen or stored", async () => {
  await choose("^1");
  const head = follower.head();
  const before = (await lastAlarms()).length;
  const honest = registry.log;
  registry.log = honest.rewrite();
  publish("9.9.9");
  expect(await codeOf(choose("^1"))).toBe("REGISTRY_LOG_INCONSISTENT");
  expect(await codeOf(choose("9.9.9"))).toBe("REGISTRY_LOG_INCONSISTENT");
  expect(follower.status()).toMatchObject({ head, problem: { code: "REGISTRY_LOG_INCONSISTENT" } });
  expect((await lastAlarms()).slice(before)).toEqual([
    { event: "registry.inconsistent", agent: null },
  ]);
  registry.log = honest;
  expect(await choose("^1")).toMatchObject({ version: "1.0.0" });
  expect((await lastAlarms()).slice(before).map(({ event }) => event)).toEqual([
    "registry.inconsistent",
    "registry.consistent",
  ]);
  expect(await codeOf(choose("9.9.9"))).toBe("NOT_FOUND");
});

test("attack 69: a fork shown to one agent is an alarm until that agent sees the common log", async () => {
  await follower.place();
  const before = (await lastAlarms()).length;
  const fork = registry.log.fork();
  publish("1.1.0");
  fork.append(Buffer.from("for one agent alone"));
  await follower.compare("web-1", reportOf(registry.log));
  expect(follower.status().forks).toEqual([]);
  // A fork of the same size.
  await follower.compare("web-2", reportOf(fork));
  expect(follower.status().forks).toEqual([{ agent: "web-2", head: headOf(fork.frontier) }]);
  expect(await codeOf(choose("^1"))).toBe("REGISTRY_LOG_INCONSISTENT");
  // A larger fork: this hub's registry does not have its last entry.
  fork.append(Buffer.from("more"));
  await follower.compare("web-3", reportOf(fork));
  expect(follower.status().forks.map(({ agent }) => agent)).toEqual(["web-2", "web-3"]);
  for (const agent of ["web-2", "web-3"]) await follower.compare(agent, reportOf(registry.log));
  expect(await choose("^1")).toMatchObject({ version: "1.1.0" });
  expect((await lastAlarms()).slice(before)).toEqual([
    { event: "registry.inconsistent", agent: "web-2" },
    { event: "registry.inconsistent", agent: "web-3" },
    { event: "registry.consistent", agent: "web-2" },
    { event: "registry.consistent", agent: "web-3" },
  ]);
});

test("a registry that is down is no alarm, and the comparison is made later", async () => {
  await follower.place();
  const before = (await lastAlarms()).length;
  const fork = registry.log.fork();
  fork.append(Buffer.from("for one agent alone"));
  registry.lie = (_request, response) => {
    response.writeHead(503).end();
    return true;
  };
  await follower.compare("web-1", reportOf(fork));
  expect(follower.status()).toMatchObject({ forks: [], problem: { code: "REGISTRY_UNAVAILABLE" } });
  expect(await codeOf(choose("^1"))).toBe("REGISTRY_UNAVAILABLE");
  expect((await lastAlarms()).length).toBe(before);
  registry.lie = () => false;
  await follower.follow(0);
  expect(follower.status().forks.map(({ agent }) => agent)).toEqual(["web-1"]);
});

test("an agent of another registry, or of none yet, is not compared", async () => {
  await follower.place();
  await follower.compare("web-1", null);
  const other = await startSampleRegistry();
  const { logKey } = other;
  await follower.compare("web-2", { logKey, head: headOf(registry.log.frontier) });
  await other.close();
  await follower.compare("web-3", {
    logKey: registry.logKey,
    head: { size: 0, hash: `sha256:${"0".repeat(64)}` },
  });
  expect(follower.status()).toMatchObject({
    forks: [],
    elsewhere: [{ agent: "web-2", logKey }],
  });
});

test("a restart continues from the stored place, without the followed entries", async () => {
  await follower.place();
  const asked: string[] = [];
  registry.lie = ({ url = "" }) => {
    asked.push(url);
    return false;
  };
  follower = await createFollower();
  await follower.place();
  expect(asked.some((url) => url.includes("entries"))).toBe(false);
  expect(await choose("^1")).toMatchObject({ version: "1.0.0" });
});
