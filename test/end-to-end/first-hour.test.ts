import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { RELEASE } from "@sonde/schemas/release";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { layoutOf } from "../../cli/src/data-layout.ts";
import { obtainPackages } from "../hosts/packages.ts";
import { type PlainHost, startPlainHost } from "../hosts/plain-host.ts";
import { isCheckedHere } from "../hosts/requirements.ts";
import { type ConsoleHost, startConsoleHost } from "../product/console-host.ts";
import { createOAuthClient, createOAuthStore, listenForCode } from "../product/oauth-login.ts";
import { findLeftovers } from "../product/processes.ts";
import { askProgram } from "../product/run-program.ts";
import { runStart, type Start } from "../product/run-start.ts";
import { createDataFolder, type Endpoints, until } from "../product/start-product.ts";

// The first hour of a person who has a browser and an AI client, and nothing else: from the link that
// `npm start` prints to a client that is refused. Each step is a picture of docs/first-hour.md.
// SONDE_PICTURES=docs/pictures writes them there.

const isChecked = isCheckedHere("the first hour of a person with a browser");
const MINUTE_MS = 60_000;
const HOST = "web-1";
/** The same as of docs/install.md, whose test has built it. */
const PACKAGES = [...["ca-certificates", "curl", "libstdc++6", "passwd", "sudo"], "util-linux"];

const given = process.env["SONDE_PICTURES"];
let folder: string;
let data: string;
let start: Start;
let endpoints: Endpoints;
let browser: ConsoleHost;
let host: PlainHost;

beforeAll(async () => {
  if (!isChecked) return;
  folder = given === undefined ? mkdtempSync(join(tmpdir(), "sonde-film-")) : resolve(given);
  data = createDataFolder();
  // The machine's own agent has a name that does not depend on the machine.
  mkdirSync(layoutOf(data).config);
  writeFileSync(join(layoutOf(data).config, "agent-name"), "hub-1\n");
  start = runStart(["--yes", "--data", data, "--port", "0"]);
  [browser, host] = await Promise.all([startConsoleHost(), startPlainHost(HOST, PACKAGES)]);
  await until("the product", () => start.out().includes("Ready."), 8 * MINUTE_MS);
  endpoints = JSON.parse(readFileSync(layoutOf(data).endpoints, "utf8")) as Endpoints;
  host.copyIn(join(obtainPackages("sonde-agent"), `sonde-agent_${RELEASE}_amd64.deb`));
}, 12 * MINUTE_MS);
afterAll(async () => {
  if (!isChecked) return;
  await browser?.close();
  await host?.close();
  await start?.terminate();
  await until("every process to end", () => findLeftovers(data).length === 0, MINUTE_MS);
  rmSync(data, { recursive: true, force: true });
  if (given === undefined) rmSync(folder, { recursive: true });
}, 3 * MINUTE_MS);

let taken = 0;

/** Takes the next picture of the film. */
async function picture(page: Page, name: string): Promise<void> {
  taken += 1;
  const file = join(folder, `first-hour-${String(taken).padStart(2, "0")}-${name}.png`);
  await page.screenshot({ path: file });
  // The width of a PNG is its fifth word.
  expect(readFileSync(file).readUInt32BE(16)).toBe(1280);
}

/** A phone's authenticator, whose person is there and known. */
async function addAuthenticator(page: Page): Promise<void> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      ...{ protocol: "ctap2", transport: "internal", hasResidentKey: true },
      ...{ hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    },
  });
}

/** What the page lets a person copy under that label. */
const linesOf = async (page: Page, label: string): Promise<string> =>
  (await page.getByLabel(label, { exact: true }).innerText()).trim();

/** Opens the stream on which a client hears of changes. */
async function openStream(token: string): Promise<{ status: number; ended: Promise<unknown> }> {
  const asked = request(endpoints.mcpUrl, {
    agent: false,
    headers: { authorization: `Bearer ${token}`, accept: "text/event-stream" },
  });
  asked.on("error", () => undefined).end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, ended: once(answer.resume(), "end") };
}

test.runIf(isChecked)(
  "a person with a browser makes an account, adds a host, lets a client in, sees it call, and ends it",
  async () => {
    const origin = new URL(endpoints.consoleUrl).origin;
    const one = await browser.open(origin, {}, { reducedMotion: "reduce" });
    const { page } = one;
    // Everything here is a program of its own, on a machine that may be busy.
    page.setDefaultTimeout(2 * MINUTE_MS);
    await addAuthenticator(page);

    // The link that the start printed makes the account of the owner, with a passkey.
    const [, link = ""] = /^Account {4}(\S+)$/m.exec(start.out()) ?? [];
    expect(new URL(link).origin).toBe(origin);
    await page.goto(link);
    await page.locator("#passkey-name").fill("ada");
    await picture(page, "account");
    await page.getByRole("button", { name: "Make a passkey" }).click();
    await page.waitForURL((url) => url.pathname !== "/join");
    await one.go("/", "Fleet");
    await page.getByRole("row", { name: "hub-1" }).getByText("online").waitFor();

    // A host is invited, and is seen to come.
    await page.getByRole("button", { name: "Invite a host" }).click();
    await page.getByLabel("Name of the host").fill(HOST);
    await page.getByLabel("Tags").fill("role=web");
    await page.getByRole("button", { name: "Make the invitation" }).click();
    await page.getByText("Waiting for").waitFor();
    await picture(page, "invitation");
    const line = await linesOf(page, "Line to type on the host");
    const token = await linesOf(page, "Token");
    await enrol(line, token);
    host.start("sonde-agent run");
    await page.getByText("is here and connected").waitFor();
    await picture(page, "arrival");
    await page.getByRole("link", { name: "Open it" }).click();
    await page.getByRole("heading", { level: 1, name: HOST }).waitFor();

    // A pack is found, judged and installed by tag. It waits until somebody approves what it reads.
    await one.go("/packs", "Packs");
    await page.getByRole("link", { name: "sonde/system", exact: true }).click();
    await page.getByRole("list", { name: "Reads" }).waitFor();
    await page.getByText("in the log", { exact: true }).waitFor();
    await picture(page, "pack");
    await page.getByRole("button", { name: "Install", exact: true }).click();
    await page.getByLabel("Hosts", { exact: true }).fill("role=web");
    await page.getByRole("button", { name: "Install it" }).click();
    await page.getByText("Done: it is on 1 of 1 host.").waitFor();
    await picture(page, "installed");
    await one.go("/inbox", "Inbox");
    await page.getByRole("heading", { name: /^sonde\/system / }).scrollIntoViewIfNeeded();
    await picture(page, "inbox");
    await page.getByRole("button", { name: /^Approve \d+ items? of sonde\/system$/ }).click();
    await page.getByText(/^sonde\/system: web-1: \d+ granted/).waitFor();
    await one.go(`/hosts/${HOST}`, HOST);
    await page
      .getByRole("region", { name: "Packs" })
      .getByRole("listitem")
      .filter({ hasText: "sonde/system" })
      .getByText("active", { exact: true })
      .waitFor();
    await picture(page, "host");

    // A client finds the hub by its address alone, registers, and sends the person to the hub.
    const listener = await listenForCode();
    const store = createOAuthStore(listener.url, { name: "My AI client" });
    const client = createOAuthClient("1.x", endpoints.mcpUrl, store);
    await expect(client.connect()).rejects.toThrow(/nauthorized/);
    await page.goto(store.address().href);
    await page.getByText("My AI client").waitFor();
    await page.getByLabel("Only these").check();
    await page.getByRole("checkbox", { name: HOST }).check();
    // Of the client only its host is known, so nothing on the page is larger.
    const sizeOf = (selector: string) =>
      page.evaluate<number>(
        `parseFloat(getComputedStyle(document.querySelector("${selector}")).fontSize)`,
      );
    expect(await sizeOf(".client")).toBeGreaterThan(await sizeOf("h1"));
    await picture(page, "consent");
    const brought = listener.next();
    await page.getByRole("button", { name: "Allow" }).click();
    await page.getByText("You can close this page.").waitFor();
    const { code, iss, error } = await brought;
    expect(error).toBeNull();
    await client.finish(code, iss);
    listener.close();

    // It asks the host that it was let at, and no other.
    const connected = createOAuthClient("1.x", endpoints.mcpUrl, store);
    await connected.connect();
    expect(await connected.listTools()).toContain("system_memory_usage");
    const answer = await connected.call("system_memory_usage", { agent: HOST });
    expect(answer.isError, answer.text).toBe(false);
    const other = await connected.call("system_memory_usage", { agent: "hub-1" });
    expect(other.text).toContain("FORBIDDEN");

    // The person sees the call, and who it was for.
    await one.go("/activity", "Activity");
    const calls = page.getByRole("row", { name: /system\.memory\.usage/ });
    const row = calls.filter({ hasText: HOST }).first();
    await row.getByText("answered").waitFor();
    await picture(page, "activity");
    await row.getByRole("link", { name: "system.memory.usage" }).click();
    await page.getByRole("region", { name: "Hops" }).waitFor();
    await picture(page, "call");

    // What was allowed is ended: the open stream ends with it, and the client is refused.
    const bearer = store.tokens()?.access_token ?? "";
    const stream = await openStream(bearer);
    expect(stream.status).toBe(200);
    await one.go("/access", "Access");
    const end = page.getByRole("button", { name: "End it: what My AI client may do for ada" });
    await end.scrollIntoViewIfNeeded();
    await picture(page, "access");
    await end.click();
    await stream.ended;
    await page.getByText("revoked-by-admin").waitFor();
    const { status } = await openStream(bearer);
    expect(status).toBe(401);
    await expect(connected.listTools()).rejects.toThrow(/nauthorized|grant request is invalid/i);
    await picture(page, "ended");
    await one.go("/activity", "Activity");
    await page.getByRole("radio", { name: "Acts" }).check();
    await page.getByText("grant.ended").first().waitFor();
    await picture(page, "refused");

    expect(await one.findViolations()).toEqual([]);
    expect([one.errors, one.dialogs]).toEqual([[], []]);
    await connected.close();
    await one.close();
  },
  20 * MINUTE_MS,
);

/** The administrator of the host installs the agent, and types what the person was shown. */
async function enrol(line: string, token: string): Promise<void> {
  const trust = join(folder, "sonde-trust.json");
  const where = ["--registry", endpoints.registryUrl, "--data", data];
  await askProgram("sonde", ["trust", "export", trust, ...where]);
  host.copyIn(trust);
  rmSync(trust);
  const installed = await host.type(`dpkg --install sonde-agent_${RELEASE}_amd64.deb`);
  expect(installed.code, installed.out).toBe(0);
  const enrolled = await host.type(line, [
    ["[y/N] ", "y"],
    ["Token of the invitation", token],
  ]);
  expect(enrolled.out).toContain(`${HOST} is enrolled`);
}
