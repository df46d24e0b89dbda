import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import axe from "axe-core";
import type { Browser, BrowserContext, CDPSession, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { codeAt, stepAt } from "../../hub/src/people/core/totp.ts";
import { buildScript } from "../../hub/src/people/build-script.ts";
import { askAs, fromBase32, joinHub } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { startBrowser } from "../../registry/src/testing/browser.ts";

// How people get in, in Chromium with a virtual authenticator, at a hub that runs.
const workspace = resolve(import.meta.dirname, "../..");
let made = 0;
let hub: TestHub;
let browser: Browser;

beforeAll(async () => {
  [hub, browser] = await Promise.all([
    buildScript().then((script) => startHub(undefined, {}, { script })),
    startBrowser(),
  ]);
});
afterAll(async () => {
  await browser?.close();
  await hub?.close();
});

const addressOf = (path: string) => `http://localhost:${hub.ready.http}${path}`;

/** A browser of its own, with what its console says of errors. */
async function open(
  width = 1280,
): Promise<{ context: BrowserContext; page: Page; errors: string[] }> {
  const context = await browser.newContext({ viewport: { width, height: 800 } });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  page.on("pageerror", ({ message }) => errors.push(message));
  return { context, page, errors };
}

/** A phone's authenticator, whose person is there and known. */
async function addAuthenticator(
  context: BrowserContext,
  page: Page,
): Promise<{ cdp: CDPSession; id: string }> {
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const { authenticatorId: id } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return { cdp, id };
}

const readMe = (page: Page) =>
  page.evaluate(async () => {
    const response = await fetch("/api/v1/me");
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  });

test("the one-time link makes an account with a passkey, which signs in again after a crash", async () => {
  const { context, page, errors } = await open();
  const { cdp, id } = await addAuthenticator(context, page);
  const link = hub.ready.ownerLink ?? "";

  await page.goto(link);
  await page.locator("#passkey-name").fill("ada");
  await Promise.all([
    page.waitForURL(addressOf("/")),
    page.getByRole("button", { name: "Make a passkey" }).click(),
  ]);
  await page.goto(addressOf("/login"));
  expect((await readMe(page)).body).toMatchObject({
    ...{ name: "ada", role: "owner", methods: ["passkey"], hasPassword: false },
    passkeys: [{ host: "localhost" }],
  });
  const { credentials } = await cdp.send("WebAuthn.getCredentials", { authenticatorId: id });
  expect(credentials).toHaveLength(1);

  // The link is used up, for everybody.
  const stranger = await open();
  expect((await stranger.page.goto(link))?.status()).toBe(401);
  await stranger.context.close();

  // What is promised survives the hub.
  await hub.restart(undefined, "SIGKILL");
  await page.goto(addressOf("/login"));
  expect((await readMe(page)).status).toBe(200);

  await page.evaluate(() => fetch("/logout", { method: "POST" }));
  expect((await readMe(page)).status).toBe(401);
  await page.goto(addressOf("/login?next=/login%3Fnext=/there"));
  await Promise.all([
    page.waitForURL(addressOf("/login?next=/there")),
    page.getByRole("button", { name: "Use a passkey" }).click(),
  ]);
  expect((await readMe(page)).status).toBe(200);
  // The browser itself notes refusals that the test asked for.
  expect(errors.filter((error) => !/status of (401|404)/.test(error))).toEqual([]);
  await context.close();
}, 180_000);

test("without a passkey: a password with an app's code, and recovery codes that are shown once", async () => {
  const owner = await resetOwner();
  const { context, page, errors } = await open(390);
  await page.goto(await inviteBy(owner));
  await expectAccessible(page);
  const secret = await readSecret(page);
  await page.getByLabel("Name", { exact: true }).last().fill("bob");
  await page.getByLabel("Password").fill("a horse on the moon 7");
  await page.getByLabel("The app's code").fill(codeAt(secret, stepAt(new Date()) - 1));
  await page.getByLabel("The app's code").press("Enter");
  await page.getByRole("heading", { name: "Recovery codes" }).waitFor();
  await expectAccessible(page);
  expect(await page.locator("li.code").count()).toBe(10);

  const other = await open();
  await other.page.goto(addressOf("/login?next=/login"));
  await expectAccessible(other.page);
  await signIn(other.page, { code: "000000" });
  await other.page.getByRole("alert").getByText("SIGN_IN_REFUSED").waitFor();
  // The name is kept, what is secret is not.
  expect(await other.page.getByLabel("Name").inputValue()).toBe("bob");
  expect(await other.page.getByLabel("Password").inputValue()).toBe("");
  await expectAccessible(other.page);
  await signIn(other.page, { code: codeAt(secret, stepAt(new Date())) });
  await other.page.waitForURL(addressOf("/login"));
  expect((await readMe(other.page)).body).toMatchObject({ name: "bob", role: "member" });

  // The first browser ends the other one's session, and its own stays.
  const left = await page.evaluate(async () => {
    const list = async () => {
      const { sessions } = (await (await fetch("/api/v1/sessions")).json()) as {
        sessions: { id: string; current: boolean }[];
      };
      return sessions;
    };
    for (const { id, current } of await list()) {
      if (!current) await fetch(`/api/v1/sessions/${id}`, { method: "DELETE" });
    }
    return (await list()).map(({ current }) => current);
  });
  expect(left).toEqual([true]);
  expect((await readMe(other.page)).status).toBe(401);
  expect((await readMe(page)).status).toBe(200);
  expect([...errors, ...other.errors].filter((error) => !/status of 401/.test(error))).toEqual([]);
  await context.close();
  await other.context.close();
}, 180_000);

test("attack 38: a page of another origin frames nothing, and its form signs nobody in or out", async () => {
  const owner = await resetOwner();
  const { context, page } = await open();
  const [name = "", value = ""] = owner.split("=");
  await context.addCookies([{ name, value, url: addressOf("/") }]);
  const stranger = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><iframe src="${addressOf("/login")}"></iframe>
      <form method="post" action="${addressOf("/logout")}"><button>Win a prize</button></form>`);
  }).listen(0, "127.0.0.1");
  await once(stranger, "listening");
  await page.goto(`http://localhost:${(stranger.address() as AddressInfo).port}/`);
  expect(page.frames().map((frame) => frame.url())).not.toContain(addressOf("/login"));
  await page.getByRole("button").click();
  await page.getByText("ORIGIN_REFUSED").waitFor();
  await page.goto(addressOf("/login"));
  expect((await readMe(page)).status).toBe(200);
  // Nothing but a script of this host runs, and no text becomes markup.
  const blocked = await page.evaluate(`(() => {
    const script = document.createElement("script");
    try {
      script.textContent = "window.ran = true";
      document.body.append(script);
    } catch (thrown) {
      return [String(thrown).includes("TrustedScript"), "ran" in window];
    }
    return [false, "ran" in window];
  })()`);
  expect(blocked).toEqual([true, false]);
  await context.close();
  stranger.close();
}, 180_000);

/** Runs `sonde hub reset-owner` at the hub's data folder, and joins by its link. @returns a cookie */
async function resetOwner(): Promise<string> {
  const data = mkdtempSync(join(tmpdir(), "sonde-reset-"));
  mkdirSync(join(data, "config"));
  symlinkSync(join(dirname(hub.configPath), "data"), join(data, "hub"));
  const names = ["mcpUrl", "registryUrl", "agent"].map((name) => [name, "http://127.0.0.1"]);
  writeFileSync(
    join(data, "config", "endpoints.json"),
    JSON.stringify({ ...Object.fromEntries(names), hubUrl: `http://127.0.0.1:${hub.ready.http}` }),
  );
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...["--conditions=sonde:source", join(workspace, "cli/src/sonde.ts")],
    ...["hub", "reset-owner", "--json", "--data", data],
  ]);
  rmSync(data, { recursive: true });
  const { link } = JSON.parse(stdout) as { link: string };
  made += 1;
  const account = await joinHub(hub, link, `owner-${made}`);
  await expect(joinHub(hub, link, "eve")).rejects.toThrow("LINK_REFUSED");
  return account.cookie.split("; ").find((cookie) => cookie.startsWith("sonde=")) ?? "";
}

async function inviteBy(cookie: string): Promise<string> {
  const { answer } = await askAs(hub, cookie, "POST", "/people/invitations", { role: "member" });
  return String(answer["link"]);
}

async function readSecret(page: Page): Promise<Buffer> {
  const text = await page.locator("form .code").textContent();
  return fromBase32(text ?? "");
}

async function signIn(page: Page, { code }: { code: string }): Promise<void> {
  await page.getByLabel("Name").fill("bob");
  await page.getByLabel("Password").fill("a horse on the moon 7");
  await page.getByLabel("Code", { exact: true }).fill(code);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** In light and dark, in whole: nothing that axe finds, and no part beyond the width. */
async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    // The policy forbids a script of a string, which the debugger is not bound to.
    const found = await runAxe(page);
    expect(found, colorScheme).toEqual([]);
  }
  const beyond = await page.evaluate<number>(
    "document.documentElement.scrollWidth - document.documentElement.clientWidth",
  );
  expect(beyond).toBe(0);
}

async function runAxe(page: Page): Promise<string[]> {
  const { violations } = await page.evaluate<{
    violations: { id: string; nodes: { html: string }[] }[];
  }>(`(async () => {
    ${axe.source};
    return await axe.run(document);
  })()`);
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
}
