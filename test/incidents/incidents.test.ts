import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../product/start-product.ts";
import type { Host } from "../hosts/host.ts";
import {
  askTool,
  installAll,
  NAMES,
  startInstallable,
  startServing,
} from "../hosts/installed-system.ts";
import type { Lab } from "../hosts/lab.ts";
import { obtainPackages } from "../hosts/packages.ts";
import { isCheckedInFull } from "../hosts/requirements.ts";
import { CLOCK_HOUR_OFF, FAULTS, type Fault } from "./faults.ts";

// Faults that are really set up on a booted host with hub, registry and agent from their packages.
// One call of `health_check` over MCP, with a client's key, must name the cause among its first three
// findings.

const isChecked = isCheckedInFull("incidents on a host");
const PACKS = [
  ...["system", "systemd", "network", "journal", "logs", "certificates"],
  ...["postgres", "mysql", "redis"],
];
const SERVERS = ["mariadb-server", "redis-server"];
const FIRST = [1, 2, 3];
/** Load and stalls are those of the kernel, which the host shares with all that this machine does. */
const OF_THE_MACHINE = new Set(["system_overview", "system_pressure"]);
/**
 * The folder of systemd's own services is root's alone. By default MariaDB counts no statements and
 * Redis notes no spikes.
 */
const HIDDEN = new Set(["logs_files", "mysql_overview", "redis_latency"]);
/** A word has some four characters. */
const MAX_CHARACTERS = 4 * 12_000;
const SHELL_MS = 60_000;

type Finding = { severity: string; finding: string; tool: string; evidence: unknown[] };
type Health = { findings: Finding[]; unseen: { tool?: string; why: string }[]; characters: number };

let lab: Lab | undefined;
let host: Host;
let key: string;
const table: string[] = [];

beforeAll(async () => {
  if (!isChecked) return;
  ({ lab, host } = await startInstallable([obtainPackages(NAMES.toSorted().join(","))], SERVERS));
}, 900_000);
afterAll(async () => {
  process.stdout.write(`${table.join("\n")}\n`);
  await lab?.close();
});

async function checkHealth(): Promise<Health> {
  const answer = await askTool(host, key, "health_check");
  const { result } = JSON.parse(answer) as {
    result: {
      content: [{ text: string }];
      structuredContent: { results: [{ data?: Omit<Health, "characters"> }] };
    };
  };
  const [{ data }] = result.structuredContent.results;
  if (data === undefined) throw new Error(answer);
  return { ...data, characters: result.content[0].text.length };
}

const shell = async (script: string) =>
  await host.mustExec(["sh", "-ec", script], { timeoutMs: SHELL_MS });

async function setUp({ name, setUp: script, shows }: Fault): Promise<void> {
  await shell(script);
  if (shows === undefined) return;
  await until(
    `${name} to show`,
    async () => (await host.exec(["sh", "-c", shows])).code === 0,
    SHELL_MS,
  );
}

/** The place of a fault's finding in one answer, from 1 on, or 0; and how long that answer is. */
async function lookFor({ name, found }: Pick<Fault, "name" | "found">) {
  const { findings, unseen, characters } = await checkHealth();
  const { tool, finding, evidence } = found;
  const place =
    1 +
    findings.findIndex(
      (one) =>
        one.tool === tool &&
        finding.test(one.finding) &&
        evidence.test(JSON.stringify(one.evidence)),
    );
  table.push(`| ${name} | ${place} of ${findings.length} | ${characters} |`);
  return { place, characters, first: JSON.stringify({ findings: findings.slice(0, 6), unseen }) };
}

test.runIf(isChecked)(
  "an untouched host has no finding above info",
  { timeout: 600_000 },
  async () => {
    await installAll(host);
    // As the READMEs of sonde/postgres and sonde/mysql have it.
    await shell(
      `echo 'CREATE ROLE "sonde-run" LOGIN CONNECTION LIMIT 4; GRANT pg_monitor TO "sonde-run";' | su postgres -c 'psql -q'`,
    );
    await shell(
      `mariadb -e "CREATE USER 'sonde-run'@'localhost' IDENTIFIED VIA unix_socket WITH MAX_USER_CONNECTIONS 4; GRANT PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO 'sonde-run'@'localhost'; GRANT SELECT ON performance_schema.* TO 'sonde-run'@'localhost'"`,
    );
    key = await startServing(host, PACKS);
    const { findings, unseen } = await checkHealth();
    const above = findings.filter(({ severity }) => severity !== "info");
    expect(above.filter(({ tool }) => !OF_THE_MACHINE.has(tool))).toEqual([]);
    const hidden = unseen.flatMap(({ tool = "", why }) => (HIDDEN.has(tool) ? [] : [why]));
    expect(hidden).toEqual([]);
  },
);

test.runIf(isChecked).each(FAULTS.map((fault) => [fault.name, fault] as const))(
  "%s",
  async (_name, fault) => {
    await setUp(fault);
    try {
      const { place, characters, first } = await lookFor(fault);
      expect(place, first).toBeOneOf(FIRST);
      expect(characters).toBeLessThan(MAX_CHARACTERS);
    } finally {
      await shell(fault.end);
    }
  },
  180_000,
);

/** The agent alone sees the other time: the hub on the same host started before. */
test.runIf(isChecked)(
  "the clock of a host is an hour off",
  async () => {
    await host.setClock(CLOCK_HOUR_OFF.offsetMs);
    await host.mustExec(["systemctl", "restart", "sonde-agent"]);
    const ahead = /\+3[56]\d\d\.\d s WRONG/;
    await until(
      "the hub to notice",
      async () => ahead.test((await host.exec(["sonde", "agents"])).out),
      SHELL_MS,
    );
    const { place, characters, first } = await lookFor(CLOCK_HOUR_OFF);
    expect(place, first).toBeOneOf(FIRST);
    expect(characters).toBeLessThan(MAX_CHARACTERS);
  },
  180_000,
);
