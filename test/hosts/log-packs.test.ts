import { join } from "node:path";
import { buildPack } from "@sonde/pack-sdk/build";
import { openPackTest } from "@sonde/pack-sdk/testing";
import type { Manifest } from "@sonde/schemas/manifest";
import type { FilledRead, RunnerOutcome } from "@sonde/schemas/reads";
import { RELEASE } from "@sonde/schemas/release";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { planReads } from "../../foundation/sources/src/fill-reads.ts";
import type { Host } from "./host.ts";
import { askInstalledRunner, diagnoseHost, grantPack, readyRunner } from "./installed-runner.ts";
import { type Lab, startLab } from "./lab.ts";
import { obtainPackages } from "./packages.ts";
import { isCheckedHere } from "./requirements.ts";

// What `sonde/logs`, `sonde/journal` and `sonde/nginx` read of a booted host, by the runners of the installed agent:
// as the user `sonde-run`, in the units' own confinement, under grants of root.

const isChecked = isCheckedHere("logs and the journal of a host");
const packs = join(import.meta.dirname, "../../packs");

let lab: Lab | undefined;
let host: Host;
let logs: Manifest;
let journal: Manifest;
let nginx: Manifest;

beforeAll(async () => {
  if (!isChecked) return;
  [logs, journal, nginx] = (await Promise.all(
    ["logs", "journal", "nginx"].map(async (name) => (await buildPack(join(packs, name))).manifest),
  )) as [Manifest, Manifest, Manifest];
  const packages = obtainPackages("sonde-agent");
  lab = await startLab(["bubblewrap", "libstdc++6", "nginx-light", "util-linux", "passwd"]);
  host = await lab.boot("web-1");
  await host.install(join(packages, `sonde-agent_${RELEASE}_amd64.deb`));
  for (const manifest of [logs, journal]) grantPack(host, manifest);
  grantPack(host, nginx, { endpoints: ["127.0.0.1:8080", "192.0.2.1:8080"] });
  for (const groups of [[], ["adm"], ["systemd-journal"]]) await readyRunner(host, groups);
  await host.mustExec(["logger", "-t", "shop", "-p", "user.err", "order 81 failed (a.b*) é"]);
  await host.mustExec(["logger", "-t", "shop", "-p", "user.info", "order 82 is fine"]);
  await host.mustExec(["journalctl", "--sync"]);
}, 600_000);
afterAll(() => lab?.close());

/** Asks one probe whose only read is `read`. */
async function probe(runner: string, manifest: Manifest, name: string, params: object) {
  const reads = planReads(manifest, name, { ...params }).now;
  return Object.values(await askInstalledRunner(host, runner, reads))[0] as RunnerOutcome;
}

type Data = Record<string, unknown>;
function dataOf(outcome: RunnerOutcome): Data {
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.failure));
  return { ...outcome.samples[0]?.data };
}
const messagesOf = (data: Data): string[] =>
  (data["rows"] as { message: string }[]).map(({ message }) => message);
const needs = (group: string) => ({
  ok: false,
  failure: { code: "PERMISSION_NEEDED", message: expect.stringContaining(group) },
});

test.runIf(isChecked)("the journal: the newest rows of a unit, a text and a priority", async () => {
  const ask = async (params: object): Promise<string[]> =>
    messagesOf(dataOf(await probe("systemd-journal", journal, "query", params)));
  expect(await ask({ text: "order", limit: 2 })).toEqual([
    "order 82 is fine",
    "order 81 failed (a.b*) é",
  ]);
  expect(await ask({ text: "FAILED (a.b*) é" })).toEqual(["order 81 failed (a.b*) é"]);
  expect(await ask({ text: "order 8." })).toEqual([]);
  expect(await ask({ text: "o", priority: "err", sinceMinutes: 9, limit: 1, bootsAgo: 0 })).toEqual(
    ["order 81 failed (a.b*) é"],
  );
  const units = dataOf(await probe("systemd-journal", journal, "query", { unit: "dbus" }));
  expect(messagesOf(units).length).toBeGreaterThan(0);
  const rows = units["rows"] as { unit: string; cursor: string }[];
  expect(new Set(rows.map(({ unit }) => unit))).toEqual(new Set(["dbus.service"]));
});

test.runIf(isChecked)("the journal: its rows are read on from a cursor", async () => {
  const page = async (params: object): Promise<string[]> => {
    const data = dataOf(await probe("systemd-journal", journal, "query", params));
    return (data["rows"] as { cursor: string }[]).map(({ cursor }) => cursor);
  };
  const both = await page({ text: "order" });
  expect(both).toHaveLength(2);
  expect(await page({ text: "order", limit: 1 })).toEqual(both.slice(0, 1));
  expect(await page({ text: "order", before: both[0] })).toEqual(both.slice(1));
});

test.runIf(isChecked)(
  "the journal: boots, disk usage, and a boot that it does not have",
  async () => {
    const boots = dataOf(await probe("systemd-journal", journal, "boots", {}));
    expect(boots["boots"]).toMatchObject([{ bootsAgo: 0 }]);
    const usage = dataOf(await probe("systemd-journal", journal, "disk.usage", {}));
    expect(usage["diskBytes"]).toBeGreaterThan(1_000_000);
    expect(await probe("systemd-journal", journal, "query", { bootsAgo: 7 })).toMatchObject({
      failure: { code: "SOURCE_NOT_FOUND" },
    });
    for (const name of ["errors", "kernel", "oom.kills"]) {
      expect(await probe("systemd-journal", journal, name, {})).toMatchObject({ ok: true });
    }
  },
);

async function diagnose(runner: string, name: string) {
  const pack = await openPackTest(join(packs, name));
  onTestFinished(() => pack.close());
  return await diagnoseHost(host, runner, pack);
}

test.runIf(isChecked)("the runbook of the journal finds what was logged as an error", async () => {
  const { findings } = await diagnose("systemd-journal", "journal");
  // Nothing else happened on this host, so nothing is above info.
  expect(findings.filter(({ severity }) => severity !== "info")).toEqual([]);
  const errors = findings.find(({ finding }) => finding.startsWith("Errors are reported"));
  expect(JSON.stringify(errors?.evidence)).toContain("order 81 failed");
});

test.runIf(isChecked)(
  "the runbook of the logs finds nothing on a host that was just booted",
  async () => {
    const { findings } = await diagnose("adm", "logs");
    expect(findings).toEqual([]);
  },
);

test.runIf(isChecked)("without its group the journal is a missing right in each form", async () => {
  for (const name of Object.keys(journal.probes)) {
    const outcome = await probe("no-groups", journal, name, {});
    expect([name, outcome]).toEqual([name, needs("systemd-journal")]);
  }
});

test.runIf(isChecked)(
  "logs: a search as the group of the file may, and as others may not",
  async () => {
    const path = "/var/log/shop.log";
    host.writeFile(path, "start\norder 81 failed\nfine\nORDER 82 failed\n");
    await host.mustExec(["chown", "root:adm", path]);
    await host.mustExec(["chmod", "640", path]);
    const asked = { file: "shop.log", text: "order", ignoreCase: true };
    const found = dataOf(await probe("adm", logs, "search", asked));
    expect(found).toMatchObject({
      parts: [{ text: "order 81 failed\n" }, { text: "ORDER 82 failed\n" }],
      matchCount: 2,
    });
    expect(await probe("no-groups", logs, "search", asked)).toEqual(needs("adm"));
    const tailed = dataOf(await probe("adm", logs, "tail", { file: path, lines: 1 }));
    expect(tailed["parts"]).toEqual([{ text: "ORDER 82 failed\n" }]);
    const listed = dataOf(await probe("no-groups", logs, "files", {}));
    expect(listed["found"]).toContainEqual(
      expect.objectContaining({ path: "shop.log", sizeBytes: 43 }),
    );
  },
);

test.runIf(isChecked)("logs: root's link adds a folder, and nobody else's does", async () => {
  await host.mustExec(["sh", "-c", "mkdir -p /srv/shop /var/log/own && chown nobody /var/log/own"]);
  host.writeFile("/srv/shop/app.log", "inside\n");
  await host.mustExec(["ln", "-s", "/srv/shop", "/var/log/shop"]);
  await host.mustExec(["ln", "-s", "/srv/shop", "/var/log/own/shop"]);
  const inside = dataOf(await probe("no-groups", logs, "tail", { file: "shop/app.log" }));
  expect(inside["parts"]).toEqual([{ text: "inside\n" }]);
  expect(await probe("no-groups", logs, "tail", { file: "own/shop/app.log" })).toMatchObject({
    failure: { code: "READ_FAILED", message: expect.stringContaining("others than root") },
  });
});

/** As packs/nginx/README.md has it. */
const STATUS = `server {
    listen 127.0.0.1:8080;
    access_log off;
    location = /nginx_status { stub_status; }
}
`;

test.runIf(isChecked)(
  "nginx: an untouched one gives nothing above info, its page is asked by the runner of the logs",
  async () => {
    await host.mustExec(["systemctl", "is-active", "nginx"]);
    host.writeFile("/etc/nginx/conf.d/status.conf", STATUS);
    await host.mustExec(["systemctl", "restart", "nginx"]);
    const { findings, unseen } = await diagnose("adm", "nginx");
    expect(findings.filter(({ severity }) => severity !== "info")).toEqual([]);
    expect(unseen).toEqual([]);
    const looks = await askInstalledRunner(host, "adm", planReads(nginx, "status", {}).now);
    expect(looks["looks"]).toMatchObject({
      ok: true,
      samples: [{ data: { status: 200 } }, { data: { body: expect.stringContaining("accepts") } }],
    });
  },
);

// Attack 78.
test.runIf(isChecked)(
  "nginx: a port that nobody named, or of another host, is not asked",
  async () => {
    const ask = async (endpoint: string) => {
      const reads = planReads(nginx, "status", { endpoint }).now;
      return (await askInstalledRunner(host, "adm", reads))["looks"];
    };
    const refused = { ok: false, failure: { code: "READ_NOT_GRANTED" } };
    expect(await ask("127.0.0.1:8081")).toMatchObject(refused);
    expect(await ask("192.0.2.1:8080")).toMatchObject(refused);
  },
);

test.runIf(isChecked)("nginx: its logs need the group adm, its configuration none", async () => {
  const reads = planReads(nginx, "access.summary", {}).now;
  const outcomes = await askInstalledRunner(host, "no-groups", reads);
  expect(outcomes["requests"]).toEqual(needs("adm"));
  expect(outcomes["main"]).toMatchObject({ ok: true });
  expect(outcomes["confD"]).toMatchObject({
    samples: [{ data: { entries: [{ name: "status.conf", text: STATUS }] } }],
  });
});

// Attacks 50 and 51. The agent refuses such values, and so does the runner, whoever asks it.
test.runIf(isChecked)("no careless value reaches the host", async () => {
  const careless: [Manifest, string, string, string, unknown[]][] = [
    [
      ...([logs, "tail", "newest", "file"] as const),
      ["/etc/shadow", "../../etc/shadow", "/var/log/../lib/x", "a\nb", "a\0b", "-f", ".", ""],
    ],
    [
      ...([journal, "query", "rows", "unit"] as const),
      ["--rotate", "-f", "a b", "ssh*", "a\nb", "a\0b"],
    ],
    [...([journal, "query", "rows", "text"] as const), ["a\nb", "a\0b"]],
    [...([journal, "query", "rows", "before"] as const), ["--flush", "s=1"]],
  ];
  for (const [manifest, name, read, hole, values] of careless) {
    const params = name === "tail" ? { file: "dpkg.log" } : {};
    for (const value of values) {
      expect(() => planReads(manifest, name, { ...params, [hole]: value })).toThrow(
        expect.objectContaining({ code: "PARAMS_INVALID" }),
      );
      const [filled] = planReads(manifest, name, params).now as [FilledRead];
      const asked = { ...filled, values: { ...filled.values, [hole]: String(value) } };
      const runner = name === "tail" ? "no-groups" : "systemd-journal";
      expect([value, (await askInstalledRunner(host, runner, [asked]))[read]]).toMatchObject([
        value,
        { ok: false, failure: { code: "PARAMS_INVALID" } },
      ]);
    }
  }
});
