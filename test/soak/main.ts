// `npm run soak -- --seed N --minutes M`: lets things go wrong around every durable step of the
// running product, and checks what is on record afterwards. It does so on a network, with mounts and
// among processes of its own, so nothing else on the machine is touched.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readlinkSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { FAULT_KINDS } from "./faults.ts";
import { runSoak, type SoakReport } from "./run-soak.ts";

const HELP = `npm run soak [-- OPTION...]
  --seed N      an integer; the same seed has the same faults in the same order (default: 1)
  --minutes M   how long faults are begun (default: 1)
  --faults LIST only these kinds of faults, separated by commas (default: all of docs/faults.md)
  --json        one line of JSON on standard output instead of words
  --help        this text

Needs root, and strace, nftables, iproute2, libfaketime and e2fsprogs.
Ends with 0 when nothing was wrong, with 1 when something was, with 2 when it could not run.`;

/** Names the network namespace from which this program entered its own. */
const ENTERED_FROM = "SONDE_SOAK_ENTERED_FROM";
const TOOLS = ["strace", "nft", "ss", "ip", "mkfs.ext4", "fallocate", "unshare"];
const FAKED_CLOCK = "/usr/lib/*/faketime/libfaketimeMT.so.1";
const MOST_MINUTES = 7 * 24 * 60;
/** The first process reaps what others leave behind, as the services expect of it. */
const FIRST_PROCESS = 'ip link set lo up && "$@"; exit $?';

type Words = { seed: number; minutes: number; faults: readonly string[]; json: boolean };

const say = (text: string) => process.stderr.write(`${text}\n`);

/** @returns never */
function refuse(message: string): never {
  say(`${message}\n\n${HELP}`);
  process.exit(2);
}

function readNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= least && value <= most) return value;
  return refuse(`Expected --${name} from ${least} to ${most}, got ${text}.`);
}

function readKinds(text: string): readonly string[] {
  const kinds = text.split(",");
  const unknown = kinds.find((kind) => !FAULT_KINDS.includes(kind));
  if (unknown === undefined) return kinds;
  return refuse(`Expected --faults of ${FAULT_KINDS.join(", ")}, got ${unknown}.`);
}

function readWords(): Words {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: "string", default: "1" },
        minutes: { type: "string", default: "1" },
        faults: { type: "string", default: FAULT_KINDS.join(",") },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      process.stdout.write(`${HELP}\n`);
      process.exit(0);
    }
    const seed = readNumber("seed", values.seed, -(2 ** 31), 2 ** 31 - 1);
    if (!Number.isInteger(seed)) refuse(`Expected --seed to be an integer, got ${values.seed}.`);
    return {
      ...{ seed, minutes: readNumber("minutes", values.minutes, 0.1, MOST_MINUTES) },
      ...{ faults: readKinds(values.faults), json: values.json },
    };
  } catch (thrown) {
    return refuse(thrown instanceof Error ? thrown.message : "The arguments could not be read.");
  }
}

function requireTools(): void {
  if (process.getuid?.() !== 0) {
    refuse("Expected to be root: namespaces, a disk of its own and strace need it.");
  }
  const lacking = TOOLS.filter(
    (tool) => spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0,
  );
  if (spawnSync("sh", ["-c", `ls ${FAKED_CLOCK}`]).status !== 0) lacking.push("libfaketime");
  if (lacking.length > 0) refuse(`Expected ${lacking.join(", ")} on this machine, got none.`);
}

const ownNetwork = () => readlinkSync("/proc/self/ns/net");

/** A variable alone is not believed: what follows would then happen to the machine itself. */
function hasEntered(): boolean {
  const from = process.env[ENTERED_FROM] ?? "";
  return /^net:\[\d+\]$/.test(from) && from !== ownNetwork();
}

/** Runs this program again, in namespaces that end with it. */
async function enterNamespaces(): Promise<number> {
  const own = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const words = [...process.execArgv, ...process.argv.slice(1)];
  const child = spawn(
    "unshare",
    [...own, "--", "sh", "-c", FIRST_PROCESS, "sh", process.execPath, ...words],
    { stdio: "inherit", env: { ...process.env, [ENTERED_FROM]: ownNetwork() } },
  );
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => child.kill("SIGTERM"));
  }
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}

function describe(report: SoakReport, kinds: readonly string[]): string {
  const restrict = kinds.length < FAULT_KINDS.length ? ` --faults ${kinds.join(",")}` : "";
  const list = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  const { seed, minutes, faults, answers, entries, slowestRecoveryMs, hubPeakMb } = report;
  const { checked, violations } = report;
  return [
    `Faults: ${list(faults)}.`,
    `Clients heard: ${list(answers)}.`,
    `On record: ${entries.hub} entries of the hubs, ${entries.agent} of the agent.`,
    `Rules applied: ${list(checked)}.`,
    `The slowest recovery took ${slowestRecoveryMs} ms. A hub had ${hubPeakMb} MB at most.`,
    violations.length === 0 ? "Nothing was wrong." : `WRONG:\n  ${violations.join("\n  ")}`,
    `The same faults again: npm run soak -- --seed ${seed} --minutes ${minutes}${restrict}`,
  ].join("\n");
}

const words = readWords();
if (!hasEntered()) {
  requireTools();
  process.exit(await enterNamespaces());
}
const folder = mkdtempSync("/tmp/sonde-soak-");
const report = await runSoak({ ...words, folder, say });
const isSound = report.violations.length === 0;
process.stdout.write(`${words.json ? JSON.stringify(report) : describe(report, words.faults)}\n`);
for (const at of ["data/agent", "."]) spawnSync("umount", ["--lazy", `${folder}/disk/${at}`]);
if (isSound) rmSync(folder, { recursive: true, force: true });
else say(`What all of them recorded is in ${folder}.`);
process.exit(isSound ? 0 : 1);
