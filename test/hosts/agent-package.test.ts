import { basename, join } from "node:path";
import { buildSamplePolicy } from "@sonde/trust/testing";
import { RELEASE } from "@sonde/schemas/release";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Host } from "./host.ts";
import { type Lab, startLab } from "./lab.ts";
import { obtainPackages } from "./packages.ts";
import { isCheckedHere } from "./requirements.ts";

const isChecked = isCheckedHere("the agent's package on a host");

const DEB = `sonde-agent_${RELEASE}_amd64.deb`;
const TAR = `sonde-agent_${RELEASE}_amd64.tar.gz`;
const PURGED = [
  "/etc/sonde-agent",
  "/var/lib/sonde-agent",
  "/run/sonde-agent",
  "/usr/lib/sonde-agent",
  "/usr/bin/sonde-agent",
  "/usr/lib/systemd/system/sonde-agent.service",
  "/usr/lib/systemd/system/sonde-pack-host.socket",
];

let packages: string;
let lab: Lab | undefined;
let host: Host;

beforeAll(async () => {
  if (!isChecked) return;
  packages = obtainPackages("sonde-agent");
  lab = await startLab(["libstdc++6", "util-linux", "passwd"]);
  host = await lab.boot("web-1");
}, 600_000);
afterAll(() => lab?.close());

/** What of the agent is on the host, and what is wrong with the host. */
async function findLeft(): Promise<string[]> {
  const files = (await host.exec(["ls", "-d", ...PURGED])).out.split("\n");
  const users = host.readFile("/etc/passwd").match(/^sonde.*$/gm) ?? [];
  const unit = (await host.exec(["systemctl", "cat", "sonde-agent.service"])).out;
  const list = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "sonde*"];
  const units = (await host.exec(list)).out;
  const state = (await host.exec(["systemctl", "is-system-running"])).out.trim();
  return [...files, ...users, unit, units, state].filter(
    (text) => text !== "" && text !== "running",
  );
}

test.runIf(isChecked)("it installs, and waits for the enrolment", async () => {
  await host.install(join(packages, DEB));
  expect((await host.mustExec(["systemctl", "is-system-running"])).trim()).toBe("running");
  const shown = await host.mustExec([
    "systemctl",
    "show",
    "sonde-agent.service",
    "-pActiveState,ConditionResult,UnitFileState",
  ]);
  expect(shown.trim().split("\n").toSorted()).toEqual([
    "ActiveState=inactive",
    "ConditionResult=no",
    "UnitFileState=enabled",
  ]);
  expect(await host.mustExec(["sonde-agent", "--version"])).toBe(`${RELEASE}\n`);
  const status = await host.exec(["sonde-agent", "status", "--json"]);
  expect(JSON.parse(status.out)).toMatchObject({ error: { code: "STARTING_FAILED" } });
});

test.runIf(isChecked)(
  "its files are root's, and its users have no group but their own",
  async () => {
    const foreign = await host.mustExec([
      "find",
      "/usr/lib/sonde-agent",
      "/etc/sonde-agent",
      "!",
      "-user",
      "root",
    ]);
    expect(foreign).toBe("");
    const writable = await host.mustExec([
      "find",
      "/usr/lib/sonde-agent",
      "/etc/sonde-agent",
      "-perm",
      "/022",
      "!",
      "-type",
      "l",
    ]);
    expect(writable).toBe("");
    expect(await host.mustExec(["stat", "-c", "%a %U", "/var/lib/sonde-agent"])).toBe(
      "711 sonde\n",
    );
    for (const user of ["sonde", "sonde-run"]) {
      expect(await host.mustExec(["id", "-Gn", user])).toBe(`${user}\n`);
    }
  },
);

test.runIf(isChecked)(
  "enrolment takes the token from its input, and says why it failed",
  async () => {
    const known = ["sonde-agent", "enrol", "--hub", "127.0.0.1:4312", "--json"];
    const untrusting = await host.exec(known, { input: "sonde_et_wrong.none\n" });
    expect(JSON.parse(untrusting.out)).toMatchObject({ error: { code: "CONFIG_INVALID" } });
    host.writeFile("/root/trust.json", JSON.stringify(buildSamplePolicy({})));
    const words = [...known, "--trust", "/root/trust.json", "--yes"];
    const refused = await host.exec(words, { input: "sonde_et_wrong.none\n" });
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.out)).toMatchObject({ error: { code: "TOKEN_REFUSED" } });
    const unprivileged = ["setpriv", "--reuid=sonde", "--clear-groups", ...words];
    expect(JSON.parse((await host.exec(unprivileged)).out)).toMatchObject({
      error: { code: "RIGHT_MISSING" },
    });
  },
);

/** Connects as the agent does, and prints what the runner says first. */
const HELLO = `const socket = require("net").connect("/run/sonde-agent/runners/no-groups.sock");
socket.once("data", (data) => { process.stdout.write(data.subarray(8)); socket.destroy(); });`;
const stateOf = async (unit: string) =>
  (await host.mustExec(["systemctl", "show", unit, "-pActiveState,Result"])).trim().split("\n");

test.runIf(isChecked)("a runner begins with a connection and ends with it", async () => {
  await host.mustExec(["systemctl", "start", "sonde-runner@no-groups.socket"]);
  const runner = "sonde-runner@no-groups.service";
  expect(await stateOf(runner)).toContain("ActiveState=inactive");
  for (let round = 0; round < 2; round += 1) {
    const words = [
      "setpriv",
      "--reuid=sonde",
      "--regid=sonde",
      "--clear-groups",
      "/usr/lib/sonde-agent/node",
    ];
    const hello = JSON.parse(await host.mustExec([...words, "-e", HELLO])) as object;
    expect(hello).toMatchObject({ op: "hello", groups: [] });
    await expect.poll(() => stateOf(runner)).toEqual(["Result=success", "ActiveState=inactive"]);
  }
  expect((await host.mustExec(["systemctl", "is-system-running"])).trim()).toBe("running");
});

test.runIf(isChecked)("the agent's unit is as closed as it can be", async () => {
  const { out } = await host.exec([
    "systemd-analyze",
    "security",
    "--no-pager",
    "sonde-agent.service",
  ]);
  const [, exposure] = /exposure level for sonde-agent.service: ([0-9.]+)/.exec(out) ?? [];
  expect(Number(exposure)).toBeLessThanOrEqual(1.5);
});

test.runIf(isChecked)("a purge leaves nothing", async () => {
  await host.mustExec(["apt-get", "purge", "--yes", "sonde-agent"]);
  expect(await findLeft()).toEqual([]);
});

const unpacked = `/root/sonde-agent-${RELEASE}`;

test.runIf(isChecked)("the .tar.gz installs the same files, under any umask", async () => {
  await host.install(join(packages, DEB));
  const list = ["find", "/usr/lib/sonde-agent", "/usr/bin/sonde-agent", "/etc/sonde-agent"];
  const look = [...list, "-not", "-path", "*/installed*", "-printf", "%p %m %u:%g %s\\n"];
  const expected = await host.mustExec(look);
  host.copyIn(join(packages, TAR), `/root/${basename(TAR)}`);
  await host.mustExec(["sh", "-c", `cd /root && umask 077 && tar xf ${TAR}`]);
  const beside = await host.exec([`${unpacked}/install`]);
  expect(beside).toMatchObject({ code: 1, err: expect.stringContaining("apt remove sonde-agent") });
  await host.mustExec(["apt-get", "purge", "--yes", "sonde-agent"]);
  await host.mustExec(["sh", "-c", `umask 077 && ${unpacked}/install`]);
  expect((await host.mustExec(look)).split("\n").toSorted()).toEqual(
    expected.split("\n").toSorted(),
  );
  expect(await host.mustExec(["sonde-agent", "--version"])).toBe(`${RELEASE}\n`);
  expect((await host.mustExec(["systemctl", "is-enabled", "sonde-agent"])).trim()).toBe("enabled");
});

test.runIf(isChecked)("installed again, it keeps what the administrator changed", async () => {
  const file = "/etc/sonde-agent/agent.json";
  host.writeFile(file, `${host.readFile(file)}\n`);
  const changed = host.readFile(file);
  await host.mustExec(["rm", "/usr/lib/sonde-agent/agent.js"]);
  await host.mustExec([`${unpacked}/install`]);
  expect(host.readFile(file)).toBe(changed);
  await host.mustExec(["test", "-f", "/usr/lib/sonde-agent/agent.js"]);
});

// Attack 44.
test.runIf(isChecked)("it refuses an older version, unless it is forced", async () => {
  const about = "/usr/lib/sonde-agent/installed/about";
  host.writeFile(about, "sonde-agent 99.0.0 amd64\n");
  const refused = await host.exec([`${unpacked}/install`]);
  expect(refused.code).toBe(1);
  expect(refused.err).toContain(`sonde-agent: expected 99.0.0 or newer, got ${RELEASE}`);
  await host.mustExec([`${unpacked}/install`, "--allow-downgrade"]);
  expect(host.readFile(about)).toBe(`sonde-agent ${RELEASE} amd64\n`);
});

test.runIf(isChecked)("beside it, the .deb is refused", async () => {
  await expect(host.install(join(packages, DEB))).rejects.toThrow("installed/uninstall");
});

test.runIf(isChecked)("its uninstall keeps configuration and state, --purge nothing", async () => {
  const uninstall = "/usr/lib/sonde-agent/installed/uninstall";
  await host.mustExec([uninstall]);
  await host.mustExec(["test", "-f", "/etc/sonde-agent/agent.json"]);
  expect((await host.exec(["ls", "/usr/lib/sonde-agent", "/usr/bin/sonde-agent"])).out).toBe("");
  await host.mustExec([`${unpacked}/install`]);
  await host.mustExec([uninstall, "--purge"]);
  expect(await findLeft()).toEqual([]);
});

test.runIf(isChecked)(
  "a purge leaves the users that were there before, or that npm start needs",
  async () => {
    await host.mustExec(["useradd", "--system", "sonde"]);
    await host.install(join(packages, DEB));
    await host.mustExec(["mkdir", "/var/lib/sonde"]);
    await host.mustExec(["apt-get", "purge", "--yes", "sonde-agent"]);
    await host.mustExec(["id", "sonde"]);
    await host.mustExec(["id", "sonde-run"]);
    await host.mustExec(["rmdir", "/var/lib/sonde"]);
    await host.mustExec(["userdel", "sonde-run"]);
    await host.install(join(packages, DEB));
    await host.mustExec(["apt-get", "purge", "--yes", "sonde-agent"]);
    await host.mustExec(["id", "sonde"]);
    expect((await host.exec(["id", "sonde-run"])).code).toBe(1);
  },
);
