import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Database } from "@sonde/database";
import type { PackReport } from "@sonde/schemas/wire";
import { digestOf } from "@sonde/trust/archive";
import { buildSampleManifest } from "@sonde/trust/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPackStore } from "../../hub/src/catalog/edge/pack-store.ts";
import { openDirectory } from "../../hub/src/directory/index.ts";
import { CALLBACK, createOAuthClient } from "../../hub/src/testing/oauth-client.ts";
import { type Account, makeOwner, postForm } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { buildConsole } from "../../hub/web/src/build-console.ts";
import { type ConsoleHost, startConsoleHost } from "../product/console-host.ts";
import { type PlayedAgent, playAgent } from "../product/played-agent.ts";

// Attack 38 on the console, in Chromium: every name that a stranger chooses, and a page of another
// origin. The agent, its pack and the client are hostile.

/** What a stranger may name something: markup, an end of a script, and a text that reorders a line. */
const EVIL = `<img src=x onerror="alert(1)"></script><script>alert(2)</script>\u202e{{7*7}}`;
const SHOWN_EVIL = EVIL.replace("\u202e", "\\u202e");
const EVIL_PACK = "acme/evil";
const evilDigest = digestOf(Buffer.from(EVIL_PACK));

let hub: TestHub;
let host: ConsoleHost;
let agent: PlayedAgent;
let owner: Account;
beforeAll(async () => {
  [hub, host] = await Promise.all([
    startHub(addEvilPack, {}, { console: await buildConsole() }),
    startConsoleHost(),
  ]);
  owner = await makeOwner(hub);
  const pack: PackReport = {
    ...{ name: EVIL_PACK, version: "1.0.0", digest: evilDigest, state: "pending" },
    ...{ signer: null, probes: [], approved: null },
    reason: { code: "GRANT_NEEDED", message: EVIL },
  };
  agent = await playAgent(hub, { os: EVIL, packs: [pack] }, { os: EVIL, kernel: EVIL });
});
afterAll(async () => {
  agent?.close();
  await host?.close();
  await hub?.close();
});

const urlOf = () => `http://localhost:${hub.ready.http}`;

/** A pack of which a stranger chose every word. */
async function addEvilPack({ sql }: Database): Promise<void> {
  const directory = await openDirectory(sql, (error) => {
    throw error;
  });
  const manifest = buildSampleManifest({ name: EVIL_PACK });
  const probes = Object.entries(manifest.probes).map(([name, probe]) => [
    name,
    { ...probe, description: EVIL },
  ]);
  await createPackStore(sql, directory).savePack(
    {
      ...{ digest: evilDigest, name: EVIL_PACK, version: "1.0.0" },
      signer: { kind: "rsa-sha256", publisher: "acme", keyId: digestOf(Buffer.from(EVIL)) },
      manifest: {
        ...manifest,
        description: EVIL,
        repository: "javascript:alert(3)",
        probes: Object.fromEntries(probes) as typeof manifest.probes,
      },
    },
    EVIL,
    new Date(),
  );
  await directory.close();
}

/** A client that asks for a tool and an agent of any name. */
async function askAnything(key: string): Promise<void> {
  const params = { name: EVIL, arguments: { agent: EVIL } };
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
  await response.text();
}

/** A passkey, a browser and two clients, one of them refused, whose names a stranger chose. */
async function nameOwnThings(): Promise<void> {
  const { sql, ...database } = await hub.openDatabase();
  await sql`insert into passkeys
    (id, person_id, name, public_key, counter, transports, host, created_at)
    values ('evil', ${owner.id}, ${EVIL}, '', 0, '{}', ${EVIL}, now())`;
  await database.close();
  const form = { name: owner.name, password: owner.password, code: owner.recoveryCodes[0] ?? "" };
  const said = { "user-agent": EVIL.replace("\u202e", "") };
  const entered = await postForm(hub, "/login", { ...form, next: "/" }, undefined, said);
  expect(entered.status).toBe(303);
  const client = createOAuthClient(urlOf());
  const named = {
    ...{ client_name: EVIL, redirect_uris: [CALLBACK] },
    token_endpoint_auth_method: "none",
  };
  const { body } = await client.register(named);
  await client.connect(owner.cookie, {}, String(body["client_id"]));
  expect((await client.register(named)).status).toBe(201);
  const refused = await client.register({ ...named, redirect_uris: ["https://evil.example/cb"] });
  expect(refused.status).toBe(400);
}

test("attack 38: words of a stranger are shown as such, and nothing of them runs or loads", async () => {
  const { page, ...one } = await host.open(urlOf(), { cookie: owner.cookie });
  const reason = EVIL.replace("\u202e", "");
  await hub.ask("POST", "/agents/web-1/quarantine", { reason });
  const policy = { role: "client", agents: [], probes: [] };
  const made = await hub.ask("POST", "/api-keys", { name: EVIL.slice(0, 40), policy });
  await askAnything((made.answer as { key: string }).key);
  await nameOwnThings();
  let shown = 0;
  for (const [path, title] of [
    ["/hosts/web-1", "web-1"],
    [`/hosts/${encodeURIComponent(EVIL)}`, SHOWN_EVIL],
    ["/", "Fleet"],
    ["/activity?show=all", "Activity"],
    ["/inbox", "Inbox"],
    ["/access", "Access"],
    ["/account", "Your account"],
    ["/health", "Health"],
  ] as const) {
    await one.go(path, title);
    await expect.poll(() => page.getByText("Reading").count()).toBe(0);
    for (const summary of await page.locator("summary").all()) await summary.click();
    await expect.poll(() => page.getByText("Reading").count()).toBe(0);
    const text = (await page.locator("body").textContent()) ?? "";
    expect([path, text.includes("\u202e")]).toEqual([path, false]);
    shown += text.split("onerror=").length - 1;
    const elements = await page.locator("img, main script, iframe, object").count();
    expect([path, elements]).toEqual([path, 0]);
    const links = await page
      .locator("a[href]")
      .evaluateAll((all) => all.map((link) => link.getAttribute("href") ?? ""));
    expect(links.filter((link) => !/^(\/console\/|#|https:|mailto:)/.test(link))).toEqual([]);
  }
  // The system, the kernel, the reasons of a pack and of a hold, a description, a key, a title, a passkey
  // and its host, a browser, and clients that were let in, came, and were refused.
  expect(shown).toBeGreaterThan(14);
  await hub.ask("POST", "/agents/web-1/release");
  expect([one.errors, one.foreign, one.dialogs]).toEqual([[], [], []]);
});

test("attack 38: what a stranger asked for is no more than text in the evidence of it", async () => {
  const policy = { role: "client", agents: [], probes: [] };
  const made = await hub.ask("POST", "/api-keys", { name: "evidence", policy });
  await askAnything((made.answer as { key: string }).key);
  const { answer } = await hub.ask("GET", "/audit?event=call.denied&limit=1");
  const [entry] = answer["entries"] as { record: { callId: string } }[];
  const { page, ...one } = await host.open(urlOf(), { cookie: owner.cookie });
  await one.go(`/activity/calls/${entry?.record.callId}`, "One call");
  const proof = page.getByRole("region", { name: "What is proven" });
  await proof.getByRole("button", { name: "Show the evidence" }).click();
  const request = proof.getByRole("row", { name: "request stated" });
  await request.waitFor();
  const text = (await request.textContent()) ?? "";
  expect([text.includes("onerror="), text.includes("\u202e")]).toEqual([true, false]);
  expect(await page.locator("img, main script, iframe, object").count()).toBe(0);
  expect([one.errors, one.foreign, one.dialogs]).toEqual([[], [], []]);
});

test("attack 38: a page of another origin does nothing with the session", async () => {
  const { page, ...one } = await host.open(urlOf(), { cookie: owner.cookie });
  await hub.ask("POST", "/agents/web-1/quarantine", { reason: "A test." });
  const other = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<title>other</title>");
  }).listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  // Another port of the same host is the same site, so the browser sends the cookie.
  await page.goto(`http://localhost:${port}/`);
  const send = async (method: string, path: string): Promise<number> => {
    const url = `${urlOf()}/api/v1${path}`;
    const answered = page.waitForResponse(url);
    await page.evaluate(
      ([address, verb]) =>
        fetch(address ?? "", { method: verb ?? "", mode: "no-cors", credentials: "include" }),
      [url, method],
    );
    return (await answered).status();
  };
  // The session is known, though the page cannot read the answer.
  expect(await send("GET", "/me")).toBe(200);
  expect(await send("POST", "/agents/web-1/release")).toBe(403);
  expect((await hub.ask("GET", "/agents/web-1")).answer["holds"]).toHaveLength(1);
  await hub.ask("POST", "/agents/web-1/release");
  other.closeAllConnections();
  other.close();
  expect(one.dialogs).toEqual([]);
});
