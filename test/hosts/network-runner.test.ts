import { join } from "node:path";
import { buildPack } from "@sonde/pack-sdk/build";
import type { Manifest } from "@sonde/schemas/manifest";
import type { RunnerOutcome } from "@sonde/schemas/reads";
import { RELEASE } from "@sonde/schemas/release";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RunnerNeed } from "../../cli/src/agent/grant-files.ts";
import { planReads } from "../../foundation/sources/src/fill-reads.ts";
import type { Host } from "./host.ts";
import { askInstalledRunner, grantPack } from "./installed-runner.ts";
import { type Lab, startLab } from "./lab.ts";
import { obtainPackages } from "./packages.ts";
import { isCheckedHere } from "./requirements.ts";

// Which hosts the runners of an installed agent reach, under a real systemd: the one that every agent
// has, and the one that `sonde-agent approve` makes for packs that were granted other hosts.

const isChecked = isCheckedHere("what runners of a host reach");
const UNITS = "/etc/systemd/system";
const NETWORKED: RunnerNeed = { groups: [], reachesHosts: true };

/** On the other host: a port that takes connections, and a name server that knows no name. */
const SERVERS = `require("net").createServer((socket) => socket.end()).listen(8080);
const dns = require("dgram").createSocket("udp4").bind(53);
dns.on("message", (asked, from) => {
  asked[2] |= 0x80;
  asked[3] = 3;
  dns.send(asked, from.port, from.address);
});`;

/** Ends with 0 when it could connect. */
const CONNECT = `const socket = require("net").connect(8080, process.argv[1]);
socket.on("connect", () => process.exit(0)).on("error", () => process.exit(1));
setTimeout(() => process.exit(1), 3000);`;

let lab: Lab | undefined;
let host: Host;
let other: Host;
let pack: Manifest;

beforeAll(async () => {
  if (!isChecked) return;
  ({ manifest: pack } = await buildPack(join(import.meta.dirname, "../../packs/network")));
  const packages = obtainPackages("sonde-agent");
  lab = await startLab(["libstdc++6", "util-linux", "passwd"]);
  host = await lab.boot("web-1");
  other = await lab.boot("db-1");
  for (const one of [host, other]) {
    await one.install(join(packages, `sonde-agent_${RELEASE}_amd64.deb`));
  }
  await other.mustExec(["systemd-run", "/usr/lib/sonde-agent/node", "-e", SERVERS]);
  grantPack(host, pack, { endpoints: ["127.0.0.1:1", "db-1:8080"] });
  host.writeFile("/etc/resolv.conf", `nameserver ${other.address}\n`);
  // An agent keeps its connection. Here each question has one, and so a start of the runner.
  for (const folder of ["sonde-runner@no-groups.service.d", "sonde-runner@.service.d"]) {
    await host.mustExec(["mkdir", "--parents", `${UNITS}/${folder}`]);
    host.writeFile(`${UNITS}/${folder}/limit.conf`, "[Unit]\nStartLimitIntervalSec=0\n");
  }
  await host.mustExec(["systemctl", "daemon-reload"]);
  await host.mustExec(["systemctl", "start", "sonde-runner@no-groups.socket"]);
  const { outputFiles } = await build({
    stdin: {
      contents: `import { systemdRunnerUnits } from "./cli/src/agent/runner-units.ts";
        const [verb, value] = process.argv.slice(2);
        systemdRunnerUnits[verb](JSON.parse(value));`,
      resolveDir: join(import.meta.dirname, "../.."),
    },
    ...{ bundle: true, write: false, format: "esm", platform: "node" },
    conditions: ["sonde:source"],
  });
  host.writeFile("/root/units.mjs", outputFiles[0]?.text ?? "");
  await changeUnits("give", NETWORKED);
}, 600_000);
afterAll(() => lab?.close());

/** As `sonde-agent approve` and `revoke` do, with the grants that there are then. */
async function changeUnits(verb: "give" | "keepOnly", value: unknown): Promise<void> {
  const argv = ["/usr/lib/sonde-agent/node", "/root/units.mjs", verb, JSON.stringify(value)];
  await host.mustExec(argv);
}

async function ask(runner: string, probe: string, params: object): Promise<RunnerOutcome> {
  const reads = planReads(pack, probe, { ...params }).now;
  return Object.values(await askInstalledRunner(host, runner, reads))[0] as RunnerOutcome;
}

const lookUp = (runner: string) => ask(runner, "dns.lookup", { name: "shop.example" });
const reach = (runner: string, endpoint: string) => ask(runner, "reach", { endpoint });
const refused = { ok: false, failure: { code: "PERMISSION_NEEDED" } };
const answered = { server: expect.any(String), outcome: "answered", rcode: "NXDOMAIN" };

test.runIf(isChecked)("the runner of every agent reaches its own host, and says so", async () => {
  expect(await reach("no-groups", "127.0.0.1:1")).toMatchObject({
    samples: [{ data: { addresses: [{ outcome: "connection-refused" }] } }],
  });
  expect(await reach("no-groups", "db-1:8080")).toMatchObject(refused);
  expect(await lookUp("no-groups")).toMatchObject(refused);
});

test.runIf(isChecked).each(["routes", "neighbours"])("`ip` tells it %s", async (probe) => {
  expect(await ask("no-groups", probe, {})).toMatchObject({ samples: [{ data: { exitCode: 0 } }] });
});

test.runIf(isChecked)("a runner with the drop-in of approve reaches other hosts", async () => {
  expect(await reach("no-groups.network", "db-1:8080")).toMatchObject({
    samples: [{ data: { addresses: [{ address: other.address, outcome: "connected" }] } }],
  });
  expect(await lookUp("no-groups.network")).toMatchObject({
    samples: [{ data: { tried: [answered] } }],
  });
  const shown = await host.mustExec([
    ...["systemctl", "show", "sonde-runner@no-groups.network.service"],
    ...["--property=IPAddressDeny,Environment,UnsetEnvironment"],
  ]);
  expect(shown).toContain("169.254.0.0/16");
  expect(shown).toContain("UnsetEnvironment=SONDE_RUNNER_REACH");
  expect(shown).not.toContain("0.0.0.0/0");
});

test.runIf(isChecked)(
  "approve keeps the runners that grants need, and the one of every agent",
  async () => {
    const sockets = async (): Promise<string> => host.mustExec(["ls", "/run/sonde-agent/runners"]);
    await changeUnits("keepOnly", [NETWORKED]);
    expect(await sockets()).toContain("no-groups.network.sock");
    await changeUnits("keepOnly", []);
    expect(await sockets()).not.toContain("network");
    expect(await sockets()).toContain("no-groups.sock");
    await changeUnits("give", NETWORKED);
    expect(await sockets()).toContain("no-groups.network.sock");
  },
);

// Attack 78.
test.runIf(isChecked)("the kernel keeps a runner on its host, whatever it believes", async () => {
  // A kernel without filters for groups of processes does not heed IPAddressDeny= of any unit.
  const denied = await host.exec([
    ...["systemd-run", "--wait", "--collect", "--property=IPAddressDeny=any"],
    ...["/usr/lib/sonde-agent/node", "-e", CONNECT, other.address],
  ]);
  if (denied.code === 0) {
    process.stderr.write(
      "NOT CHECKED: IPAddressDeny= of a runner: this kernel has no such filter\n",
    );
    return;
  }
  host.writeFile(
    `${UNITS}/sonde-runner@no-groups.service.d/blind.conf`,
    "[Service]\nUnsetEnvironment=SONDE_RUNNER_REACH\n",
  );
  await host.mustExec(["systemctl", "daemon-reload"]);
  expect(await lookUp("no-groups")).toMatchObject(refused);
  const outcome = await reach("no-groups", "db-1:8080");
  expect(JSON.stringify(outcome)).not.toContain('"connected"');
});

test.runIf(isChecked)("a runner that reaches other hosts is no more exposed", async () => {
  const unit = "sonde-runner@no-groups.network.service";
  const said = await host.mustExec(["systemd-analyze", "security", "--no-pager", unit]);
  const level = Number(/exposure level for \S+: ([\d.]+)/.exec(said)?.[1]);
  process.stderr.write(`exposure of a runner that reaches other hosts: ${level}\n`);
  expect(level).toBeLessThanOrEqual(3);
});
