import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHub, type TestHub } from "../../hub/src/testing/start-hub.ts";
import { workspace } from "../product/start-product.ts";

// `sonde login` and the commands after it: the program as a process, with a hub that runs and has a
// certificate of its own authority.
const folder = mkdtempSync("/tmp/sonde-login-");
const file = join(folder, "sonde/profiles.json");
const caFile = join(folder, "ca.pem");
let hub: TestHub;
let url: string;

beforeAll(async () => {
  hub = await startHub(undefined, {
    publicHosts: ["localhost"],
    public: { host: "127.0.0.1", port: 0 },
  });
  url = `https://localhost:${hub.ready.public}`;
  writeFileSync(caFile, hub.ca);
});
afterAll(async () => {
  await hub.close();
  rmSync(folder, { recursive: true });
});

type Ended = { code: number | null; out: string; err: string; argv: string };

/** Runs `sonde` with this standard input. */
async function sonde(words: string[], input = "", env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const child = spawn(
    process.execPath,
    ["--conditions=sonde:source", join(workspace, "cli/src/sonde.ts"), ...words],
    {
      cwd: folder,
      env: { PATH: process.env["PATH"] ?? "", HOME: folder, XDG_CONFIG_HOME: folder, ...env },
    },
  );
  const argv = readFileSync(`/proc/${child.pid}/cmdline`, "utf8");
  const ended: Ended = { code: null, out: "", err: "", argv };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (ended.out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (ended.err += text));
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { ...ended, code };
}

const logIn = (key: string, ...words: string[]) =>
  sonde(["login", "--hub", url, "--ca", caFile, ...words], `${key}\n`);
const codeOf = ({ out }: Ended): string =>
  (JSON.parse(out) as { error: { code: string } }).error.code;

test("a key from standard input is kept for one user, and every command asks that hub", async () => {
  const key = hub.operatorKey;
  const done = await logIn(key);
  expect([done.code, done.err]).toEqual([0, ""]);
  expect(done.out).toContain(`Commands now ask ${url}, as profile default.`);
  // Attack 39: neither arguments nor output have the key.
  expect(`${done.argv}${done.out}${done.err}`).not.toContain(key);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const agents = await sonde(["agents", "--json"]);
  expect(JSON.parse(agents.out)).toMatchObject({ agents: [{ name: "web-1" }] });
  const listed = await sonde(["profiles", "--json"]);
  expect(JSON.parse(listed.out)).toEqual({
    profiles: [{ name: "default", hub: url, ownCa: true, current: true }],
  });
  expect(listed.out).not.toContain(key);
});

test("several hubs are kept, and one is chosen by option or environment", async () => {
  const { key } = await hub.addKey();
  const keyFile = join(folder, "client.key");
  writeFileSync(keyFile, `${key}\n`, { mode: 0o600 });
  const done = await sonde([
    "login",
    "--hub",
    url,
    "--ca",
    caFile,
    "--profile",
    "claude",
    "--key-file",
    keyFile,
    "--json",
  ]);
  expect(JSON.parse(done.out)).toEqual({ profile: "claude", hub: url });
  // A client may list no keys; the profile of the operator may.
  const refused = await sonde(["keys", "--json"]);
  expect([refused.code, codeOf(refused)]).toEqual([1, "FORBIDDEN"]);
  expect(refused.err).toContain("Ask an operator for this right.");
  expect((await sonde(["keys", "--profile", "default", "--json"])).code).toBe(0);
  const named = await sonde(["hub", "keys", "--json"], "", { SONDE_PROFILE: "default" });
  expect(named.code).toBe(0);
  const none = await sonde(["keys", "--profile", "none", "--json"]);
  expect(codeOf(none)).toBe("NOT_FOUND");
  expect(none.err).toContain("sonde login --hub URL --profile NAME");
});

test("a key that the hub refuses is not kept, nor one that it was not asked with", async () => {
  await logIn(hub.operatorKey);
  const before = readFileSync(file, "utf8");
  const refused = await logIn(`sonde_ak_${"x".repeat(43)}`, "--json");
  expect([refused.code, codeOf(refused)]).toEqual([1, "UNAUTHENTICATED"]);
  expect(codeOf(await logIn("two words", "--json"))).toBe("BAD_REQUEST");
  const clear = await sonde(["login", "--hub", "http://hub.example:1", "--json"], "sonde_ak_x");
  expect(codeOf(clear)).toBe("BAD_REQUEST");
  const argument = await sonde(["login", "--hub", url, "--key", "sonde_ak_x"]);
  expect([argument.code, argument.err]).toEqual([
    1,
    expect.stringContaining("unknown option '--key'"),
  ]);
  expect(readFileSync(file, "utf8")).toBe(before);
});

test("without its authority a hub is not believed, and gets no key", async () => {
  const refused = await sonde(["login", "--hub", url, "--json"], "sonde_ak_x");
  expect([refused.code, codeOf(refused)]).toEqual([1, "HUB_UNREACHABLE"]);
});

test("a proxy of the environment passes the connection on, unless NO_PROXY names the hub", async () => {
  const asked: string[] = [];
  const proxy = startProxy(asked);
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const { port } = proxy.address() as AddressInfo;
  await logIn(hub.operatorKey);
  const through = { HTTPS_PROXY: `http://127.0.0.1:${port}`, SONDE_PROFILE: "default" };
  expect((await sonde(["keys", "--json"], "", through)).code).toBe(0);
  expect(asked).toEqual([`CONNECT localhost:${hub.ready.public}`]);
  expect((await sonde(["keys", "--json"], "", { ...through, NO_PROXY: "localhost" })).code).toBe(0);
  expect(asked).toHaveLength(1);
  proxy.close();
});

/** Passes connections on, and notes for where. */
function startProxy(asked: string[]): Server {
  return createServer((client) => {
    client.once("data", (bytes) => {
      const [line = ""] = bytes.toString().split("\r\n");
      asked.push(line.split(" ").slice(0, 2).join(" "));
      const target = connect(hub.ready.public, "127.0.0.1", () => {
        client.write("HTTP/1.1 200 OK\r\n\r\n");
        client.pipe(target).pipe(client);
      });
      target.on("error", () => client.destroy());
      client.on("error", () => target.destroy());
    });
  });
}

test("the commands of an operator answer a profile's hub, as table and as JSON", async () => {
  const env = { SONDE_PROFILE: "default" };
  const table = await sonde(["call"], "", env);
  expect([table.code, table.err]).toEqual([0, ""]);
  expect(table.out).toMatch(/^TOOL +AGENTS +WHAT IT TELLS\n/);
  expect(table.out).toContain("health_check");
  const overview = await sonde(["call", "agent_overview", "agent=web-1", "--json"], "", env);
  expect(JSON.parse(overview.out)).toMatchObject({ results: [{ agent: "web-1", status: "ok" }] });
  const failed = await sonde(["call", "none", "--agent", "web-1"], "", env);
  expect(failed.code).toBe(1);
  expect(failed.out).toContain("PROBE_UNKNOWN");
  const audit = await sonde(["audit", "--last", "3"], "", env);
  expect(audit.out).toMatch(/^SEQ +AT +EVENT/);
  const missing = await sonde(["packs", "info", "acme/none", "--json"], "", env);
  expect(codeOf(missing)).toMatch(/^(NOT_FOUND|REGISTRY_UNAVAILABLE)$/);
});

test("logout forgets the key, and says how to end it", async () => {
  const done = await sonde(["logout", "--profile", "claude"]);
  expect(done.code).toBe(0);
  expect(done.out).toContain("sonde keys revoke ID");
  expect(readFileSync(file, "utf8")).not.toContain("claude");
  // Without a name it is the one of the last login.
  const other = await sonde(["logout", "--json"]);
  expect(JSON.parse(other.out)).toEqual({ profile: "default", hub: url });
  expect(codeOf(await sonde(["logout", "--json"]))).toBe("NOT_FOUND");
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ current: null, profiles: {} });
});
