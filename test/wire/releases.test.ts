import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { startTestDatabase, type TestDatabase } from "@sonde/database/testing";
import {
  buildSampleArchive,
  buildSamplePolicy,
  createSampleKey,
  type SampleRegistry,
  signSample,
  startSampleRegistry,
} from "@sonde/trust/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { withListeningSocket } from "../../cli/src/start/listening-socket.ts";
import { createWorkshop, type Workshop } from "../../foundation/privileges/src/testing/workshop.ts";
import { hasSources, obtainRelease } from "./release-programs.ts";

// The real programs of the first release with the present ones, each in its own configuration.

const isChecked = hasSources("0.1.0");
const workspace = resolve(import.meta.dirname, "../..");
const WAIT = { timeout: 30_000, interval: 200 };

type Release = "0.1.0" | "present";
/** What a built pack is, for each release. */
const CODE = "var pack = { default: { definition: {}, run: () => ({}) } };\n";
const PROGRAMS = ["hub", "agent", "enrol", "runner", "pack-host", "admit"];

let workshop: Workshop;
let database: TestDatabase;
let registry: SampleRegistry;
const children: ChildProcess[] = [];
const at = (...parts: string[]) => join(workshop.folder, ...parts);

beforeEach(async () => {
  workshop = await createWorkshop();
  database = await startTestDatabase();
  registry = await startSampleRegistry();
  const publisher = createSampleKey();
  const archive = buildSampleArchive({ code: CODE });
  registry.publish(archive, signSample(archive, publisher));
  const log = { registry: registry.url, logKey: registry.logKey };
  write("trust.json", buildSamplePolicy({ acme: [publisher] }, log));
});
afterEach(async () => {
  for (const child of children.splice(0)) await end(child);
  await registry.close();
  await database.close();
  workshop.close();
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

function write(name: string, content: object): string {
  writeFileSync(at(name), JSON.stringify(content), { mode: 0o644 });
  return at(name);
}

/** A folder that the programs can write to. */
function makeOwn(name: string): string {
  mkdirSync(at(name), { mode: 0o755 });
  if (process.getuid?.() === 0) chownSync(at(name), workshop.uid, workshop.uid);
  return at(name);
}

/** Puts the programs of a release where every user can read them. @returns their folder */
function install(release: Release): string {
  const place = at(release);
  if (existsSync(place)) return place;
  const from = release === "0.1.0" ? obtainRelease("0.1.0") : join(workspace, "dist");
  if (release === "present") {
    execFileSync(process.execPath, [join(workspace, "scripts/bundle.mjs")]);
  }
  mkdirSync(place);
  for (const file of [...PROGRAMS.map((name) => `${name}.js`), "package.json"]) {
    cpSync(join(from, file), join(place, file));
  }
  // A pack host in a sandbox sees its own folder only.
  cpSync(at("node_modules"), join(place, "node_modules"), { recursive: true });
  chmodSync(place, 0o755);
  return place;
}

/** Starts a program without rights, and returns its first line. */
async function start(release: Release, name: string, config: string, input?: string) {
  const [command = "", ...argv] = workshop.unprivileged([
    ...["--no-node-snapshot", join(install(release), `${name}.js`), config],
  ]);
  const child = spawn(command, argv, { cwd: "/" });
  children.push(child);
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  if (input !== undefined) child.stdin.end(input);
  const lines = createInterface({ input: child.stdout });
  const [line] = (await Promise.race([once(lines, "line"), once(child, "exit")])) as unknown[];
  if (typeof line !== "string") throw new Error(`${name} of ${release} ended: ${errors}`);
  return JSON.parse(line) as Record<string, unknown>;
}

/** @returns what asks its REST API, and its MCP endpoint when the path is that */
async function startHub(release: Release) {
  const config = write("hub.json", {
    dataDir: makeOwn("hub"),
    databaseUrl: database.url,
    http: { host: "127.0.0.1", port: 0, behindProxy: false, publicHosts: [] },
    agents: { host: "127.0.0.1", enrolPort: 0, controlPort: 0, names: ["localhost"] },
    trustPolicyPath: at("trust.json"),
    admitPath: join(install(release), "admit.js"),
    callTimeoutMs: 10_000,
    supervised: true,
  });
  const { http } = await start(release, "hub", config);
  const key = readFileSync(at("hub/operator-key"), "utf8").trim();
  return async (method: string, path: string, body?: object): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${String(http)}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        accept: "application/json, text/event-stream",
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return await response.text();
  };
}
type AskHub = Awaited<ReturnType<typeof startHub>>;

/** Enrols an agent and starts it with its runner. @returns what asks its local API */
async function startAgent(release: Release, ask: AskHub) {
  const ticket = await ask("POST", "/api/v1/enrolment-tokens", { agentName: "web-1" });
  const { token, enrolAddress } = JSON.parse(ticket) as { token: string; enrolAddress: string };
  const { hostname: host, port } = new URL(`https://${enrolAddress}`);
  const stateDir = makeOwn("agent");
  const enrolment = { stateDir, host, port: Number(port), agentName: "web-1" };
  const enrolled = await start(release, "enrol", write("enrol.json", enrolment), token);
  expect(enrolled).toMatchObject({ enrolled: true });

  const socketPath = join(makeOwn("link"), "runner.sock");
  const packHostPath = join(install(release), "pack-host.js");
  const runner = { packHostPath, denyPaths: [stateDir] };
  if (release === "present") startRunner(socketPath, write("runner.json", runner));
  mkdirSync(at("grants"), { mode: 0o755 });
  const config = write("agent.json", {
    ...{ stateDir, grantsDir: at("grants"), trustPolicyPath: at("trust.json") },
    ...{ admitPath: join(install(release), "admit.js"), maxCapability: "observe", sameUid: true },
    ...(release === "present"
      ? { runners: [{ socketPath, groups: [] }] }
      : { runnerSocketPath: socketPath }),
  });
  await start(release, "agent", config);
  if (release === "0.1.0") startOldRunner(write("runner.json", { ...runner, socketPath }));
  return (method: string, path: string): Promise<string> =>
    new Promise((done, fail) => {
      const asked = request({ socketPath: join(stateDir, "run/agent.sock"), method, path });
      asked.on("response", (response) => {
        let text = "";
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => done(text));
      });
      asked.on("error", fail).end();
    });
}

/** It listens; an agent of this release connects to it. */
function startRunner(path: string, config: string): void {
  const [command = "", ...argv] = workshop.unprivileged([
    ...["--no-node-snapshot", join(install("present"), "runner.js"), config],
  ]);
  const owner = process.getuid?.() === 0 ? { uid: workshop.uid, gid: workshop.uid } : null;
  const child = withListeningSocket({ path, owner }, (fd) =>
    spawn(command, argv, { cwd: "/", stdio: ["ignore", "ignore", "inherit", fd] }),
  );
  children.push(child);
}

/** It connects to its agent, which listens. */
function startOldRunner(config: string): void {
  const [command = "", ...argv] = workshop.unprivileged([
    ...["--no-node-snapshot", join(install("0.1.0"), "runner.js"), config],
  ]);
  children.push(spawn(command, argv, { cwd: "/", stdio: ["pipe", "ignore", "inherit"] }));
}

/** Approves the sample pack in the release's own form: the requirements that its agent names. */
async function approve(askAgent: (method: string, path: string) => Promise<string>) {
  const shown = JSON.parse(await askAgent("GET", "/packs/acme/hello")) as Record<string, unknown>;
  const { name, digest, requires, windows } = shown;
  const by = { approvedBy: "root", approvedAt: new Date().toISOString() };
  const grant = { pack: name, digest, requires, windows, ...by };
  writeFileSync(at("grants/acme--hello.json"), JSON.stringify(grant), { mode: 0o644 });
  await askAgent("POST", "/reload");
}

/** In the structured content, or in the text, where quotes are escaped. */
const OK = /\\?"status\\?":\\?"ok/;

// Attack 66.
test.runIf(isChecked).each([
  ["0.1.0", "present"],
  ["present", "0.1.0"],
] as const)("an agent of %s and a hub of %s serve a call together", async (ofAgent, ofHub) => {
  const ask = await startHub(ofHub);
  const askAgent = await startAgent(ofAgent, ask);
  await expect.poll(() => ask("GET", "/api/v1/agents/web-1"), WAIT).toContain('"online":true');
  const assigned = await ask("PUT", "/api/v1/agents/web-1/packs/acme/hello", { version: "1.0.0" });
  expect(assigned).toContain("acme/hello");
  await expect.poll(() => askAgent("GET", "/packs"), WAIT).toContain('"pending"');
  await approve(askAgent);
  await expect.poll(() => askAgent("GET", "/packs"), WAIT).toContain('"active"');
  const params = { name: "acme__hello_greet", arguments: { agent: "web-1" } };
  const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  await expect.poll(() => ask("POST", "/mcp", call), WAIT).toMatch(OK);
});
