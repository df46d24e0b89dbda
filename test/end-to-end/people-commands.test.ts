import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Browser } from "../../hub/src/testing/oauth-client.ts";
import { type Account, joinHub, makeOwner } from "../../hub/src/testing/sign-in.ts";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { workspace } from "../product/start-product.ts";

// `sonde login --device` and `sonde users`: the program as a process, with a hub that runs.
let folder: string;
let caFile: string;
let hub: TestHub;
let url: string;
let owner: Account;

beforeAll(async () => {
  hub = await startHub(undefined, {
    publicHosts: ["localhost"],
    public: { host: "127.0.0.1", port: 0 },
  });
  url = `https://localhost:${hub.ready.public}`;
  owner = await makeOwner(hub);
});
afterAll(() => hub.close());
beforeEach(() => {
  folder = mkdtempSync("/tmp/sonde-people-");
  caFile = join(folder, "ca.pem");
  writeFileSync(caFile, hub.ca);
  return () => rmSync(folder, { recursive: true });
});

type Ended = { code: number | null; out: string; err: string };

/** Runs `sonde`. @param hear is told each line that it prints */
async function sonde(
  words: string[],
  hear: (line: string) => void = () => undefined,
  input = "",
): Promise<Ended> {
  const child = spawn(
    process.execPath,
    [join(workspace, "scripts/launch.mjs"), "sonde", ...words],
    {
      cwd: folder,
      env: { PATH: process.env["PATH"] ?? "", HOME: folder, XDG_CONFIG_HOME: folder },
    },
  );
  const ended: Ended = { code: null, out: "", err: "" };
  let heard = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    ended.out += text;
    const lines = ended.out.split("\n").slice(0, -1);
    for (const line of lines.slice(heard)) hear(line);
    heard = lines.length;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (ended.err += text));
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { ...ended, code };
}

/** A person opens the page in a browser, types the code and answers. */
async function answer(userCode: string, form: Record<string, string>): Promise<string> {
  const browser = new Browser(owner.cookie);
  const at = `http://localhost:${hub.ready.http}/oauth/device`;
  const ticketOf = (page: string) => /name="ticket" value="([^"]+)"/.exec(page)?.[1] ?? "";
  const page = await (await browser.get(at)).text();
  const asked = await browser.post(at, { ticket: ticketOf(page), user_code: userCode });
  const ticket = ticketOf(await asked.text());
  const said = await browser.post(`${at}/answer`, { ticket, user_code: userCode, ...form });
  return await said.text();
}

/** Logs in by a code, which is answered as soon as it is shown. */
async function logIn(form: Record<string, string>): Promise<Ended> {
  const answers: Promise<string>[] = [];
  const words = ["login", "--hub", url, "--ca", caFile, "--device", "--json"];
  const ended = await sonde(words, (line) => {
    const event = JSON.parse(line) as { event?: string; userCode?: string };
    if (event.event === "code") answers.push(answer(event.userCode ?? "", form));
  });
  expect(await Promise.all(answers)).toEqual([expect.stringContaining("terminal")]);
  return ended;
}

const profiles = () => join(folder, "sonde/profiles.json");
const readToken = () =>
  (
    JSON.parse(readFileSync(profiles(), "utf8")) as {
      profiles: { default: { token: { access: string; refresh: string; expiresAt: string } } };
    }
  ).profiles.default.token;

test("a person's code signs a terminal in, which renews itself, and a logout ends that at the hub", async () => {
  const done = await logIn({ decision: "allow", level: "api.write" });
  expect([done.code, done.err]).toEqual([0, ""]);
  const [code, ready] = done.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  expect(code).toMatchObject({ event: "code", verificationUri: `${url}/oauth/device` });
  expect(ready).toEqual({ profile: "default", hub: url });
  const token = readToken();
  expect(token.access).toMatch(/^sonde_at_/);
  // Attack 39: what is printed has no token.
  expect(done.out).not.toMatch(/sonde_(at|rt)_/);
  expect(statSync(profiles()).mode & 0o777).toBe(0o600);
  const agents = await sonde(["agents", "--json"]);
  expect(JSON.parse(agents.out)).toMatchObject({ agents: [{ name: "web-1" }] });

  // Two commands at once find it over. One fetches the next, and the sign-in goes on.
  const kept = readFileSync(profiles(), "utf8");
  writeFileSync(profiles(), kept.replace(token.expiresAt, "2026-01-01T00:00:00.000Z"));
  const both = await Promise.all([sonde(["agents", "--json"]), sonde(["agents", "--json"])]);
  expect(both.map((one) => [one.code, one.err])).toEqual([
    [0, ""],
    [0, ""],
  ]);
  expect(readToken().refresh).not.toBe(token.refresh);

  const grants = async () => (await owner.ask("GET", "/me/grants")).answer["grants"];
  expect(await grants()).toMatchObject([{ endedAt: null }]);
  expect((await sonde(["logout"])).out).toContain("has ended on");
  expect(await grants()).toMatchObject([{ endedAt: expect.any(String) as string }]);
  expect((await sonde(["profiles", "--json"])).out.trim()).toBe('{"profiles":[]}');
});

test("a terminal that the person refuses keeps nothing", async () => {
  const refused = await logIn({ decision: "deny" });
  expect(refused.code).toBe(1);
  const last = refused.out.trim().split("\n").at(-1) ?? "";
  expect(JSON.parse(last)).toMatchObject({ error: { code: "FORBIDDEN" } });
  expect((await sonde(["profiles", "--json"])).out.trim()).toBe('{"profiles":[]}');
});

test("people are invited, changed, signed out and deleted", async () => {
  const withKey = ["login", "--hub", url, "--ca", caFile];
  const loggedIn = await sonde(withKey, undefined, `${hub.operatorKey}\n`);
  expect([loggedIn.code, loggedIn.err]).toEqual([0, ""]);
  const users = async (...words: string[]) => {
    const ended = await sonde(["users", ...words, "--json"]);
    return { code: ended.code, said: JSON.parse(ended.out) as Record<string, unknown> };
  };
  const linkFile = join(folder, "link");
  const made = await sonde(["users", "invite", "--role", "operator", "--link-file", linkFile]);
  expect(made.out).toContain("sonde users cancel ");
  expect(made.out).not.toContain("/join?");
  expect(statSync(linkFile).mode & 0o777).toBe(0o600);
  const link = readFileSync(linkFile, "utf8").trim();
  expect(link.startsWith(`${url}/join?link=`)).toBe(true);
  expect((await sonde(["users"])).out).toMatch(
    /A link for one operator waits until .*: [0-9a-f-]+/,
  );
  const maria = await joinHub(hub, link, "maria");
  expect((await users()).said).toMatchObject({
    people: [
      { name: "ada", role: "owner" },
      { name: "maria", role: "operator", disabled: false },
    ],
    invitations: [],
  });
  expect((await users("sessions", "maria")).said["sessions"]).toHaveLength(1);
  expect((await users("role", "maria", "admin")).said).toMatchObject({ role: "admin" });
  // Other rights end what is open.
  expect((await maria.ask("GET", "/me")).code).toBe("UNAUTHENTICATED");
  expect((await users("disable", "maria")).said).toMatchObject({ disabled: true });
  expect((await users("enable", "maria")).said).toMatchObject({ disabled: false });
  expect((await users("sign-out", "maria")).code).toBe(0);
  const unknown = await users("disable", "mario");
  expect([unknown.code, unknown.said]).toMatchObject([
    1,
    { error: { code: "NOT_FOUND", message: expect.stringContaining("ada, maria") } },
  ]);
  expect((await users("role", "maria", "king")).said).toMatchObject({
    error: { code: "BAD_REQUEST" },
  });
  // Without a terminal nobody is asked, and nothing is deleted.
  expect((await users("remove", "maria")).said).toMatchObject({ error: { code: "FORBIDDEN" } });
  expect((await users("remove", "maria", "--yes")).said).toMatchObject({
    people: [{ name: "ada" }],
  });
  // An operator's key is an admin, and makes no owner.
  expect((await users("invite", "--role", "owner")).said).toMatchObject({
    error: { code: "FORBIDDEN" },
  });
  const waiting = (await users("invite")).said;
  expect(waiting).toMatchObject({ role: "member" });
  expect((await users("cancel", String(waiting["id"]))).said).toMatchObject({ invitations: [] });
}, 480_000);
