import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Database } from "@sonde/database";
import { parseEvidence } from "@sonde/schemas/evidence";
import { toPlainLine } from "@sonde/schemas/plain-text";
import type { PackReport } from "@sonde/schemas/wire";
import { archiveDigest, digestOf } from "@sonde/trust/archive";
import { verifyEvidence } from "@sonde/trust/evidence";
import { buildSampleArchive, buildSampleManifest } from "@sonde/trust/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAgentChanges } from "../../hub/src/agents/edge/agent-changes.ts";
import { createEnrolmentStore } from "../../hub/src/agents/edge/enrolment-store.ts";
import { createPackStore } from "../../hub/src/catalog/edge/pack-store.ts";
import { openDirectory } from "../../hub/src/directory/index.ts";
import { codeAt, stepAt } from "../../hub/src/people/core/totp.ts";
import { type Account, invite, joinHub, makeOwner } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { buildConsole } from "../../hub/web/src/build-console.ts";
import {
  type ConsoleHost,
  faultsOf,
  type OpenedConsole,
  startConsoleHost,
} from "../product/console-host.ts";
import { type PlayedAgent, playAgent } from "../product/played-agent.ts";

// The console in Chromium, with a hub that runs and an agent that the test plays.

let hub: TestHub;
let host: ConsoleHost;
let agent: PlayedAgent;
let owner: Account;

beforeAll(async () => {
  [hub, host] = await Promise.all([
    startHub(orderHello, {}, { console: await buildConsole() }),
    startConsoleHost(),
  ]);
  const pinned = await hub.ask("POST", "/tool-pins", { packDigest: hub.digest });
  expect(pinned.code).toBe(200);
  await hub.ask("POST", "/agents/web-1/tags", { set: ["role=web", "env=prod"], remove: [] });
  agent = await play();
  owner = await makeOwner(hub);
});
afterAll(async () => {
  agent?.close();
  await host?.close();
  await hub?.close();
});

/** The pack that the registry has, verified and ordered before the hub starts: to verify takes long. */
async function orderHello({ sql }: Database): Promise<void> {
  const directory = await openDirectory(sql, fail);
  const digest = archiveDigest(buildSampleArchive());
  const [pack, at] = ["acme/hello", new Date()];
  const signer = { kind: "rsa-sha256", publisher: "acme", keyId: digest } as const;
  const manifest = buildSampleManifest({ name: pack });
  await createPackStore(sql, directory).savePack(
    { digest, name: pack, version: "1.0.0", signer, manifest },
    "",
    at,
  );
  const [agentId = ""] = directory.agents().map(({ id }) => id);
  await createAgentChanges(sql, directory).assignPack({ agentId, pack, digest, by: "test", at });
  await directory.close();
}

function fail(error = new Error("expected a value")): never {
  throw error;
}

const APPROVED = { by: "root", at: "2026-01-02T03:04:05.000Z" };
const packs: PackReport[] = [];
async function play(): Promise<PlayedAgent> {
  packs[0] = {
    ...{ name: "acme/hello", version: "1.0.0", digest: hub.digest, state: "active" },
    ...{ signer: null, probes: ["greet"], approved: APPROVED, reason: null },
  };
  packs[1] = {
    ...{ name: "acme/waiting", version: "1.0.0", digest: null, state: "pending" },
    ...{ signer: null, probes: [], approved: null },
    reason: { code: "GRANT_NEEDED", message: "nobody approved it" },
  };
  const reads = [{ name: "load", what: "file /proc/\u202eloadavg", bytes: 20, ms: 0.1 }];
  const hello = { os: "Debian GNU/Linux 12", packs };
  return await playAgent(hub, hello, {}, hub.agent, { answer: () => ({ reads }) });
}

const urlOf = () => `http://localhost:${hub.ready.http}`;
const openAs = ({ cookie }: Account, options = {}): Promise<OpenedConsole> =>
  host.open(urlOf(), { cookie }, options);

/** Calls the agent's probe as an MCP client. */
async function call(name = "acme__hello_greet", key = hub.operatorKey): Promise<string> {
  const params = { name, arguments: { agent: "web-1" } };
  const response = await fetch(`${urlOf()}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2025-06-18",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
  });
  const text = await response.text();
  const { result } = JSON.parse(/^data: (.*)$/m.exec(text)?.[1] ?? text) as {
    result: { _meta?: Record<string, string> };
  };
  return result._meta?.["sonde.dev/callId"] ?? "";
}

describe("how it is served", () => {
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${urlOf()}${path}`, { headers, redirect: "manual" });

  test("nothing runs, loads or frames but its own files", async () => {
    const { headers } = await get("/console/");
    expect(headers.get("content-security-policy")).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; " +
        "require-trusted-types-for 'script'; trusted-types 'none'",
    );
    for (const [name, value] of [
      ["x-frame-options", "DENY"],
      ["x-content-type-options", "nosniff"],
      ["referrer-policy", "no-referrer"],
      ["cross-origin-opener-policy", "same-origin"],
      ["cross-origin-resource-policy", "same-origin"],
      ["cache-control", "no-cache"],
    ] as const) {
      expect([name, headers.get(name)]).toEqual([name, value]);
    }
  });

  test("the address of the hub leads to it, and a file of another release is not found", async () => {
    for (const path of ["/", "/console"]) {
      const answer = await get(path);
      expect([answer.status, answer.headers.get("location")]).toEqual([302, "/console/"]);
    }
    expect((await get("/console/assets/console-0123456789abcdef.js")).status).toBe(404);
  });

  test("its files are kept forever, compressed as the browser takes it, and small", async () => {
    const { page, assets } = await buildConsole();
    let total = Buffer.from(page.gzip, "base64").length;
    for (const [path, { text, type, gzip }] of Object.entries(assets)) {
      total += Buffer.from(gzip, "base64").length;
      for (const [takes, encoding] of [
        ["gzip, deflate, br", "br"],
        ["gzip, br;q=0", "gzip"],
        ["identity", null],
      ] as const) {
        const { headers, ...answer } = await get(path, { "accept-encoding": takes }).then(
          async (response) => ({ headers: response.headers, text: await response.text() }),
        );
        expect([headers.get("content-encoding"), headers.get("content-type")]).toEqual([
          encoding,
          type,
        ]);
        expect(headers.get("vary")).toBe("accept-encoding");
        expect(headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
        expect(answer.text).toBe(text);
      }
    }
    expect(total).toBeLessThan(60_000);
    expect(page.text).not.toMatch(/<script>|<style|style=|onload/);
    expect(await buildConsole()).toEqual({ page, assets });
  });
});

describe("the fleet", () => {
  test("a host is listed with its state, and changes while one looks", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/", "Fleet");
    const row = page.getByRole("row", { name: /web-1/ });
    await row.getByText("online").waitFor();
    await row.getByText("1 active").waitFor();
    await row.getByText("1 waiting").waitFor();
    agent.close();
    await row.getByText("offline").waitFor();
    await page.getByText("1 host, 0 online").waitFor();
    agent = await play();
    await row.getByText("online").waitFor();
    expect(faultsOf(one)).toEqual([]);
  });

  test("hosts are found by word and tag, and grouped; the address keeps it", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/", "Fleet");
    await page.getByRole("button", { name: "role=web" }).click();
    await expect.poll(() => page.url()).toContain("q=role%3Dweb");
    await page.getByRole("link", { name: "web-1" }).waitFor();
    await page.getByRole("searchbox").fill("role=db");
    await page.getByText("No host fits.").waitFor();
    await page.getByRole("button", { name: "Show all hosts" }).click();
    await page.getByLabel("Group by tag").selectOption("env");
    await page.getByRole("rowheader", { name: /env=prod 1 host/ }).waitFor();
    await page.reload();
    await page.getByRole("rowheader", { name: /env=prod 1 host/ }).waitFor();
    expect(faultsOf(one)).toEqual([]);
  });

  test("an invitation has the lines to paste, and says when the host is here", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/", "Fleet");
    await page.getByRole("button", { name: "Invite a host" }).click();
    await page.getByLabel("Name of the host").fill("db-1");
    await page.getByRole("textbox", { name: "Tags" }).fill("role=db, env=prod");
    await page.getByRole("button", { name: "Make the invitation" }).click();
    const line = page.getByLabel("Line to type on the host");
    await line.waitFor();
    expect(await line.textContent()).toMatch(
      /^sudo sonde-agent enrol --hub localhost:\d+ --agent-name db-1 --trust sonde-trust.json$/,
    );
    await page.getByText("Waiting for db-1").waitFor();
    expect(await one.findViolations()).toEqual([]);
    const token = (await page.getByLabel("Token").textContent()) ?? "";
    await enrol("db-1", token);
    await page.getByText("db-1 is here").waitFor();
    await page.getByRole("link", { name: "Open it" }).click();
    await page.getByRole("heading", { level: 1, name: "db-1" }).waitFor();
    const tags = page.getByRole("list", { name: "Tags" });
    expect(await tags.textContent()).toBe("env=prodrole=db");
    expect(faultsOf(one)).toEqual([]);
  });

  test("five thousand hosts are drawn a page at a time, and found at once", {
    timeout: 240_000,
  }, async () => {
    const { sql, ...database } = await hub.openDatabase();
    const ids = await sql<{ id: string }[]>`
      insert into agents (id, name, public_key, enrolled_at, tags)
      select gen_random_uuid(), 'many-' || lpad(n::text, 4, '0'), 'x', now(), '["role=many"]'
      from generate_series(1, 5000) n returning id`;
    // As one change of each, of which all hubs are told.
    await sql`insert into changes (kind, id) select 'agent', id from agents where name like 'many-%'`;
    const { page, ...one } = await openAs(owner);
    await one.go("/", "Fleet");
    await page.getByText(/^5,00\d hosts, \d online$/).waitFor();
    expect(await page.getByRole("row").count()).toBe(101);
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText("Page 2 of 51").waitFor();
    await page.getByRole("searchbox").fill("many-4321");
    await page.getByRole("link", { name: "many-4321" }).waitFor();
    expect(await page.getByRole("row").count()).toBe(2);
    await sql`delete from agents where id = any(${ids.map(({ id }) => id)})`;
    await sql`insert into changes (kind, id) select 'agent', unnest(${ids.map(({ id }) => id)}::text[])`;
    await page.getByText("No host fits.").waitFor();
    await database.close();
    expect(faultsOf(one)).toEqual([]);
  });
});

describe("a host", () => {
  test("its packs tell their state, every read, and the command that allows them", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/hosts/web-1", "web-1");
    const sheet = page.getByRole("region", { name: "Packs" });
    await sheet.getByRole("heading", { name: "acme/hello 1.0.0 active" }).waitFor();
    await sheet.getByText("Approved on the host by root").waitFor();
    await sheet.getByText("sudo sonde-agent approve acme/waiting").waitFor();
    await sheet.getByText("What it may read").first().click();
    const reads = sheet.getByRole("list", { name: "Reads" }).first();
    await reads.waitFor();
    const { answer } = await hub.ask("GET", `/packs/${hub.digest}`);
    const { permissions } = answer as {
      permissions: { reads: { words: string; exact: string }[] };
    };
    expect(permissions.reads.length).toBeGreaterThan(0);
    const said = await reads.textContent();
    for (const { words, exact } of permissions.reads) {
      expect(said).toContain(words);
      expect(said).toContain(exact);
    }
    expect(faultsOf(one)).toEqual([]);
  });

  test("it is quarantined with a reason and released, in two browsers at once", async () => {
    const [one, two] = [await openAs(owner), await openAs(owner)];
    await one.go("/hosts/web-1", "web-1");
    await two.go("/", "Fleet");
    await one.page.getByRole("button", { name: "Quarantine" }).click();
    await one.page.getByLabel("Reason").fill("It answers oddly.");
    await one.page.getByRole("button", { name: "Quarantine it" }).click();
    await one.page.getByText("It answers oddly.").waitFor();
    await two.page.getByRole("row", { name: /web-1/ }).getByText("quarantined").waitFor();
    await two.page.getByRole("radio", { name: "Needs a person" }).check();
    await two.page.getByRole("link", { name: "web-1" }).click();
    await two.page.getByRole("button", { name: "Release" }).click();
    await one.page.getByText("It answers oddly.").waitFor({ state: "detached" });
    expect((await hub.ask("GET", "/agents/web-1")).answer["holds"]).toEqual([]);
    expect([...faultsOf(one), ...faultsOf(two)]).toEqual([]);
  });

  test("its statement is approved as it is shown, and what differs afterwards is", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/hosts/web-1", "web-1");
    const sheet = page.getByRole("region", { name: /^Statement/ });
    await sheet.getByText("as approved", { exact: true }).waitFor();
    agent.change({ maxCapability: "manage" });
    const row = sheet.getByRole("row", { name: /ceiling to review/ });
    await row.waitFor();
    expect(await row.getByRole("cell").textContent()).toBe("observemanage");
    await sheet.getByRole("button", { name: "Approve this statement" }).click();
    await sheet.getByText("It is as it was approved.").waitFor();
    const { answer } = await hub.ask("GET", "/agents/web-1/attestation");
    expect(answer["state"]).toBe("approved");
    expect(faultsOf(one)).toEqual([]);
  });

  test("tags are changed", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/hosts/web-1", "web-1");
    await page.getByRole("button", { name: "Tags" }).click();
    await page.getByRole("textbox", { name: "Tags" }).fill("role=web env=test");
    await page.getByRole("button", { name: "Keep these tags" }).click();
    await expect
      .poll(async () => (await hub.ask("GET", "/agents/web-1")).answer["tags"])
      .toEqual(["env=test", "role=web"]);
    await page.getByRole("list", { name: "Tags" }).getByText("env=test").waitFor();
    expect(faultsOf(one)).toEqual([]);
  });

  // The hub verifies an archive in a process of its own, which takes long on a busy machine.
  test("a pack is removed and installed", { timeout: 240_000 }, async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/hosts/web-1", "web-1");
    const desired = async () => (await hub.ask("GET", "/agents/web-1")).answer["desired"];
    await page.getByRole("button", { name: "Remove acme/hello" }).click();
    await page.getByRole("button", { name: "Remove it from this host" }).click();
    await expect.poll(desired).toEqual([]);
    await page.getByRole("button", { name: "Install a pack" }).click();
    await page.getByLabel("Pack", { exact: true }).fill("acme/nothing@1.0.0");
    await page.getByRole("button", { name: "Install it" }).click();
    await page.getByRole("alert").waitFor({ timeout: 100_000 });
    await page.getByLabel("Pack", { exact: true }).fill("acme/hello@1.0.0");
    await page.getByRole("button", { name: "Install it" }).click();
    await expect
      .poll(desired, { timeout: 100_000 })
      .toMatchObject([{ name: "acme/hello", version: "1.0.0" }]);
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(faultsOf(one)).toEqual([]);
  });

  test("it is revoked when its name is typed, and is gone", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/hosts/db-1", "db-1");
    await page.getByRole("button", { name: "Revoke" }).click();
    await page.getByLabel("Name of the host").fill("web-1");
    await page.getByRole("button", { name: "Revoke it" }).click();
    await page.getByText("expected db-1, got web-1").waitFor();
    await page.getByLabel("Name of the host").fill("db-1");
    await page.getByRole("button", { name: "Revoke it" }).click();
    await page.getByRole("heading", { level: 1, name: "Fleet" }).waitFor();
    await page.getByText("1 host, 1 online").waitFor();
    expect((await hub.ask("GET", "/agents/db-1")).code).toBe("AGENT_UNKNOWN");
    expect(faultsOf(one)).toEqual([]);
  });
});

describe("the activity", () => {
  test("a call appears by itself and is told in full", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/activity", "Activity");
    await page.getByRole("searchbox").waitFor();
    const callId = await call();
    const link = page.locator(`a[href="/console/activity/calls/${callId}"]`);
    await link.waitFor();
    await page
      .getByRole("row", { name: /acme\/hello\.greet/ })
      .first()
      .getByText("answered")
      .waitFor();
    await link.click();
    await page.getByRole("heading", { level: 1, name: "One call" }).waitFor();
    await page.getByRole("region", { name: "Hops" }).getByText("agent: total").waitFor();
    const { answer } = await hub.ask("GET", `/calls/${callId}`);
    const { audit } = answer as { audit: { hub: { hash: string }[] } };
    const evidence = page.getByRole("region", { name: "Evidence" });
    for (const { hash } of audit.hub) await evidence.getByText(hash).waitFor();
    expect(faultsOf(one)).toEqual([]);
  });

  test("what proves a call is shown in words, and downloaded as the file that was judged", async () => {
    const { page, ...one } = await openAs(owner);
    const callId = await call();
    const isRead = async () => {
      const { answer } = await hub.ask("GET", "/audit?event=log.read&limit=100");
      return JSON.stringify(answer).includes(`"evidence":"${callId}"`);
    };
    await one.go(`/activity/calls/${callId}`, "One call");
    const proof = page.getByRole("region", { name: "What is proven" });
    const show = proof.getByRole("button", { name: "Show the evidence" });
    await show.waitFor();
    // Reading it is on record, so that a page which is only opened does not.
    expect(await isRead()).toBe(false);
    await show.click();
    await proof.getByText("Nothing in the file contradicts the rest").waitFor();
    expect(await isRead()).toBe(true);
    for (const [about, state] of [
      ["log", "proven"],
      ["request", "stated"],
      ["answer", "proven"],
    ]) {
      await proof
        .getByRole("row", { name: `${about} ${state}` })
        .first()
        .waitFor();
    }
    await proof.getByText("agent web-1: it signed the answer").waitFor();
    const pending = page.waitForEvent("download");
    await proof.getByRole("link", { name: "Download the file" }).click();
    const download = await pending;
    expect(download.suggestedFilename()).toBe(`evidence-${callId}.json`);
    const { sound, findings } = verifyEvidence(
      parseEvidence(JSON.parse(readFileSync(await download.path(), "utf8"))),
    );
    expect(sound).toBe(true);
    const rows = await proof.locator("tbody tr").allTextContents();
    expect(rows).toEqual(
      findings.map(({ about, state, by, says }) =>
        [about, state, toPlainLine(`${by}: ${says}`)].join(""),
      ),
    );
    // What a host says of a read may reorder a line.
    expect(rows.join("")).toContain("file /proc/\\u202eloadavg");
    expect(await one.findViolations()).toEqual([]);
    expect(faultsOf(one)).toEqual([]);
  });

  test("is not offered to who may not read the log", async () => {
    const callId = await call();
    const guest = await invite(hub, owner, "member", "mary");
    const { page, ...one } = await openAs(guest);
    await one.go(`/activity/calls/${callId}`, "One call");
    await page.getByRole("alert").waitFor();
    expect(await page.getByRole("button", { name: "Show the evidence" }).count()).toBe(0);
    expect([one.foreign, one.dialogs]).toEqual([[], []]);
  });

  test("a file that contradicts itself is called that", async () => {
    const callId = await call();
    expect((await hub.ask("GET", `/calls/${callId}`)).code).toBe(200);
    const { sql, ...database } = await hub.openDatabase();
    await expect
      .poll(async () => {
        const body = Buffer.from("{}");
        return (await sql`update kept_results set body = ${body} where call_id = ${callId}`).count;
      })
      .toBe(1);
    await database.close();
    const { page, ...one } = await openAs(owner);
    await one.go(`/activity/calls/${callId}`, "One call");
    const proof = page.getByRole("region", { name: "What is proven" });
    await proof.getByRole("button", { name: "Show the evidence" }).click();
    await proof.getByText("The file contradicts itself: do not rely on it").waitFor();
    await proof.getByRole("row", { name: "result broken" }).waitFor();
    expect(faultsOf(one)).toEqual([]);
  });

  test("acts and refusals are found by kind and word, and a pause holds the page", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/activity", "Activity");
    await page.getByRole("radio", { name: "Acts" }).check();
    await page.getByRole("link", { name: "agent.tagged" }).first().click();
    await page.getByRole("heading", { level: 1, name: "One entry" }).waitFor();
    await page.getByLabel("Detail").getByText("env=").first().waitFor();
    await page.goBack();
    const { key } = await hub.addKey({ role: "client", agents: [], probes: [] });
    await call("acme__hello_greet", key);
    await page.getByRole("radio", { name: "Refused" }).check();
    const denied = page.getByRole("row", { name: /greet/ });
    await denied.first().getByText("denied").waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    const before = await denied.count();
    await call("acme__hello_greet", key);
    // The next call is there as soon as the page goes on.
    expect(await denied.count()).toBe(before);
    await page.getByRole("button", { name: "Go on" }).click();
    await expect.poll(() => denied.count()).toBe(before + 1);
    expect(faultsOf(one)).toEqual([]);
  });
});

describe("the inbox", () => {
  test("changed words wait with those before, and are approved", async () => {
    const { page, ...one } = await openAs(owner);
    const { sql, ...database } = await hub.openDatabase();
    await sql`update tool_pins set definition_sha256 = ${`sha256:${"0".repeat(64)}`},
      pack_digest = ${hub.digest} where probe = 'acme/hello.greet'`;
    await sql`insert into changes (kind, id) values ('pin', 'acme/hello.greet')`;
    await database.close();
    await one.go("/inbox", "Inbox");
    const sheet = page.getByRole("region", { name: "Changed words of tools" });
    await sheet.getByRole("rowheader", { name: "acme/hello.greet" }).waitFor();
    await sheet.getByText("The sentence is the same").waitFor();
    await sheet.getByRole("button", { name: "Approve these words" }).click();
    await sheet.waitFor({ state: "detached" });
    expect((await hub.ask("GET", "/tool-pins")).answer["held"]).toEqual([]);
    expect(faultsOf(one)).toEqual([]);
  });

  test("packs and hosts that wait for a person are there, with what to do", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/inbox", "Inbox");
    const waiting = page.getByRole("region", { name: "Packs that ask for reads" });
    await waiting.getByText("sudo sonde-agent approve acme/waiting").waitFor();
    await hub.ask("POST", "/agents/web-1/quarantine", { reason: "A test." });
    const held = page.getByRole("region", { name: "Held hosts" });
    await held.getByRole("link", { name: "web-1" }).waitFor();
    await hub.ask("POST", "/agents/web-1/release");
    await held.waitFor({ state: "detached" });
    agent.change({ arch: "arm64" });
    const drift = page.getByRole("region", { name: "Hosts that differ from what was approved" });
    await drift.getByText("1 to review").waitFor();
    agent.change({ arch: "x64" });
    await drift.waitFor({ state: "detached" });
    expect(faultsOf(one)).toEqual([]);
  });
});

describe("access", () => {
  test("a key is made, opens what it may, and is revoked with what it made", async () => {
    const { page, ...one } = await host.open(urlOf(), { key: hub.operatorKey });
    await one.go("/access", "Access");
    await page.getByRole("button", { name: "Make a key" }).click();
    await page.getByLabel("Name of the key").fill("Claude");
    await page.getByLabel("Hosts").fill("role=web");
    await page.getByRole("button", { name: "Make it" }).click();
    const key = await page.getByLabel("Key", { exact: true }).textContent();
    expect((await hub.ask("GET", "/agents", undefined, key ?? "")).code).toBe(200);
    await page.getByRole("button", { name: "I have it" }).click();
    const row = page.getByRole("row", { name: /^Claude client role=web/ });
    await row.getByRole("button", { name: "Revoke Claude" }).click();
    await page.getByRole("button", { name: "Revoke it" }).click();
    await row.waitFor({ state: "detached" });
    expect((await hub.ask("GET", "/agents", undefined, key ?? "")).code).toBe("UNAUTHENTICATED");
    expect(faultsOf(one)).toEqual([]);
  });

  test("a person is invited, has another role, and is disabled", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/access", "Access");
    await page.getByRole("button", { name: "Invite a person" }).click();
    await page.getByRole("combobox", { name: "Role", exact: true }).selectOption("operator");
    await page.getByRole("button", { name: "Make the link" }).click();
    const link = (await page.getByLabel("Link of the invitation").textContent()) ?? "";
    const guest = await joinHub(hub, link, "linus");
    await page.keyboard.press("Escape");
    await page.getByRole("combobox", { name: "Role of linus" }).selectOption("auditor");
    await expect.poll(async () => (await peopleOf()).get("linus")?.role).toBe("auditor");
    await page.getByRole("button", { name: "Disable linus" }).click();
    await page.getByRole("row", { name: /linus/ }).getByText("disabled").waitFor();
    expect((await guest.ask("GET", "/me")).code).toBe("UNAUTHENTICATED");
    expect(faultsOf(one)).toEqual([]);
  });

  test("who has no session signs in and is back where they were", async () => {
    const guest = await invite(hub, owner, "member", "barbara");
    const { page, ...one } = await host.open(urlOf(), {});
    await page.goto(`${urlOf()}/console/access`);
    await page.waitForURL(/\/login\?next=%2Fconsole%2Faccess$/);
    await page.getByLabel("Name", { exact: true }).fill("barbara");
    await page.getByLabel("Password", { exact: true }).fill(guest.password);
    await page
      .getByLabel(/code/i)
      .first()
      .fill(codeAt(guest.secret, stepAt(new Date())));
    await page
      .getByRole("button", { name: /^Sign in/ })
      .first()
      .click();
    await page.getByRole("heading", { level: 1, name: "Access" }).waitFor();
    await expect.poll(() => page.getByRole("region").count()).toBe(1);
    await page
      .getByRole("region", { name: "Where you are signed in" })
      .getByText("this one")
      .waitFor();
    await page.getByRole("button", { name: /^End it: the session/ }).click();
    await expect.poll(async () => (await guest.ask("GET", "/me")).code).toBe("UNAUTHENTICATED");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL(/\/login$/);
    await page.goto(`${urlOf()}/console/`);
    await page.waitForURL(/\/login\?next=%2Fconsole%2F$/);
    expect(one.foreign).toEqual([]);
  });
});

describe("health", () => {
  test("it tells which hosts are away, how the registry's log is, and the head of the audit log", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/health", "Health");
    await page.getByText("It answers, and so does its database.").waitFor();
    const hosts = page.getByRole("region", { name: "Hosts" });
    await hosts.getByText("Every host is connected.").waitFor();
    await page.getByRole("region", { name: "Log of the registry" }).getByText("followed").waitFor();
    await page
      .getByRole("region", { name: "Keys of the hub" })
      .getByText("orders to agents")
      .waitFor();
    agent.close();
    await hosts.getByText("offline").waitFor();
    await hosts.getByRole("link", { name: "web-1" }).waitFor();
    agent = await play();
    await hosts.getByText("Every host is connected.").waitFor();
    await hub.ask("POST", "/agents/web-1/tags", { set: ["role=web"], remove: [] });
    const { answer } = await hub.ask("GET", "/audit?afterSeq=0&limit=1");
    const { size } = answer["head"] as { size: number };
    const head = page.getByRole("region", { name: "Audit log" });
    const entries = async () => Number(/Entries(\d+)/.exec((await head.textContent()) ?? "")?.[1]);
    await expect.poll(entries).toBeGreaterThanOrEqual(size);
    expect(faultsOf(one)).toEqual([]);
  });
});

async function peopleOf(): Promise<Map<string, { role: string }>> {
  const { answer } = await owner.ask("GET", "/people");
  const people = answer["people"] as { name: string; role: string }[];
  return new Map(people.map((person) => [person.name, person]));
}

/** The pages, each with its title. */
const pages = async (): Promise<[string, string][]> => [
  ["/", "Fleet"],
  ["/hosts/web-1", "web-1"],
  ["/hosts/nobody", "nobody"],
  ["/activity", "Activity"],
  ["/activity?show=all", "Activity"],
  [`/activity/calls/${await call()}`, "One call"],
  ["/inbox", "Inbox"],
  ["/packs", "Packs"],
  ["/try", "Try it"],
  ["/access", "Access"],
  ["/account", "Your account"],
  ["/health", "Health"],
  ["/nothing", "There is nothing here"],
];

describe("each page", () => {
  test.each([
    ["a phone, in the dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }],
    ["a wide screen, in the light", { viewport: { width: 2560, height: 1440 } }],
  ])("%s: it fits, and axe-core finds nothing", { timeout: 240_000 }, async (_what, options) => {
    const { page, ...one } = await openAs(owner, options);
    for (const [path, title] of await pages()) {
      await one.go(path, title);
      await expect.poll(() => page.getByText("Reading").count()).toBe(0);
      for (const summary of await page.getByText("What it may read").all()) await summary.click();
      await expect.poll(() => page.getByText("Reading").count()).toBe(0);
      expect([path, await one.findViolations()]).toEqual([path, []]);
      expect([path, await one.isTooWide()]).toEqual([path, false]);
    }
    expect(faultsOf(one)).toEqual([]);
  });

  test("the keyboard reaches everything, and the focus is where one looks", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/", "Fleet");
    const focused = () => page.evaluate<string>("document.activeElement?.textContent ?? ''");
    expect(await focused()).toBe("Fleet");
    await page.getByRole("link", { name: "web-1" }).focus();
    await page.keyboard.press("Enter");
    await expect.poll(focused).toBe("web-1");
    await expect.poll(() => page.title()).toBe("web-1 \u00b7 Sonde");
    await page.getByRole("button", { name: "Quarantine" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Quarantine" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    expect(await focused()).toBe("Quarantine");
    await page.goBack();
    await expect.poll(focused).toBe("Fleet");
    await page.keyboard.press("Shift+Tab");
    await page.evaluate("document.activeElement.blur()");
    await page.keyboard.press("Tab");
    expect(faultsOf(one)).toEqual([]);
  });
});

describe("the connection", () => {
  test("an open page outlives a restart of the hub, and loses nothing", {
    timeout: 240_000,
  }, async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/?q=web", "Fleet");
    await page.getByRole("link", { name: "web-1" }).waitFor();
    await hub.restart(async () => {
      await page.getByText("The hub does not answer. What you see may be old.").waitFor();
      // What it showed stays there meanwhile.
      expect(await page.getByRole("link", { name: "web-1" }).count()).toBe(1);
    });
    await page.getByText("The hub does not answer.").waitFor({ state: "detached" });
    expect(await page.getByRole("searchbox").inputValue()).toBe("web");
    agent = await play();
    await page.getByRole("row", { name: /web-1/ }).getByText("online").waitFor();
    expect(one.dialogs).toEqual([]);
  });

  test("a page is signed out as soon as its session ends", async () => {
    const guest = await invite(hub, owner, "auditor", "grace");
    const { page, ...one } = await openAs(guest);
    await one.go("/", "Fleet");
    await page.getByRole("link", { name: "web-1" }).waitFor();
    await owner.ask("DELETE", `/people/${guest.id}/sessions`);
    await page.getByRole("heading", { level: 1, name: "You are not signed in" }).waitFor();
    expect(await page.getByRole("link", { name: "Sign in" }).getAttribute("href")).toBe(
      "/login?next=%2Fconsole%2F",
    );
    expect(await page.getByRole("link", { name: "web-1" }).count()).toBe(0);
    expect(faultsOf(one)).toEqual([]);
  });

  test("who may only see some hosts sees these, live, and no act that it may not do", async () => {
    const { key } = await hub.addKey({ role: "client", agents: ["role=db"], probes: "*" });
    const { page, ...one } = await host.open(urlOf(), { key });
    await one.go("/", "Fleet");
    await page.getByText("No host is here yet.").waitFor();
    await hub.ask("POST", "/agents/web-1/tags", { set: ["role=db"], remove: [] });
    await page.getByRole("link", { name: "web-1" }).click();
    await page.getByRole("heading", { level: 1, name: "web-1" }).waitFor();
    for (const name of ["Quarantine", "Revoke", "Tags", "Install a pack"]) {
      expect([name, await page.getByRole("button", { name, exact: true }).count()]).toEqual([
        name,
        0,
      ]);
    }
    expect(await page.getByRole("link", { name: "Activity" }).count()).toBe(0);
    await hub.ask("POST", "/agents/web-1/tags", { set: ["role=web"], remove: [] });
    await page.getByText("No host has this name, or you may not see it.").waitFor();
    expect(faultsOf(one)).toEqual([]);
  });
});

// The last one: from here on the hub has another log than the one that it signed.
describe("a log that is not the one that was signed", () => {
  test("is a problem on the page of health, with its code and its words", async () => {
    for (let times = 0; times < 4; times++) await hub.ask("GET", "/audit?limit=1");
    const { answer } = await hub.ask("POST", "/audit/checkpoints");
    const { size } = answer["checkpoint"] as { size: number };
    const { page, ...one } = await openAs(owner);
    await one.go("/health", "Health");
    const sheet = page.getByRole("region", { name: "Audit log" });
    await sheet.getByText("Signed").first().waitFor();
    expect(await sheet.getByText("AUDIT_INCONSISTENT").count()).toBe(0);
    await hub.restart(async () => {
      const { sql, ...database } = await hub.openDatabase();
      await sql`delete from audit_log where seq > ${size - 3}`;
      await sql`update audit_head set size = ${size - 3},
        hash = (select hash from audit_log where seq = ${size - 3})`;
      await database.close();
    });
    expect((await hub.ask("POST", "/audit/checkpoints")).code).toBe("AUDIT_INCONSISTENT");
    await one.go("/health", "Health");
    await sheet.locator(".badge.bad", { hasText: "AUDIT_INCONSISTENT" }).waitFor();
    await sheet.getByText("expected the log").waitFor();
    expect(await one.findViolations()).toEqual([]);
    expect([one.foreign, one.dialogs]).toEqual([[], []]);
  });
});

/** Enrols as an agent does, by another process on the same database. */
async function enrol(name: string, token: string): Promise<void> {
  const { sql, ...database } = await hub.openDatabase();
  const directory = await openDirectory(sql, fail);
  const id = randomUUID();
  await createEnrolmentStore(sql, directory).enrol({
    ...{ secret: token.split(".")[0] ?? "", id, name, isKnown: false, at: new Date() },
    ...{ publicKey: id, serial: id, keyId: digestOf(Buffer.from(id)) },
    certificateExpiresAt: new Date(Date.now() + 3_600_000),
  });
  await directory.close();
  await database.close();
}
