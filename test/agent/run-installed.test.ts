import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { startTestDatabase } from "@sonde/database/testing";
import type { GrantFile } from "@sonde/schemas/agent";
import type { ErrorBody } from "@sonde/schemas/errors";
import type { RunnerOutcome } from "@sonde/schemas/reads";
import { buildSamplePolicy } from "@sonde/trust/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createRunnerLink } from "../../agent/daemon/src/edge/runner-link/runner-link.ts";
import { writeIdentity } from "../../agent/daemon/src/edge/store/write-identity.ts";
import { startTestHub, type TestHub } from "../../agent/daemon/src/testing/test-hub.ts";
import { createAgentClient } from "../../cli/src/agent-client.ts";
import { findGids } from "../../cli/src/group-file.ts";
import { installRuntime, type Runtime } from "../../cli/src/start/install-runtime.ts";
import { ensureAccounts } from "../../cli/src/start/system-users.ts";
import { bundlePrograms } from "../hosts/packages.ts";
import { findLeftovers } from "../product/processes.ts";

// `sonde-agent run` and `sonde registry run`: the bundled programs as real processes, below a
// supervisor that is a process of its own.

const workspace = resolve(import.meta.dirname, "../..");
const isRoot = process.getuid?.() === 0;
const NOBODY = 65_534;
const RUN = "cli/src/installed/run-installed.ts";
const LOAD = "/proc/loadavg";

let base: string;
let runtime: Runtime;
let hub: TestHub;
let folder: string;
const started: ChildProcess[] = [];

beforeAll(async () => {
  bundlePrograms(workspace);
  base = mkdtempSync("/tmp/sonde-run-");
  chmodSync(base, 0o755);
  mkdirSync(join(base, "runtime"));
  // Without root the programs of the clone may be closed to the user who runs them.
  runtime = installRuntime(join(workspace, "dist"), join(base, "runtime"), isRoot);
  if (isRoot) ensureAccounts();
  hub = await startTestHub();
}, 120_000);
afterAll(async () => {
  await hub?.close();
  rmSync(base, { recursive: true, force: true });
});
beforeEach(() => {
  folder = mkdtempSync(join(base, "at-"));
  chmodSync(folder, 0o755);
});
afterEach(async () => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  await expect.poll(() => findLeftovers(folder), { timeout: 40_000 }).toEqual([]);
}, 60_000);

const at = (...parts: string[]) => join(folder, ...parts);
const write = (path: string, content: object) =>
  writeFileSync(at(path), JSON.stringify(content), { mode: 0o644 });

function idsOf(user: string): { uid: number; gid: number } {
  const row = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`${user}:`));
  const [, , uid = "", gid = ""] = row?.split(":") ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

function own(path: string, { uid, gid }: { uid: number; gid: number }): void {
  if (!isRoot) return;
  const inside = readdirSync(path, { recursive: true, encoding: "utf8" });
  for (const name of ["", ...inside]) chownSync(join(path, name), uid, gid);
}

/** What the package of the agent and an enrolment leave on a host. */
function installAgent(owner = isRoot ? idsOf("sonde") : { uid: -1, gid: -1 }): void {
  for (const name of ["etc", "etc/grants", "state", "run"]) mkdirSync(at(name), { mode: 0o755 });
  const { key, hubKey, certificate, ca, ...file } = hub.identity;
  writeIdentity(at("state/identity"), {
    key: key.export({ format: "pem", type: "pkcs8" }).toString(),
    certificate,
    ca,
    identity: { ...file, hubKey: hubKey.export({ format: "pem", type: "spki" }).toString() },
  });
  own(at("state"), owner);
  write("etc/trust.json", { ...buildSamplePolicy({}), registry: "http://127.0.0.1:1" });
  const packaged = (name: string) =>
    JSON.parse(
      readFileSync(
        join(workspace, "scripts/package/sonde-agent/root/etc/sonde-agent", name),
        "utf8",
      ),
    ) as object;
  write("etc/agent.json", {
    ...packaged("agent.json"),
    ...{
      stateDir: at("state"),
      grantsDir: at("etc/grants"),
      trustPolicyPath: at("etc/trust.json"),
    },
    admitPath: join(runtime.folder, "admit.js"),
  });
  write("etc/runner.json", {
    ...packaged("runner.json"),
    ...{ packHostPath: join(runtime.folder, "pack-host.js"), grantsDir: at("etc/grants") },
  });
}

function grant(groups: string[], files: string[] = []): void {
  const file: GrantFile = {
    ...{ pack: "acme/hello", digest: `sha256:${"a".repeat(64)}` },
    requires: { groups, commands: [], files, sockets: [] },
    ...{ approvedBy: "root", approvedAt: new Date().toISOString() },
  };
  write("etc/grants/acme--hello.json", file);
}

type Run = { child: ChildProcess; said: () => string; ended: Promise<number | null> };

/** Starts a supervisor, as the command does. */
function run(call: string, asUser: string[] = []): Run {
  const place = { runtime, settings: at("etc"), run: at("run"), grants: at("etc/grants") };
  const script = `
    import * as installed from ${JSON.stringify(join(workspace, RUN))};
    import { runUntilStopped } from ${JSON.stringify(join(workspace, "cli/src/until-stopped.ts"))};
    const place = ${JSON.stringify(place)};
    try { await runUntilStopped(() => installed.${call}); process.exit(0); }
    catch ({ code, message }) { console.log(JSON.stringify({ error: { code, message } })); process.exit(1); }`;
  const words = ["--conditions=sonde:source", "--input-type=module", "--eval", script];
  const [command = "", ...args] = [...asUser, process.execPath, ...words];
  const child = spawn(command, args, { cwd: workspace, stdio: ["ignore", "pipe", "pipe"] });
  started.push(child);
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, "exit").then(([code]) => code as number | null);
  return { child, said: () => said, ended };
}

const AGENT = "runAgent(place, console.log)";

async function runUntilReady(call = AGENT, asUser: string[] = []): Promise<Run> {
  const running = run(call, asUser);
  await expect.poll(running.said, { timeout: 40_000 }).toMatch(/^The (agent|registry) runs\.$/m);
  return running;
}

function errorOf({ said }: Run): ErrorBody["error"] {
  const line = said()
    .split("\n")
    .findLast((text) => text.startsWith('{"error"'));
  return (JSON.parse(line ?? "{}") as ErrorBody).error;
}

/** The processes whose last argument is that configuration, without setpriv. */
function statusesOf(config: string): Map<string, string>[] {
  return findLeftovers(at("run", config))
    .filter(({ argv }) => argv[0] === runtime.node)
    .map(({ pid }) => {
      const lines = readFileSync(`/proc/${pid}/status`, "utf8").trimEnd().split("\n");
      return new Map(lines.map((line) => [line.split(":")[0] ?? "", line.split(":\t")[1] ?? ""]));
    });
}

function expectNoRights(status: Map<string, string>, user: string): void {
  const { uid, gid } = idsOf(user);
  expect(status.get("Uid")).toBe([uid, uid, uid, uid].join("\t"));
  expect(status.get("Gid")).toBe([gid, gid, gid, gid].join("\t"));
  expect(status.get("NoNewPrivs")).toBe("1");
  for (const set of ["CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd"]) {
    expect(BigInt(`0x${status.get(set)}`), set).toBe(0n);
  }
}

const client = () => createAgentClient(at("state/run/agent.sock"));
const groupsOfRunners = async () => (await client().status()).runners.map(({ groups }) => groups);

/** Asks the runner without groups for what the grant names, as an agent does. */
async function readGranted(): Promise<RunnerOutcome | undefined> {
  const socketPath = at("run/runners/no-groups.sock");
  const link = createRunnerLink({
    runners: [{ socketPath, groups: [] }],
    ...{ sharedGroups: [], log: () => undefined },
  });
  try {
    await expect.poll(() => link.serves([])).toBe(true);
    const source = { kind: "file", path: LOAD, timeoutMs: 500, maxBytes: 100 } as const;
    const reads = [{ name: "load", source, values: {} }];
    const done = await link.read(reads, 5000, [], false, AbortSignal.timeout(10_000));
    return done.reads["load"];
  } finally {
    link.close();
  }
}

describe.runIf(isRoot)("started by root", () => {
  test("agent and runners have users of their own and no right, and each runner its groups", async () => {
    installAgent();
    grant(["adm", "disk"]);
    const running = await runUntilReady();
    await expect.poll(groupsOfRunners).toEqual(expect.arrayContaining([[], ["adm", "disk"]]));
    expect((await client().status()).wall).toBe("separate-user");
    const [agent, ...more] = statusesOf("agent.json");
    expect(more).toEqual([]);
    expectNoRights(agent ?? new Map(), "sonde");
    expect(agent?.get("Groups")?.trim()).toBe("");
    const runners = statusesOf("runner.json");
    for (const runner of runners) expectNoRights(runner, "sonde-run");
    const groups = runners.map((status) => status.get("Groups")?.trim()).toSorted();
    const gids = findGids(["adm", "disk"], readFileSync("/etc/group", "utf8"));
    expect(groups).toEqual(["", gids.toSorted((a, b) => a - b).join(" ")]);
    running.child.kill("SIGTERM");
    expect(await running.ended).toBe(0);
    expect(findLeftovers(folder)).toEqual([]);
  });

  test("a grant brings its runner and takes it away, and a group that is missing is said", async () => {
    installAgent();
    const running = await runUntilReady();
    await expect.poll(groupsOfRunners).toEqual([[]]);
    grant(["adm"]);
    await expect.poll(groupsOfRunners).toEqual(expect.arrayContaining([[], ["adm"]]));
    grant(["no-such-group"]);
    await expect.poll(groupsOfRunners).toEqual([[]]);
    expect(readdirSync(at("run/runners"))).toEqual(["no-groups.sock"]);
    await expect.poll(running.said).toContain('expected the group "no-such-group"');
  });

  test("grants in a folder that others can write give nobody a runner", async () => {
    installAgent();
    grant(["adm"]);
    chmodSync(at("etc/grants"), 0o777);
    const running = await runUntilReady();
    expect(running.said()).toContain("etc/grants");
    expect(readdirSync(at("run/runners"))).toEqual(["no-groups.sock"]);
  });

  test("a configuration that another user can write is refused", async () => {
    installAgent();
    chmodSync(at("etc/agent.json"), 0o666);
    const running = run(AGENT);
    expect(await running.ended).toBe(1);
    expect(errorOf(running).code).toBe("CONFIG_INVALID");
  });

  test("the registry has a user of its own and no right", async () => {
    const database = await startTestDatabase();
    try {
      for (const name of ["etc", "state", "run"]) mkdirSync(at(name), { mode: 0o755 });
      own(at("state"), idsOf("sonde-registry"));
      write("etc/registry.json", {
        ...{ dataDir: at("state"), databaseUrl: database.url, maxCapability: "observe" },
        http: { host: "127.0.0.1", port: 0, behindProxy: false },
        ...{ admitPath: join(runtime.folder, "admit.js"), supervised: false },
      });
      const running = await runUntilReady('runService("registry", place, console.log)');
      const [status = new Map<string, string>()] = statusesOf("registry.json");
      expectNoRights(status, "sonde-registry");
      running.child.kill("SIGTERM");
      expect(await running.ended).toBe(0);
      expect(findLeftovers(folder)).toEqual([]);
    } finally {
      await database.close();
    }
  });
});

test("it runs once at a time, and what a killed one leaves ends", async () => {
  installAgent();
  const first = await runUntilReady();
  const second = run(AGENT);
  expect(await second.ended).toBe(1);
  expect(errorOf(second).code).toBe("ALREADY_RUNNING");
  first.child.kill("SIGKILL");
  await expect.poll(() => findLeftovers(folder), { timeout: 40_000 }).toEqual([]);
  const third = await runUntilReady();
  third.child.kill("SIGINT");
  expect(await third.ended).toBe(0);
}, 120_000);

test("an agent that cannot start says why, and nothing of it goes on", async () => {
  installAgent();
  rmSync(at("state/identity"), { recursive: true });
  const running = run(AGENT);
  expect(await running.ended).toBe(1);
  expect(errorOf(running)).toMatchObject({ message: expect.stringContaining("enrol") });
  expect(existsSync(at("state/run/agent.sock"))).toBe(false);
  await expect.poll(() => findLeftovers(folder)).toEqual([]);
});

test("beside systemd it is refused, since the unit would run it a second time", () => {
  // A mount namespace of its own, in which systemd seems to run.
  const script = `mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec "$@"`;
  const program = join(workspace, "dist/cli/sonde-agent.js");
  const words = ["--mount", ...(isRoot ? [] : ["--map-root-user"]), "sh", "-c", script, "sh"];
  const { status, stderr } = spawnSync("unshare", [...words, process.execPath, program, "run"], {
    encoding: "utf8",
  });
  expect(status).toBe(1);
  expect(stderr).toMatch(/^ALREADY_RUNNING: .* type: systemctl start sonde-agent$/m);
});

describe.runIf(isRoot)("started by a user other than root", () => {
  const asNobody = (gid = NOBODY) => [
    ...["setpriv", `--reuid=${NOBODY}`, `--regid=${gid}`, "--clear-groups"],
  ];
  const installForNobody = () => {
    installAgent({ uid: NOBODY, gid: NOBODY });
    own(at("run"), { uid: NOBODY, gid: NOBODY });
  };

  test("all run as that user, which the kernel is asked about", async () => {
    installForNobody();
    await runUntilReady(AGENT, asNobody());
    await expect.poll(groupsOfRunners).toEqual([[]]);
    expect((await client().status()).wall).toBe("same-uid");
    grant([], [LOAD]);
    own(at("etc/grants"), { uid: NOBODY, gid: NOBODY });
    expect(await readGranted()).toMatchObject({ ok: true });
    for (const status of [...statusesOf("agent.json"), ...statusesOf("runner.json")]) {
      expect(status.get("Uid")).toBe([NOBODY, NOBODY, NOBODY, NOBODY].join("\t"));
      expect(status.get("NoNewPrivs")).toBe("1");
    }
  });

  test.each([
    ["expected no capabilities", [...asNobody(), "--inh-caps=+net_raw", "--ambient-caps=+net_raw"]],
    ["expected no group of root", asNobody(0)],
  ])("what could lead to root is refused in words: %s", async (reason, asUser) => {
    installForNobody();
    const running = run(AGENT, asUser);
    expect(await running.ended).toBe(1);
    expect(errorOf(running)).toEqual({ code: "PRIVILEGE_REFUSED", message: reason });
  });
});
