import type { Database } from "@sonde/database";
import type { Manifest } from "@sonde/schemas/manifest";
import { digestOf } from "@sonde/trust/archive";
import { buildSampleManifest } from "@sonde/trust/testing";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createAgentChanges } from "../../hub/src/agents/edge/agent-changes.ts";
import { createPackStore } from "../../hub/src/catalog/edge/pack-store.ts";
import { openDirectory } from "../../hub/src/directory/index.ts";
import { codeAt, stepAt } from "../../hub/src/people/core/totp.ts";
import { createOAuthClient } from "../../hub/src/testing/oauth-client.ts";
import {
  type Account,
  askAs,
  fromBase32,
  invite,
  makeOwner,
  postForm,
  readCookies,
} from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { buildConsole } from "../../hub/web/src/build-console.ts";
import {
  type ConsoleHost,
  faultsOf,
  type OpenedConsole,
  startConsoleHost,
} from "../product/console-host.ts";
import { type PlayedAgent, playAgent } from "../product/played-agent.ts";

// Who gets in, one's own account, and what waits, in Chromium with a hub that runs.

let hub: TestHub;
let host: ConsoleHost;
let agent: PlayedAgent;
let owner: Account;

const PACK = "acme/load";
const [OLD, NEW] = [digestOf(Buffer.from("1.0.0")), digestOf(Buffer.from("2.0.0"))];

beforeAll(async () => {
  [hub, host] = await Promise.all([
    startHub(savePacks, {}, { console: await buildConsole() }),
    startConsoleHost(),
  ]);
  owner = await makeOwner(hub);
  const report = { name: PACK, signer: null, probes: [], approved: null };
  agent = await playAgent(
    hub,
    {
      packs: [
        { ...report, version: "1.0.0", digest: OLD, state: "active", reason: null },
        {
          ...{ ...report, version: "2.0.0", digest: NEW, state: "pending" },
          reason: { code: "GRANT_NEEDED", message: "nobody approved what this version asks for" },
        },
      ],
    },
    {},
    hub.agent,
    { mayGrant: ["/proc"] },
  );
});
afterAll(async () => {
  agent?.close();
  await host?.close();
  await hub?.close();
});

// Tests of a busy machine take longer than a sign-in counts as one of now.
beforeEach(async () => {
  const { sql, ...database } = await hub.openDatabase();
  await sql`update person_sessions set created_at = now() where person_id = ${owner.id}`;
  await sql`insert into changes (kind, id) values ('person', ${owner.id})`;
  await database.close();
});

/** A version that serves, and one that asks for more: what a host lets its hub grant, and a group. */
async function savePacks({ sql }: Database): Promise<void> {
  const directory = await openDirectory(sql, fail);
  const store = createPackStore(sql, directory);
  const signer = { kind: "rsa-sha256", publisher: "acme", keyId: OLD } as const;
  for (const [digest, version, files, groups] of [
    [OLD, "1.0.0", ["/proc/uptime"], []],
    [NEW, "2.0.0", ["/proc/loadavg", "/proc/uptime"], ["adm"]],
  ] as const) {
    const manifest = buildManifest(version, files, groups);
    await store.savePack({ digest, name: PACK, version, signer, manifest }, "", new Date());
  }
  const [agentId = ""] = directory.agents().map(({ id }) => id);
  const assigned = { agentId, pack: PACK, digest: NEW, by: "test", at: new Date() };
  await createAgentChanges(sql, directory).assignPack(assigned);
  await directory.close();
}

function buildManifest(
  version: string,
  files: readonly string[],
  groups: readonly string[],
): Manifest {
  const requires = { groups: [...groups], commands: [], files: [...files], sockets: [] };
  const sample = buildSampleManifest({ name: PACK, version, requires });
  const [probe] = Object.values(sample.probes);
  const file = (path: string) => ({ kind: "file", path, timeoutMs: 500, maxBytes: 99 }) as const;
  const sources = Object.fromEntries(files.map((path, at) => [`s${at}`, file(path)]));
  const probes = Object.fromEntries(
    Object.keys(sources).map((source) => [
      `look-${source}`,
      { ...(probe ?? fail()), reads: { it: { source } } },
    ]),
  );
  return { ...sample, sources, probes };
}

function fail(error = new Error("expected a value")): never {
  throw error;
}

const urlOf = () => `http://localhost:${hub.ready.http}`;
const openAs = async (
  { cookie }: Pick<Account, "cookie">,
  options = {},
): Promise<OpenedConsole> => {
  const one = await host.open(urlOf(), { cookie }, options);
  one.page.setDefaultTimeout(20_000);
  return one;
};

/** A second session of somebody, by one of their recovery codes. */
async function signInAgain(account: Account, browser: string): Promise<{ cookie: string }> {
  const { name, password } = account;
  const code = account.recoveryCodes.shift() ?? fail();
  const form = { name, password, code, next: "/console/" };
  const response = await postForm(hub, "/login", form, undefined, { "user-agent": browser });
  expect(response.status).toBe(303);
  return { cookie: readCookies(response) };
}

/** Asks as the page that is open, with the session that it has now. */
const askIn = (page: Page, method: string, path: string) =>
  page.evaluate(
    async ([verb, address]) => {
      const response = await fetch(`/api/v1${address}`, { method: verb ?? "" });
      return (await response.json()) as Record<string, unknown> & { code?: string };
    },
    [method, path],
  );

async function addAuthenticator(page: Page): Promise<void> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      ...({ protocol: "ctap2", transport: "internal" } as const),
      ...{ hasResidentKey: true, hasUserVerification: true, isUserVerified: true },
      automaticPresenceSimulation: true,
    },
  });
}

const MARKUP = `<img src=x onerror="alert(1)">`;

describe("one's own account", () => {
  test("a passkey is added and named, the password goes, and the last way in stays", async () => {
    const guest = await invite(hub, owner, "member", "grace");
    const { page, ...one } = await openAs(guest);
    await addAuthenticator(page);
    await one.go("/", "Fleet");
    await page.getByRole("link", { name: "grace" }).click();
    await page.getByRole("heading", { level: 1, name: "Your account" }).waitFor();
    const passkeys = page.getByRole("region", { name: "Passkeys" });
    await page.getByText("your only way in").waitFor();
    await passkeys.getByRole("button", { name: "Add a passkey" }).click();
    await page.getByLabel("Name of the passkey").fill(MARKUP);
    await page.getByRole("button", { name: "Add it" }).click();
    const row = passkeys.getByRole("row", { name: MARKUP });
    await row.getByText("localhost").waitFor();
    await row.getByText("never").waitFor();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    // This browser has another session now, and the one of before has ended.
    expect((await guest.ask("GET", "/me")).code).toBe("UNAUTHENTICATED");
    await page.getByRole("button", { name: "Remove password and codes" }).click();
    await page.getByText("None. A password always comes").waitFor();
    await row.getByText("your only way in").waitFor();
    expect(await page.getByRole("button", { name: /^Remove/ }).count()).toBe(0);
    const { passkeys: own } = (await askIn(page, "GET", "/me")) as { passkeys?: { id: string }[] };
    const refused = await askIn(page, "DELETE", `/me/passkeys/${own?.[0]?.id}`);
    expect(refused["code"]).toBe("LAST_CREDENTIAL");
    expect(await askIn(page, "GET", "/me")).toMatchObject({
      ...{ passkeys: [{ name: MARKUP, host: "localhost" }], hasPassword: false },
    });
    expect(await page.getByText("You are not signed in").count()).toBe(0);
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });

  test("a password is set with the codes of an app, whose secret is shown, and signs in", async () => {
    const guest = await invite(hub, owner, "member", "edsger");
    const { page, ...one } = await openAs(guest);
    await one.go("/account", "Your account");
    await page.getByRole("button", { name: "Change the password" }).click();
    const secret = fromBase32(await textOf(page, "Secret for the app"));
    expect(await textOf(page, "Address for the app")).toMatch(/^otpauth:\/\/totp\//);
    await page.getByRole("img", { name: "The secret as a QR code" }).waitFor();
    expect(await one.findViolations()).toEqual([]);
    const password = "another horse on the moon 8";
    await page.getByLabel("New password").fill(password);
    await page.getByLabel("The app's code").fill("000000");
    await page.getByRole("button", { name: "Set it" }).click();
    await page.getByRole("alert").getByText("BAD_REQUEST").waitFor();
    await page.getByLabel("The app's code").fill(codeAt(secret, stepAt(new Date()) - 1));
    await page.getByRole("button", { name: "Set it" }).click();
    const codes = (await textOf(page, "Recovery codes")).split("\n");
    expect(codes).toHaveLength(10);
    await page.getByRole("button", { name: "I have them" }).click();
    await page.getByText("10 recovery codes left").waitFor();
    const again = { ...guest, password, recoveryCodes: codes };
    const { cookie } = await signInAgain(again, "Chromium");
    expect((await askAs(hub, cookie, "GET", "/me")).answer["name"]).toBe("edsger");
    const stale = { name: "edsger", password: guest.password, code: codes[1] ?? "", next: "/" };
    expect((await postForm(hub, "/login", stale)).status).toBe(401);
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });

  test("what an older sign-in may not change says so, and leads to a new one and back", async () => {
    const guest = await invite(hub, owner, "member", "barbara");
    const { page, ...one } = await openAs(guest);
    await one.go("/account", "Your account");
    await page.getByRole("region", { name: "Passkeys" }).waitFor();
    const { sql, ...database } = await hub.openDatabase();
    await sql`update person_sessions set created_at = now() - interval '11 minutes'
      where person_id = ${guest.id}`;
    await sql`insert into changes (kind, id) values ('person', ${guest.id})`;
    await database.close();
    await page.getByRole("button", { name: "Add a passkey" }).click();
    await page.getByLabel("Name of the passkey").fill("phone");
    const link = page.getByRole("link", { name: "Sign in again" });
    await expect
      .poll(async () => {
        await page.getByRole("button", { name: "Add it" }).click();
        await page.getByRole("alert").waitFor();
        return await link.count();
      })
      .toBe(1);
    expect(await link.getAttribute("href")).toBe("/login?next=%2Fconsole%2Faccount");
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });

  test("of two browsers at once, one ends the session of the other", async () => {
    const guest = await invite(hub, owner, "member", "alan");
    const other = await signInAgain(guest, MARKUP);
    const [one, two] = [await openAs(guest), await openAs(other)];
    await two.go("/", "Fleet");
    await one.go("/account", "Your account");
    const sessions = one.page.getByRole("region", { name: "Where you are signed in" });
    await sessions.getByText("this one").waitFor();
    await sessions.getByText(MARKUP).waitFor();
    await sessions.getByRole("button", { name: /^End it: the session of/ }).click();
    await two.page.getByRole("heading", { level: 1, name: "You are not signed in" }).waitFor();
    await sessions.getByText(MARKUP).waitFor({ state: "detached" });
    expect((await guest.ask("GET", "/me")).code).toBe(200);
    expect([...faultsOf(one), ...faultsOf(two)]).toEqual([]);
    await one.close();
    await two.close();
  });

  test("a person ends what they let a client do", async () => {
    const guest = await invite(hub, owner, "member", "dennis");
    const client = createOAuthClient(urlOf());
    const tokens = await client.connect(guest.cookie);
    const { page, ...one } = await openAs(guest);
    await one.go("/account", "Your account");
    const clients = page.getByRole("region", { name: "Clients that you let in" });
    await clients.getByRole("row", { name: /Terminal observe on every host/ }).waitFor();
    await clients.getByRole("button", { name: /^End it: what Terminal may do/ }).click();
    await clients.getByText("revoked-by-person").waitFor();
    const { body } = await client.refresh(tokens.clientId, tokens.refreshToken);
    expect(body["error"]).toBe("invalid_grant");
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });

  test("a key has no account", async () => {
    const { page, ...one } = await host.open(urlOf(), { key: hub.operatorKey });
    await one.go("/account", "Your account");
    await page.getByText("A key has no account.").waitFor();
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });
});

const textOf = async (page: Page, label: string): Promise<string> =>
  (await page.getByLabel(label, { exact: true }).textContent()) ?? "";

describe("access", () => {
  test("an owner sees where somebody is signed in, ends it, and deletes the account", async () => {
    const guest = await invite(hub, owner, "auditor", "linus");
    const [one, two] = [await openAs(owner), await openAs(guest)];
    await two.go("/", "Fleet");
    await one.go("/access", "Access");
    await one.page.getByRole("button", { name: "Sessions of linus" }).click();
    const window = one.page.getByRole("dialog", { name: "linus" });
    await window.getByText("by password and totp").waitFor();
    expect(await one.findViolations()).toEqual([]);
    await window.getByRole("button", { name: "End all sessions" }).click();
    await window.getByText("is signed in nowhere").waitFor();
    await two.page.getByRole("heading", { level: 1, name: "You are not signed in" }).waitFor();
    await window.getByRole("button", { name: "Delete the account" }).click();
    await window.getByRole("button", { name: "Delete it" }).click();
    await one.page
      .getByRole("button", { name: "Sessions of linus" })
      .waitFor({ state: "detached" });
    expect((await owner.ask("GET", `/people/${guest.id}/sessions`)).code).toBe("NOT_FOUND");
    expect([...faultsOf(one), ...faultsOf(two)]).toEqual([]);
    await one.close();
    await two.close();
  });

  test("a link that nobody used is listed and ended", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/access", "Access");
    await page.getByRole("button", { name: "Invite a person" }).click();
    await page.getByRole("combobox", { name: "Role", exact: true }).selectOption("admin");
    await page.getByRole("button", { name: "Make the link" }).click();
    const link = await textOf(page, "Link of the invitation");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "End it: the link for a new admin" }).click();
    await page.getByText("Links that nobody used yet").waitFor({ state: "detached" });
    expect((await fetch(link)).status).toBe(401);
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });

  test("a key has an end and a last use, and is rotated; its old secret ends", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/access", "Access");
    await page.getByRole("button", { name: "Make a key" }).click();
    await page.getByLabel("Name of the key").fill("nightly");
    await page.getByLabel("Ends after days").fill("30");
    await page.getByRole("button", { name: "Make it" }).click();
    const first = await textOf(page, "Key");
    expect((await hub.ask("GET", "/agents", undefined, first)).code).toBe(200);
    await page.getByRole("button", { name: "I have it" }).click();
    const row = page.getByRole("row", { name: /^nightly/ });
    await row.getByText("in 30 days").waitFor();
    await page.getByRole("button", { name: "Rotate nightly" }).click();
    await page.getByLabel("The secret of now works on for").selectOption("not at all");
    expect(await one.findViolations()).toEqual([]);
    await page.getByRole("button", { name: "Rotate it" }).click();
    const second = await textOf(page, "Key");
    expect(second).not.toBe(first);
    expect((await hub.ask("GET", "/agents", undefined, first)).code).toBe("UNAUTHENTICATED");
    expect((await hub.ask("GET", "/agents", undefined, second)).code).toBe(200);
    await page.getByRole("button", { name: "I have it" }).click();
    await expect.poll(async () => (await keyOf("nightly"))?.lastUsedAt).toEqual(expect.any(String));
    await page.reload();
    await row.getByText("from 127.0.0.1").waitFor();
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });

  test("what a person granted appears, an admin ends it, and the client is removed", async () => {
    const guest = await invite(hub, owner, "member", "ken");
    const { page, ...one } = await openAs(owner);
    await one.go("/access", "Access");
    const clients = page.getByRole("region", { name: "OAuth clients" });
    await clients.waitFor();
    const client = createOAuthClient(urlOf());
    const tokens = await client.connect(guest.cookie);
    const grant = clients.getByRole("row", { name: /Terminal ken observe on every host/ });
    await grant.getByRole("button", { name: "End it: what Terminal may do for ken" }).click();
    await grant.getByText("revoked-by-admin").waitFor();
    const { body } = await client.refresh(tokens.clientId, tokens.refreshToken);
    expect(body["error"]).toBe("invalid_grant");
    const rows = clients.getByRole("button", { name: "Remove Terminal" });
    const before = await rows.count();
    const fresh = await client.registerTerminal();
    await expect.poll(() => rows.count()).toBe(before + 1);
    await rows.first().click();
    await page.getByRole("button", { name: "Remove it" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await expect.poll(async () => (await clientIds()).includes(fresh)).toBe(false);
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });

  test("a policy is made, told in words, given, tried, changed, taken away and removed", {
    timeout: 240_000,
  }, async () => {
    await hub.ask("POST", "/api-keys", {
      ...{ name: "team", policy: { role: "client", agents: "*", probes: "*" } },
    });
    const { page, ...one } = await openAs(owner);
    await one.go("/access", "Access");
    await page.getByRole("button", { name: "Make a policy" }).click();
    await page.getByLabel("Name of the policy").fill("web-team");
    await page.getByLabel("Hosts", { exact: true }).fill("role=web db-1");
    await page.getByLabel("Questions that are refused all the same").fill("acme/load.look-s0");
    await page.getByLabel("Calls a minute").fill("60");
    await page.getByLabel("Addresses").fill("not an address");
    await page.getByRole("button", { name: "Make it" }).click();
    await page.getByRole("alert").getByText("BAD_REQUEST").waitFor();
    await page.getByLabel("Addresses").fill("192.0.2.0/24");
    expect(await one.findViolations()).toEqual([]);
    await page.getByRole("button", { name: "Make it" }).click();
    const policies = page.getByRole("region", { name: "Policies" });
    await policies.getByText("role=web, db-1", { exact: true }).waitFor();
    await policies.getByText("every question, but never acme/load.look-s0").waitFor();
    await policies.getByText("60 a minute, 60 at once").waitFor();
    expect((await hub.ask("GET", "/policies/web-team")).answer["policy"]).toEqual({
      agents: { allow: ["role=web", "db-1"] },
      tools: { deny: ["acme/load.look-s0"] },
      rate: { perMinute: 60, burst: 60 },
      addresses: ["192.0.2.0/24"],
    });
    await policies.getByLabel("Who else holds web-team").selectOption("team (key)");
    await policies.getByRole("button", { name: "Give it: web-team" }).click();
    await policies.getByRole("button", { name: "Take it away from team (key)" }).waitFor();
    await page.getByRole("row", { name: /^team/ }).getByText("by policy web-team").waitFor();

    const trial = page.getByRole("region", { name: "Would it be allowed?" });
    await trial.getByLabel("Who").selectOption("team (key)");
    await trial.getByLabel("Question").fill("acme__load_look-s1");
    await trial.getByLabel("Host", { exact: true }).fill("web-1");
    await trial.getByLabel("From which address").fill("192.0.2.7");
    const say = trial.getByRole("button", { name: "Say whether" });
    await say.click();
    await trial.getByText("refused", { exact: true }).waitFor();
    await trial.getByText("FORBIDDEN").waitFor();
    await trial
      .getByRole("list", { name: "The rule that refuses it" })
      .getByText("web-team")
      .waitFor();
    await hub.ask("POST", "/agents/web-1/tags", { set: ["role=web"], remove: [] });
    await say.click();
    await trial.getByText("allowed", { exact: true }).waitFor();
    await trial.getByLabel("Question").fill("acme/load.look-s0");
    await say.click();
    await trial.getByText("tools.deny[0] acme/load.look-s0").waitFor();
    await trial.getByLabel("Question").fill("acme/load.look-s1");
    await trial.getByLabel("From which address").fill("198.51.100.7");
    await say.click();
    await trial.getByText("ADDRESS_REFUSED").waitFor();

    await policies.getByRole("button", { name: "Change web-team" }).click();
    const before = await hub.ask("GET", "/policies/web-team");
    await page.getByRole("button", { name: "Change it" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    // What is not touched stays as it was.
    const after = await hub.ask("GET", "/policies/web-team");
    expect(after.answer["policy"]).toEqual(before.answer["policy"]);
    await policies.getByRole("button", { name: "Change web-team" }).click();
    await page.getByLabel("Hosts", { exact: true }).fill("");
    await page.getByLabel("Asks at most").selectOption("observe");
    await page.getByRole("button", { name: "Change it" }).click();
    await policies.getByText("none", { exact: true }).waitFor();
    expect((await hub.ask("GET", "/policies/web-team")).answer["policy"]).toMatchObject({
      agents: { allow: [] },
      capability: "observe",
    });
    await policies.getByRole("button", { name: "Remove web-team" }).click();
    await policies.getByRole("alert").getByText("POLICY_IN_USE").waitFor();
    await policies.getByRole("button", { name: "Take it away from team (key)" }).click();
    await policies.getByText("Nobody holds it.").waitFor();
    await policies.getByRole("button", { name: "Remove web-team" }).click();
    await policies.getByText("None. Without one").waitFor();
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });

  test("who may only read sees everything and has no act; a member sees themselves", async () => {
    const [auditor, member] = [
      await invite(hub, owner, "auditor", "niklaus"),
      await invite(hub, owner, "member", "donald"),
    ];
    const one = await openAs(auditor);
    for (const [path, title] of [
      ["/access", "Access"],
      ["/inbox", "Inbox"],
    ] as const) {
      await one.go(path, title);
      await expect.poll(() => one.page.getByText("Reading").count()).toBe(0);
      const acts = one.page.getByRole("button", {
        name: /^(Make|Invite|Give|Take|Change|Remove|Revoke|Rotate|Disable|Forget|Approve|End it: what|End it: the link)/,
      });
      expect([path, await acts.count()]).toEqual([path, 0]);
    }
    const two = await openAs(member);
    await two.go("/access", "Access");
    await two.page.getByRole("region", { name: "Where you are signed in" }).waitFor();
    expect(await two.page.getByRole("region").count()).toBe(1);
    expect([...faultsOf(one), ...faultsOf(two)]).toEqual([]);
    await one.close();
    await two.close();
  });
});

async function keyOf(wanted: string): Promise<{ lastUsedAt: string | null } | undefined> {
  const { answer } = await hub.ask("GET", "/api-keys");
  const keys = answer["keys"] as { name: string; lastUsedAt: string | null }[];
  return keys.find(({ name }) => name === wanted);
}

async function clientIds(): Promise<string[]> {
  const { answer } = await hub.ask("GET", "/oauth/clients");
  return (answer["clients"] as { id: string }[]).map(({ id }) => id);
}

describe("the inbox", () => {
  test("what changed since it was shown is not granted", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/inbox", "Inbox");
    const approve = page.getByRole("button", { name: /^Approve 2 items/ });
    await approve.waitFor();
    // Nothing of that is told to the page: what it shows is older than what the hub would grant.
    await page.route("**/api/v1/inbox", (route) => route.abort());
    const { answer } = await hub.ask("GET", `/agents/web-1/packs/${PACK}/approval`);
    const { shownSha256 } = answer;
    expect(
      (await hub.ask("POST", `/agents/web-1/packs/${PACK}/approve`, { shownSha256 })).code,
    ).toBe(200);
    await approve.click();
    await page.getByRole("alert").getByText("APPROVAL_STALE").waitFor();
    expect(one.dialogs).toEqual([]);
    await hub.ask("POST", `/agents/web-1/packs/${PACK}/revoke-approval`);
    await one.close();
  });

  test("an upgrade that asks for more is told beside what serves, and granted as far as the host lets", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/inbox", "Inbox");
    const upgrades = page.getByRole("region", { name: "Upgrades that ask for more" });
    await upgrades.getByText("Beside 1.0.0, which serves until then:").waitFor();
    const more = upgrades.getByText("It asks for more").locator("..");
    expect(await more.textContent()).toContain("file /proc/loadavg");
    expect(await more.textContent()).toContain("group adm");
    await upgrades.getByText("What it asks for: 3 items").click();
    const items = upgrades.getByRole("list", { name: `What ${PACK} asks for` });
    await items.getByText("the host decides").waitFor();
    expect(await items.getByText("this hub may grant it").count()).toBe(2);
    await upgrades.getByText(`sudo sonde-agent approve ${PACK}`).waitFor();
    await upgrades.getByRole("button", { name: /^Approve 2 items/ }).click();
    await page.getByText(`${PACK}: web-1: 2 granted, 1 left to the host.`).waitFor();
    await upgrades.getByText("by ada").waitFor();
    expect(await upgrades.getByRole("button", { name: /^Approve/ }).count()).toBe(0);
    const { answer } = await hub.ask("GET", `/agents/web-1/packs/${PACK}/approval`);
    expect(answer["items"]).toMatchObject([
      { item: "group adm", state: "asked", by: null },
      { item: "file /proc/loadavg", state: "granted", by: "hub" },
      { item: "file /proc/uptime", state: "granted", by: "hub" },
    ]);
    await upgrades.getByRole("button", { name: /^Take it back/ }).click();
    await page.getByText(`${PACK}: taken back.`).waitFor();
    await upgrades.getByRole("button", { name: /^Approve 2 items/ }).waitFor();
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });

  test("a refused client is told with the line that lets it come, and goes when it may", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/inbox", "Inbox");
    const client = createOAuthClient(urlOf());
    const redirect = "https://chat.example/callback";
    const metadata = {
      ...{ client_name: MARKUP, redirect_uris: [redirect] },
      token_endpoint_auth_method: "none",
    };
    expect((await client.register(metadata)).status).toBe(400);
    const refused = page.getByRole("region", { name: "OAuth clients that were refused" });
    await refused.getByRole("heading", { name: redirect }).waitFor();
    await refused.getByText(MARKUP).waitFor();
    const line = await textOf(page, `Line for ${redirect}`);
    await refused.getByRole("button", { name: `Forget it: ${redirect}` }).click();
    await refused.waitFor({ state: "detached" });
    await client.register(metadata);
    await refused.waitFor();
    const clients = JSON.parse(`{${line}}`) as object;
    expect(await hub.reload({ oauth: { clients } })).toContain("oauth.clients");
    expect(await client.register(metadata)).toMatchObject({ status: 201 });
    await refused.waitFor({ state: "detached" });
    const fresh = page.getByRole("region", { name: "OAuth clients that nobody let in yet" });
    const item = fresh.getByRole("listitem").filter({ hasText: "chat.example" });
    await item.getByText(MARKUP).waitFor();
    await item.getByRole("button", { name: /^Forget it/ }).click();
    await item.waitFor({ state: "detached" });
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });

  test("a host of a client's document that no rule names is told too", async () => {
    const { page, ...one } = await openAs(owner);
    await one.go("/inbox", "Inbox");
    const id = "https://chat.example/client.json";
    const query = new URLSearchParams({ client_id: id, response_type: "code" });
    await fetch(`${urlOf()}/oauth/authorize?${query.toString()}`, { redirect: "manual" });
    await page.getByRole("heading", { name: "chat.example", exact: true }).waitFor();
    expect(await textOf(page, "Line for chat.example")).toBe(
      `"documentHosts": ["claude.ai","claude.com","chat.example"]`,
    );
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });
});

describe("each page", () => {
  test.each([
    ["a phone, in the dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark" }],
    ["a wide screen, in the light", { viewport: { width: 2560, height: 1440 } }],
  ])("%s: it fits, and axe-core finds nothing", { timeout: 240_000 }, async (_what, options) => {
    await createOAuthClient(urlOf()).connect(owner.cookie);
    await hub.ask("PUT", "/policies/narrow", {
      policy: { tools: { allow: ["acme/load.**"] }, expiresAt: "2099-01-01T00:00:00.000Z" },
    });
    await hub.ask("PUT", `/policy-holders/person:${owner.id}`, { policy: {} });
    const { page, ...one } = await openAs(owner, options);
    for (const [path, title] of [
      ["/account", "Your account"],
      ["/access", "Access"],
      ["/inbox", "Inbox"],
    ] as const) {
      await one.go(path, title);
      await expect.poll(() => page.getByText("Reading").count()).toBe(0);
      for (const summary of await page.locator("summary").all()) await summary.click();
      expect([path, await one.findViolations()]).toEqual([path, []]);
      expect([path, await one.isTooWide()]).toEqual([path, false]);
    }
    expect(faultsOf(one)).toEqual([]);
    await one.close();
  });
});
