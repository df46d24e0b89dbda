import { createHash } from "node:crypto";
import { dirname, join, resolve } from "node:path";
import { buildPack } from "@sonde/pack-sdk/build";
import { readFixtures } from "@sonde/pack-sdk/testing";
import { RELEASE } from "@sonde/schemas/release";
import { readArchive } from "@sonde/trust/archive";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createRunnerLink,
  type RunAsk,
  type RunDone,
  type RunnerLink,
} from "../../agent/daemon/src/edge/runner-link/runner-link.ts";
import { findPacks } from "../../cli/src/pack/find-packs.ts";
import type { Host } from "./host.ts";
import { type Lab, startLab } from "./lab.ts";
import { obtainPackages } from "./packages.ts";
import { isCheckedHere } from "./requirements.ts";

// The units of runner and pack hosts under a real systemd. This process stands in for the agent.
const isChecked = isCheckedHere("pack hosts as units of a host");

const workspace = resolve(import.meta.dirname, "../..");
const RUNNER = "sonde-runner@no-groups.service";
const ESCAPED = "/usr/lib/sonde-agent/escaped.mjs";
/** All that is in the root folder of a pack host on Debian. */
const SEEN = ["dev", "etc", "lib", "lib64", "proc", "root", "run", "sys", "usr", "var"];
const DROP_IN = "/run/systemd/system/sonde-pack-host@.service.d";
const NODE = "/usr/lib/sonde-agent/node";
const PORT = 4999;
/** Units start and end in their own time. */
const soon = { timeout: 30_000, interval: 100 };

let lab: Lab | undefined;
let host: Host;
let link: RunnerLink;
const log: string[] = [];

beforeAll(async () => {
  if (!isChecked) return;
  const packages = obtainPackages("sonde-agent");
  // No bubblewrap.
  lab = await startLab(["libstdc++6", "util-linux", "passwd"]);
  host = await lab.boot("web-1");
  await host.install(join(packages, `sonde-agent_${RELEASE}_amd64.deb`));
  link = createRunnerLink({
    runners: [
      { socketPath: host.livePathOf("/run/sonde-agent/runners/no-groups.sock"), groups: [] },
    ],
    sharedGroups: [],
    log: (event, detail) => log.push(`${event} ${detail}`),
  });
}, 600_000);
afterAll(async () => {
  if (link !== undefined) link.close();
  await lab?.close();
});

const sha256 = (data: string | Uint8Array) =>
  `sha256:${createHash("sha256").update(data).digest("hex")}`;

/** Writes a pack's code to the host, and returns what asks its probes. */
function place(name: string, code: string | Uint8Array) {
  const codePath = `/opt/${name}.js`;
  host.writeFile(codePath, Buffer.from(code).toString());
  return (probeName: string, input: object, timeoutMs = 20_000): RunAsk => ({
    ...{ packDigest: sha256(`archive ${name}`), codePath, codeSha256: sha256(code), probeName },
    ...{ input: Buffer.from(JSON.stringify(input)), timeoutMs, memoryMb: 64 },
  });
}

/** Code of a pack whose probes have these bodies. */
const write = (probes: Record<string, string>) => {
  const methods = Object.entries(probes).map(([name, body]) => `${name}(input) { ${body} }`);
  return `var pack = (() => { const probes = { ${methods.join(",")} };
    return { default: { definition: {}, run: (probe, input) => probes[probe](input) } }; })();`;
};
const given = (params: object = {}) => ({ params, reads: {}, now: 1 });
const codeOf = (done: RunDone): string => (done.ok ? "ok" : done.failure.code);

async function listPackHosts(): Promise<string[]> {
  const words = ["systemctl", "list-units", "--all", "--plain", "--no-legend"];
  const listed = await host.mustExec([...words, "sonde-pack-host@*.service"]);
  return listed.split("\n").flatMap((line) => line.split(" ")[0] || []);
}
async function pidOf(unit: string): Promise<number> {
  return Number(await host.mustExec(["systemctl", "show", "--property=MainPID", "--value", unit]));
}
async function exposureOf(unit: string): Promise<number> {
  const { out } = await host.exec(["systemd-analyze", "security", "--no-pager", unit]);
  return Number(/exposure level for [^:]+: ([0-9.]+)/.exec(out)?.[1]);
}
const stateOfHost = async () => (await host.exec(["systemctl", "is-system-running"])).out.trim();
const asUser = (user: string, script: string) =>
  host.exec(["setpriv", `--reuid=${user}`, "--clear-groups", NODE, "-e", script]);
const connectTo = (target: object) =>
  `require("net").connect(${JSON.stringify(target)}).on("connect", () => process.exit())
    .on("error", ({ code }) => { console.log(code); process.exit(1); })`;

async function endRunner(): Promise<void> {
  await host.mustExec(["systemctl", "kill", "--signal=KILL", RUNNER]);
  await expect.poll(listPackHosts).toEqual([]);
}

test.runIf(isChecked)(
  "a call of each pack works, each in a unit with a user of its own",
  async () => {
    const folders = findPacks(join(workspace, "packs"));
    expect(folders.length).toBeGreaterThan(1);
    for (const folder of folders) {
      const { archive, manifest } = await buildPack(folder);
      const code = readArchive(archive).find(({ path }) => path === "index.js");
      const ask = place(manifest.name.replace("/", "-"), code?.bytes ?? "");
      for (const { fixture } of await readFixtures(folder)) {
        const { params, reads, now, probe, expected } = fixture;
        if (expected === undefined || "failure" in expected) continue;
        const done = await link.run(ask(probe, { params, reads, now }));
        expect(done.ok ? JSON.parse(String(done.result)) : done).toEqual(expected.result);
      }
    }
    expect(link.runners()).toMatchObject([{ confinement: "unit" }]);
    const units = await listPackHosts();
    expect(units).toHaveLength(folders.length);
    const users: string[] = [];
    for (const unit of units) {
      const status = await host.mustExec(["cat", `/proc/${await pidOf(unit)}/status`]);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      expect(status).toMatch(/^CapBnd:\t0+$/m);
      expect(status).toMatch(/^Seccomp:\t2$/m);
      users.push(/^Uid:\t(\d+)/m.exec(status)?.[1] ?? "");
      const memory = await host.mustExec(["cat", `/proc/${await pidOf(unit)}/smaps_rollup`]);
      process.stdout.write(`${unit}: ${/^Pss: .*$/m.exec(memory)?.[0]}\n`);
    }
    expect(new Set(users).size).toBe(folders.length);
    for (const uid of users) expect(Number(uid)).toBeGreaterThan(61_000);
  },
);

test.runIf(isChecked)("runner and pack host are closed", async () => {
  expect(await exposureOf(RUNNER)).toBeLessThanOrEqual(3);
  expect(await exposureOf("sonde-pack-host@0-1-1.service")).toBeLessThanOrEqual(0.3);
});

test.runIf(isChecked)("nobody but the runner's user gets a pack host", async () => {
  const connect = connectTo({ path: "/run/sonde-agent/pack-host.sock" });
  for (const user of ["sonde", "nobody"]) {
    expect(await asUser(user, connect)).toMatchObject({ code: 1, out: "EACCES\n" });
  }
  expect(await asUser("sonde-run", connect)).toMatchObject({ code: 0 });
});

test.runIf(isChecked)("a pack host ends when its pack is withdrawn, or the runner", async () => {
  const ask = place("ends", write({ echo: "return input.params;" }));
  await endRunner();
  expect(codeOf(await link.run(ask("echo", given())))).toBe("ok");
  expect(await listPackHosts()).toHaveLength(1);
  link.drop(ask("echo", given()).packDigest);
  await expect.poll(listPackHosts).toEqual([]);
  const pid = await pidOf(RUNNER);
  expect(codeOf(await link.run(ask("echo", given())))).toBe("ok");
  await host.mustExec(["kill", "-KILL", String(pid)]);
  await expect.poll(listPackHosts).toEqual([]);
  expect(codeOf(await link.run(ask("echo", given())))).toBe("ok");
  expect(await pidOf(RUNNER)).not.toBe(pid);
  expect(await stateOfHost()).toBe("running");
});

test.runIf(isChecked)("a runner that ends eight times in a row still answers", async () => {
  const ask = place("often", write({ echo: "return input.params;" }));
  for (let round = 0; round < 8; round += 1) {
    expect([round, codeOf(await link.run(ask("echo", given())))]).toEqual([round, "ok"]);
    await endRunner();
  }
  expect(codeOf(await link.run(ask("echo", given())))).toBe("ok");
});

test.runIf(isChecked)(
  "a pack host that hangs or grows is ended, and the runner stays",
  async () => {
    const ask = place(
      "hangs",
      write({
        echo: "return input.params;",
        loop: "for (;;);",
        grow: "return { n: new Array(1e8).fill(1.5).length };",
      }),
    );
    expect(codeOf(await link.run(ask("echo", given())))).toBe("ok");
    const pid = await pidOf(RUNNER);
    expect(codeOf(await link.run(ask("loop", given(), 500)))).toBe("PACK_TIMEOUT");
    expect(codeOf(await link.run(ask("grow", given(), 40_000)))).toBe("PACK_CRASHED");
    expect(codeOf(await link.run(ask("echo", given())))).toBe("ok");
    expect(await pidOf(RUNNER)).toBe(pid);
    expect(await stateOfHost()).toBe("running");
  },
);

/**
 * Replaces the pack host, as if pack code had taken over its process, and ends those that run.
 *
 * @param flags of Node
 */
async function replacePackHost(flags: string): Promise<void> {
  host.copyIn(join(workspace, "test/agent/escaped.mjs"), ESCAPED);
  const dropIn = `[Service]\nExecStart=\nExecStart=${NODE} ${flags} ${ESCAPED}\n`;
  await host.mustExec(["mkdir", "-p", DROP_IN]);
  await host.mustExec(["sh", "-c", `cat >${DROP_IN}/escaped.conf`], { input: dropIn });
  await host.mustExec(["systemctl", "daemon-reload"]);
  await endRunner();
}
async function restorePackHost(): Promise<void> {
  await host.mustExec(["rm", "-r", DROP_IN, ESCAPED]);
  await host.mustExec(["systemctl", "daemon-reload"]);
  await endRunner();
}

// Attack 49.
test.runIf(isChecked)("an escaped script finds nothing of the host", async () => {
  await host.mustExec(["mkdir", "--mode=0777", "/opt/open"]);
  const listener = `require("net").createServer((socket) => socket.end()).listen(${PORT}, "127.0.0.1")`;
  await host.mustExec(["systemd-run", "--unit=listener", NODE, "-e", listener]);
  const target = {
    key: "/etc/sonde-agent/runner.json",
    readable: "/usr/lib/systemd/system/sonde-agent.service",
    writable: "/opt/open/written",
    socket: "/run/dbus/system_bus_socket",
    port: PORT,
  };
  // What it must not reach can be reached by others.
  const { key, socket } = target;
  await expect
    .poll(async () => (await asUser("nobody", connectTo({ host: "127.0.0.1", port: PORT }))).code)
    .toBe(0);
  expect(await asUser("nobody", connectTo({ path: socket }))).toMatchObject({ code: 0 });
  expect(await asUser("nobody", `require("fs").readFileSync("${key}")`)).toMatchObject({
    code: 0,
  });
  const own = `--permission --allow-addons --allow-fs-read=${dirname(ESCAPED)}`;
  try {
    for (const flags of [own, "--no-node-snapshot"]) {
      await replacePackHost(flags);
      const ask = place("any", write({}));
      expect(codeOf(await link.run(ask("any", given({ lie: { body: "{}" } }))))).toBe("ok");
      const [unit = ""] = await listPackHosts();
      const seen = `/proc/${await pidOf(unit)}/root`;
      expect((await host.mustExec(["ls", seen])).trim().split("\n")).toEqual(SEEN);
      expect(await host.mustExec(["ls", `${seen}/etc`])).toBe("ld.so.cache\n");
      const runnerPid = await pidOf(RUNNER);
      const done = await link.run(ask("any", given({ ...target, runnerPid, agentPid: 1 })));
      const reached = done.ok ? (JSON.parse(String(done.result)) as string[]) : [codeOf(done)];
      // Its own process is the only one that it sees.
      expect(reached.filter((name) => name !== "processes")).toEqual([]);
    }
  } finally {
    await restorePackHost();
  }
});

// Attack 49.
test.runIf(isChecked)("a pack host that ignores its end costs the runner, and ends", async () => {
  await replacePackHost("--no-node-snapshot");
  try {
    const ask = place("deaf", write({}));
    const asked = link.run(ask("any", given({ lie: "feign" }), 3000)).catch(() => null);
    await expect.poll(listPackHosts, soon).toHaveLength(1);
    const pid = await pidOf((await listPackHosts())[0] ?? "");
    expect(pid).toBeGreaterThan(1);
    const hasEnded = async () => (await host.exec(["kill", "-0", String(pid)])).code;
    await expect.poll(hasEnded, soon).toBe(1);
    await asked;
    const journal = await host.mustExec(["journalctl", "--no-pager", `--unit=${RUNNER}`]);
    expect(journal).toContain('"event":"pack-host-stuck"');
  } finally {
    await restorePackHost();
  }
  const ask = place("after", write({ echo: "return input.params;" }));
  expect(codeOf(await link.run(ask("echo", given())))).toBe("ok");
});

test.runIf(isChecked)(
  "without its socket a pack fails in words, and is not run otherwise",
  async () => {
    const ask = place("without", write({ echo: "return input.params;" }));
    await host.mustExec(["systemctl", "stop", "sonde-pack-host.socket"]);
    const message = expect.stringContaining("systemctl start sonde-pack-host.socket") as string;
    const refused = await link.run(ask("echo", given()));
    expect(refused).toMatchObject({ failure: { code: "STARTING_FAILED", message } });
    const { out } = await host.exec(["sonde-agent", "doctor", "--json"]);
    const { findings } = JSON.parse(out) as { findings: { check: string; isWell: boolean }[] };
    expect(findings).toContainEqual(
      expect.objectContaining({ check: "pack-hosts", isWell: false }),
    );
    await host.mustExec(["systemctl", "start", "sonde-pack-host.socket"]);
    expect(codeOf(await link.run(ask("echo", given())))).toBe("ok");
  },
);
