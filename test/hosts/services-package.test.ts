import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { createPublisherKey, type PublisherKey } from "@sonde/pack-sdk/sign";
import { RELEASE } from "@sonde/schemas/release";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Host } from "./host.ts";
import {
  askMemory,
  HUB,
  installPackages,
  REGISTRY,
  startInstallable,
  startServing,
  untilAnswers,
} from "./installed-system.ts";
import type { Lab } from "./lab.ts";
import { obtainPackages } from "./packages.ts";
import { isCheckedInFull } from "./requirements.ts";

const isChecked = isCheckedInFull("the packages of hub and registry on a host");

const run = promisify(execFile);
const workspace = resolve(import.meta.dirname, "../..");
const NAMES = ["sonde-agent", "sonde-hub", "sonde-registry"];

/** The commands of docs/packages.md, by where they are typed. */
const typed = [
  ...readFileSync(join(workspace, "docs/packages.md"), "utf8").matchAll(
    /^```sh (\S+)\n([\s\S]*?)^```$/gm,
  ),
].flatMap(([, on = "", body = ""]) =>
  body.split("\n").flatMap((line) => (line === "" ? [] : [{ on, line }])),
);
const onHost = typed.filter(({ on }) => on === "host").map(({ line }) => line);

let folder: string;
let packages: string;
let publisher: PublisherKey;
let lab: Lab | undefined;
let host: Host;
let key = "";

beforeAll(async () => {
  if (!isChecked) return;
  packages = obtainPackages(NAMES.join(","));
  folder = mkdtempSync("/tmp/sonde-services-");
  publisher = await createPublisherKey();
  ({ lab, host } = await startInstallable([packages]));
  const release = join(folder, "release.key");
  writeFileSync(release, publisher.privateKey.export({ type: "pkcs8", format: "pem" }), {
    mode: 0o600,
  });
  writeFileSync(`${release}.pub`, publisher.publicKeyPem);
  host.copyIn(`${release}.pub`, "/root/acme.key.pub");
}, 900_000);
afterAll(async () => {
  await lab?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** Types the next command of the document on the host, as root, and says yes. */
async function typeNext(start: string): Promise<string> {
  const line = onHost.shift() ?? "";
  expect(line.startsWith(`sudo ${start}`)).toBe(true);
  const command = `cd /root && ${line.slice("sudo ".length)}`;
  return await host.mustExec(["sh", "-c", command], { input: "y\n", timeoutMs: 120_000 });
}

/** Types the next command once more, before it is `shift`ed. */
async function typedAgain(start: string): Promise<string> {
  const line = onHost[0] ?? "";
  expect(line.startsWith(`sudo ${start}`)).toBe(true);
  return await host.mustExec(["sh", "-c", line.slice("sudo ".length)]);
}

async function readState(): Promise<string> {
  return (await host.exec(["systemctl", "is-system-running"])).out.trim();
}

test.runIf(isChecked)("a release of real packages is signed and verified", async () => {
  const place = join(folder, "release");
  cpSync(packages, place, { recursive: true });
  for (const { line } of typed.filter(({ on }) => on === "builder")) {
    const words = line
      .replace("/srv/sonde", place)
      .replace("release.key", join(folder, "release.key"))
      .split(" ")
      .slice(1);
    const program = join(workspace, "cli/src/sonde.ts");
    const node = ["--conditions=sonde:source", "--no-node-snapshot"];
    const { stdout } = await run(process.execPath, [...node, program, ...words]);
    expect(stdout).toContain(RELEASE);
  }
});

test.runIf(isChecked)("they install, and say what a person must decide", async () => {
  const printed = await typeNext("apt install");
  for (const command of ["sonde trust follow", "sonde registry publisher add NAME --key FILE"]) {
    expect(printed).toContain(`  ${command}`);
  }
  await untilAnswers(host, REGISTRY);
  expect((await host.exec(["systemctl", "is-active", "sonde-hub"])).out).toBe("inactive\n");
  expect(await readState()).toBe("running");
});

test.runIf(isChecked)("their programs are root's, and their state is their own", async () => {
  for (const name of ["sonde-hub", "sonde-registry"]) {
    const foreign = ["find", `/usr/lib/${name}`, `/etc/${name}`, "!", "-user", "root"];
    expect(await host.mustExec(foreign)).toBe("");
    const state = await host.mustExec(["stat", "-c", "%a %U", `/var/lib/${name}`]);
    expect(state).toBe(`700 ${name}\n`);
  }
  const config = await host.mustExec(["stat", "-c", "%a %U:%G", "/etc/sonde-hub/hub.json"]);
  expect(config).toBe("640 root:sonde-hub\n");
});

test.runIf(isChecked)("the hub starts when it is told which registry to follow", async () => {
  const said = await typeNext("sonde trust follow");
  expect(said).toContain(`This host follows ${REGISTRY}`);
  expect(said).toContain("systemctl start sonde-hub");
  expect(await typeNext("sonde registry publisher add")).toContain(publisher.keyId);
  expect(await typeNext("sonde trust add")).toContain("/etc/sonde-hub/trust.json");
  await typeNext("systemctl start");
  await untilAnswers(host, HUB);
  expect(await typeNext("sonde agents")).toContain("No agent is enrolled");
});

test.runIf(isChecked)("sonde says what runs, and shows the logs", async () => {
  const status = await typeNext("sonde status");
  expect(status).toMatch(/^hub +answers +http:\/\/127\.0\.0\.1:4310$/m);
  expect(status).toMatch(/^registry +answers +http:\/\/127\.0\.0\.1:4311$/m);
  expect(await typeNext("sonde logs")).toContain("sonde-hub.service");
  const all = await host.mustExec(["sonde", "logs", "--last", "1000"]);
  expect(all).toContain("sonde-registry.service");
  const { err } = await host.exec(["sonde", "logs", "agent"]);
  expect(err).toMatch(/^BAD_REQUEST: expected one of hub, registry; got "agent"/);
});

test.runIf(isChecked)(
  "a reload takes over what it can, and a bad file changes nothing",
  async () => {
    const config = host.readFile("/etc/sonde-hub/hub.json");
    const change = (more: object) =>
      host.writeFile("/etc/sonde-hub/hub.json", JSON.stringify({ ...JSON.parse(config), ...more }));
    const pidOf = () => host.mustExec(["systemctl", "show", "-P", "MainPID", "sonde-hub"]);
    const pid = await pidOf();
    change({ callTimeoutMs: 30_000, dataDir: "/srv/other" });
    await typeNext("systemctl reload");
    const journal = ["journalctl", "--unit", "sonde-hub", "--output", "cat"];
    await expect
      .poll(() => host.mustExec(journal))
      .toContain("configuration reloaded; taken over: callTimeoutMs; restart to apply: dataDir");
    change({ callTimeoutMs: -1 });
    await host.mustExec(["systemctl", "reload", "sonde-hub"]);
    await expect
      .poll(() => typedAgain("journalctl"))
      .toMatch(/configuration not reloaded, nothing was changed: CONFIG_INVALID: .*callTimeoutMs/);
    host.writeFile("/etc/sonde-hub/hub.json", config);
    await host.mustExec(["systemctl", "reload", "sonde-hub"]);
    onHost.shift();
    expect(await pidOf()).toBe(pid);
    await untilAnswers(host, HUB);
  },
);

test.runIf(isChecked)("sonde finds the hub on another port too", async () => {
  const config = host.readFile("/etc/sonde-hub/hub.json");
  const { http, ...rest } = JSON.parse(config) as { http: object };
  const moved = { ...rest, http: { ...http, port: 4399 } };
  for (const [text, url] of [
    [JSON.stringify(moved), "http://127.0.0.1:4399"],
    [config, HUB],
  ] as const) {
    host.writeFile("/etc/sonde-hub/hub.json", text);
    await host.mustExec(["systemctl", "restart", "sonde-hub"]);
    await untilAnswers(host, url);
    expect(await host.mustExec(["sonde", "agents"])).toContain("No agent is enrolled");
  }
});

test.runIf(isChecked)("a pack is published, and the agent answers a call over MCP", async () => {
  await installPackages(host, ["sonde-agent"], RELEASE);
  key = await startServing(host);
  expect(await askMemory(host, key)).toBe("ok");
});

test.runIf(isChecked)(
  "an item that is withheld closes the probes that read it, and no other",
  async () => {
    const { items } = JSON.parse(
      await host.mustExec(["sonde-agent", "explain", "system", "--json"]),
    ) as {
      items: { item: string; state: string }[];
    };
    const withheld = "file /proc/meminfo";
    const others = items.map(({ item }) => item).filter((item) => item !== withheld);
    expect(others.length).toBe(items.length - 1);
    const approve = ["sonde-agent", "approve", "system", "--yes"];
    const said = await host.mustExec([...approve, ...others.flatMap((item) => ["--only", item])]);
    const next = `${withheld} was not granted; run: sonde-agent approve sonde/system --ask-each`;
    expect(said).toContain(`active  READ_NOT_GRANTED: ${next}`);
    await expect.poll(() => askMemory(host, key), { timeout: 30_000 }).toContain(next);
    expect(await askMemory(host, key)).toContain("READ_NOT_GRANTED");
    const agents = await host.mustExec(["sonde", "agents"]);
    expect(agents).toMatch(/ as approved .* 1 active$/m);
    expect(agents).toContain(next);
    const mounts = await host.mustExec(["sonde-agent", "explain", "system"]);
    expect(mounts).toContain(`${withheld}  (not granted)`);
    await host.mustExec(approve);
    await expect.poll(() => askMemory(host, key), { timeout: 30_000 }).toBe("ok");
  },
);

test.runIf(isChecked)("a reload disturbs no agent", async () => {
  const config = host.readFile("/etc/sonde-agent/agent.json");
  const badge = { name: "badge", pattern: "BADGE-[0-9]+", example: "BADGE-1" };
  const changed = { ...JSON.parse(config), scrub: { patterns: [badge] } };
  host.writeFile("/etc/sonde-agent/agent.json", JSON.stringify(changed));
  const pidOf = () => host.mustExec(["systemctl", "show", "-P", "MainPID", "sonde-agent"]);
  const pid = await pidOf();
  await host.mustExec(["systemctl", "reload", "sonde-agent"]);
  await expect
    .poll(() => host.mustExec(["sonde", "logs", "agent", "--last", "100"]))
    .toContain("taken over: scrub.patterns");
  expect([await askMemory(host, key), await pidOf()]).toEqual(["ok", pid]);
  host.writeFile("/etc/sonde-agent/agent.json", config);
  await host.mustExec(["systemctl", "reload", "sonde-agent"]);
});

test.runIf(isChecked)("a hub is backed up while it serves", async () => {
  host.writeFile("/root/passphrase", "correct horse battery staple\n");
  expect(await typeNext("sonde hub backup")).toContain("hub.age has hub ");
  expect(await askMemory(host, key)).toBe("ok");
  const restore = [
    "sonde",
    "hub",
    "restore",
    "/root/hub.age",
    "--passphrase-file",
    "/root/passphrase",
  ];
  expect((await host.exec(restore)).err).toMatch(/^ALREADY_RUNNING: .* systemctl stop sonde-hub/);
  await typeNext("systemctl stop");
  expect((await host.exec(restore)).err).toMatch(/^BAD_REQUEST: expected no hub in /);
  const config = host.readFile("/etc/sonde-hub/hub.json");
  const elsewhere = { ...JSON.parse(config), databaseUrl: "postgres://hub@db/hub" };
  host.writeFile("/etc/sonde-hub/hub.json", JSON.stringify(elsewhere));
  expect((await host.exec(restore)).err).toMatch(/^BAD_REQUEST: .* without databaseUrl:/);
  host.writeFile("/etc/sonde-hub/hub.json", config);
  await typeNext("mv /var/lib/sonde-hub");
});

test.runIf(isChecked)(
  "a restore that fills the disk leaves nothing, and the next one makes the hub",
  async () => {
    // The mount is seen by this shell alone.
    const script = `
      mount -t tmpfs -o size=$1,mode=755 tmpfs /var/lib
      install -d -m 700 -o sonde-hub -g sonde-hub /var/lib/sonde-hub
      sonde hub restore hub.age --passphrase-file passphrase; echo "ended with $?"
      echo "left: $(ls -A /var/lib /var/lib/sonde-hub | tr "\n" " ")"
      mount -o remount,size=1g /var/lib
      sonde hub restore hub.age --passphrase-file passphrase; echo "ended with $?"
      stat -c "%a %U" /var/lib/sonde-hub /var/lib/sonde-hub/operator-key`;
    for (const size of ["1m", "24m"]) {
      const { out, err } = await host.exec(
        ["unshare", "--mount", "sh", "-c", `cd /root; ${script}`, "sh", size],
        { timeoutMs: 120_000 },
      );
      expect(err).toMatch(/^(BACKUP_FAILED|DATABASE_UNAVAILABLE): .*(ENOSPC|No space left)/);
      expect(out).toContain("ended with 1\nleft: /var/lib: sonde-hub  /var/lib/sonde-hub: \n");
      expect(out).toMatch(/^The hub of .*ended with 0\n700 sonde-hub\n600 sonde-hub\n$/ms);
    }
  },
  300_000,
);

test.runIf(isChecked)("the restored hub serves, and its agent accepts it", async () => {
  expect(await typeNext("sonde hub restore")).toContain("Next: systemctl start sonde-hub");
  await typeNext("systemctl start");
  await untilAnswers(host, HUB);
  await expect.poll(() => askMemory(host, key), { timeout: 60_000, interval: 1000 }).toBe("ok");
  expect(await host.mustExec(["sonde", "hub", "audit", "--last", "100"])).toContain("hub.restored");
  const state = await host.mustExec(["stat", "-c", "%a %U", "/var/lib/sonde-hub"]);
  expect(state).toBe("700 sonde-hub\n");
  await host.mustExec(["rm", "-r", "/var/lib/sonde-hub.before"]);
});

test.runIf(isChecked)(
  "all logs are in the journal, and all serves again after a boot",
  async () => {
    expect(await host.mustExec(["journalctl", "-u", "sonde-hub", "-o", "cat"])).toContain(
      '"ready":true',
    );
    await host.kill();
    await host.start();
    await untilAnswers(host, HUB);
    await expect.poll(() => askMemory(host, key), { timeout: 30_000 }).toBe("ok");
  },
);

test.runIf(isChecked).each(["sonde-hub", "sonde-registry"])(
  "the unit of %s is as closed as it can be",
  async (name) => {
    const unit = `/usr/lib/systemd/system/${name}.service`;
    const words = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit];
    const { out } = await host.exec(words);
    const [, exposure] = /exposure level for \S+: ([0-9.]+)/.exec(out) ?? [];
    process.stdout.write(`${name}: exposure ${exposure}\n`);
    expect(Number(exposure)).toBeLessThanOrEqual(1.5);
  },
);

test.runIf(isChecked)("after a purge nothing of them is left", async () => {
  await typeNext("apt purge");
  expect(onHost).toEqual([]);
  await host.mustExec(["apt-get", "purge", "--yes", "sonde-agent"], { timeoutMs: 120_000 });
  const places = NAMES.flatMap((name) =>
    ["/etc", "/var/lib", "/usr/lib", "/run"].map((place) => `${place}/${name}`),
  );
  expect((await host.exec(["ls", "-d", "/usr/bin/sonde", ...places])).out).toBe("");
  expect(host.readFile("/etc/passwd")).not.toContain("sonde");
  expect(await readState()).toBe("running");
});
