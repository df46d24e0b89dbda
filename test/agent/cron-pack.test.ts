import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scrubReads } from "../../agent/daemon/src/core/scrub-reads.ts";
import { SecretNumbers, startOwn } from "../../foundation/scrub/src/index.ts";
import { type AskedPack, openAskedPack } from "./ask-pack.ts";

// What `cron.jobs` says, read by a real runner, beside what the cron of this machine does with the same
// files: the independent reader.

const CRON = "/usr/sbin/cron";
const isChecked =
  process.getuid?.() === 0 &&
  existsSync(CRON) &&
  existsSync("/var/spool/cron/crontabs") &&
  /^ID=debian$/m.test(readFileSync("/usr/lib/os-release", "utf8"));
if (!isChecked) process.stderr.write("NOT CHECKED: cron.jobs; needs root and Debian's cron\n");

type Job = { file: string; line: number; schedule: string; user: string; programs: string[] };
type Ignored = { file: string; line: number | null; reason: string; programs: string[] };
type Answer = {
  jobs: Job[];
  ignored: Ignored[];
  unreadable: { path: string; code: string; reason: string }[];
  absent: string[];
  incomplete: boolean;
};

/** A second line of a crontab, by the name of the file. The first one is a job at the start of cron. */
const LINES: Record<string, string> = {
  ...{ minute60: "60 * * * * root x", hour24: "0 24 * * * root x", dom0: "0 0 0 * * root x" },
  ...{ dom32: "0 0 32 * * root x", month13: "0 0 1 13 * root x", dow8: "0 0 * * 8 root x" },
  ...{ dow7: "0 0 * * 7 root x", reverse: "50-10 * * * * root x", list: "1,2,3-5 * * * * root x" },
  ...{ reverse90: "90-10 * * * * root x", step0: "*/0 * * * * root x", step: "*/5 * * * * root x" },
  ...{
    step99: "*/99 * * * * root x",
    stepOne: "5/10 * * * * root x",
    stepNone: "*/ * * * * root x",
  },
  ...{
    stepWord: "*/5x * * * * root x",
    stepRange: "0-30/7 * * * * root x",
    dash: "-5 * * * * root x",
  },
  ...{ names: "0 0 * jan,FEB mon-fri root x", longName: "0 0 * january * root x" },
  ...{ nameStep: "0 0 1 jan-mar/2 * root x", nameMinute: "jan * * * * root x" },
  ...{ reverseDays: "0 0 * * fri-mon root x", sunToSat: "0 0 * * sun-sat root x" },
  ...{
    openRange: "5- * * * * root x",
    tripleRange: "1-5-7 * * * * root x",
    comma: "1, * * * * root x",
  },
  ...{
    starNumber: "*5 * * * * root x",
    starList: "*,5 * * * * root x",
    zeros: "00005 * * * * root x",
  },
  ...{
    chance: "0~59 * * * * root x",
    chanceOpen: "5~ * * * * root x",
    chanceNone: "~59 * * * * root x",
  },
  ...{ four: "0 0 * * root x", five: "* * * * *", noCommand: "0 0 * * * root", word: "hello" },
  ...{
    stranger: "0 0 * * * nosuchuser x",
    userId: "0 0 * * * 0 x",
    group: "0 0 * * * root:root x",
  },
  ...{ daily: "@daily root x", dailyTabs: "@daily\troot\tx", dailyCase: "@Daily root x" },
  ...{ weird: "@weird root x", apart: "@ daily root x", annually: "@annually root x" },
  ...{ noUser: "@daily", blanks: "  5 4 * * * root x", onlyBlanks: "   ", comment: "\t# x" },
  ...{ set: "A=b", setBlanks: "A = b c", setEmpty: "A=", setQuoted: '"A B"=c', setName: "=b" },
  ...{ setRest: "'A'='b' c", setNumber: "5=3", setDash: "A-B=c", setEmptyQuoted: 'A=""' },
  ...{
    long998: `0 0 * * * root ${"x".repeat(998)}`,
    long999: `0 0 * * * root ${"x".repeat(999)}`,
  },
  ...{ windows: "\r", hash: "0 0 # * * root x", notAscii: "0 0 * * * root \u00fc" },
};
const NAMES = ["a.dot", "bak~", "under_score-1", "_x", "UPPER", "1num", "a+b", "a@b", ".hidden"];

const folder = isChecked ? mkdtempSync(join(tmpdir(), "sonde-cron-")) : "";
afterAll(() => {
  if (isChecked) rmSync(folder, { recursive: true, force: true });
});

const started = (name: string): string => `@reboot root echo ${name} >>${folder}/ran\n`;

function put(path: string, text: string, mode = 0o644, owner = 0): void {
  writeFileSync(path, text);
  chownSync(path, owner, 0);
  chmodSync(path, mode);
}

/** Makes folders for cron, none with more files than one call reads. */
function makeTables(): Record<"times" | "others" | "names", string> {
  chmodSync(folder, 0o755);
  const tables = {
    times: join(folder, "times"),
    others: join(folder, "others"),
    names: join(folder, "names"),
  };
  for (const path of Object.values(tables)) {
    mkdirSync(path);
    chmodSync(path, 0o755);
  }
  for (const [index, [name, line]] of Object.entries(LINES).entries()) {
    const table = index < 30 ? tables.times : tables.others;
    put(join(table, name), `${started(name)}${line}\n`);
  }
  const at = (name: string): string => join(tables.names, name);
  for (const name of NAMES) put(at(name), started(name));
  put(at("groupMayWrite"), started("groupMayWrite"), 0o664);
  put(at("othersMayWrite"), started("othersMayWrite"), 0o646);
  put(at("executable"), started("executable"), 0o755);
  put(at("otherOwner"), started("otherOwner"), 0o644, 1);
  put(at("noNewline"), started("noNewline").trimEnd());
  put(at("hardA"), started("hardA"));
  linkSync(at("hardA"), at("hardB"));
  mkdirSync(at("folder"));
  put(at("empty"), "");
  return tables;
}

/** What is seen as `/etc/cron.d`, and nothing of the host's own tables. */
const among = (table: string): string =>
  `mount --bind ${table} /etc/cron.d\nmount -t tmpfs -o mode=1730 tmpfs /var/spool/cron/crontabs\n`;

/** Starts cron over these files, and returns the names of the jobs that it ran at its start. */
async function runCron(table: string): Promise<string[]> {
  const ran = join(folder, "ran");
  rmSync(ran, { force: true });
  const script = `set -e\n${among(table)}mount -t tmpfs tmpfs /run\nexec ${CRON} -f`;
  const argv = ["--mount", "--propagation", "private", "sh", "-c", script];
  const cron = spawn("unshare", argv, { stdio: "ignore" });
  const ended = once(cron, "exit");
  const children = (): string =>
    readFileSync(`/proc/${cron.pid}/task/${cron.pid}/children`, "utf8").trim();
  // It has begun all of them when it sleeps until the next minute.
  const isAsleep = (): boolean =>
    readFileSync(`/proc/${cron.pid}/comm`, "utf8").trim() === "cron" &&
    readFileSync(`/proc/${cron.pid}/wchan`, "utf8").includes("nanosleep") &&
    children() === "";
  await expect.poll(() => existsSync(ran) && isAsleep(), { timeout: 30_000 }).toBe(true);
  cron.kill("SIGKILL");
  await ended;
  return readFileSync(ran, "utf8").trim().split("\n").toSorted();
}

describe.runIf(isChecked)("beside the cron of this machine", () => {
  let tables: ReturnType<typeof makeTables>;
  beforeAll(() => {
    tables = makeTables();
  });

  test.each(["times", "others", "names"] as const)(
    "the jobs of %s are those that cron runs",
    async (which) => {
      const table = tables[which];
      const pack = await openAskedPack("system", among(table));
      try {
        const answer = (await pack.ask("cron.jobs", { limit: 500 })) as Answer;
        const inTable = answer.jobs.filter(({ file }) => file.startsWith("/etc/cron.d/"));
        const atStart = inTable.filter(({ schedule }) => schedule === "@reboot");
        const names = atStart.map(({ file }) => file.slice("/etc/cron.d/".length));
        expect(names.toSorted()).toEqual(await runCron(table));
        expect(names.length).toBeGreaterThan(3);
        const passedOver = new Set(answer.ignored.map(({ file }) => file));
        for (const { file } of inTable) {
          // A schedule that no time fits is one line, and not the file.
          const lines = answer.ignored.filter((one) => one.file === file);
          expect(lines.every(({ reason }) => reason === "no-time-fits")).toBe(true);
        }
        const quiet = new Set([".hidden", "bak~", "empty"]);
        for (const name of readdirSync(table)) {
          const isTold = names.includes(name) || passedOver.has(`/etc/cron.d/${name}`);
          expect(isTold, name).toBe(!quiet.has(name));
        }
      } finally {
        await pack.close();
      }
    },
  );
});

describe.runIf(isChecked)("what is not listed", () => {
  let pack: AskedPack;
  beforeAll(async () => {
    const table = join(folder, "many");
    mkdirSync(table);
    chmodSync(table, 0o755);
    for (let index = 10; index < 80; index++) put(join(table, `t${index}`), started("x"));
    put(join(table, "t20"), started("x"), 0o600);
    put(join(folder, "shadow"), "* * * * * root stolen\n");
    rmSync(join(table, "t21"));
    symlinkSync("/etc/shadow", join(table, "t21"));
    pack = await openAskedPack("system", among(table));
  }, 60_000);
  afterAll(() => pack.close());

  test("users' crontabs that may not be read are said, and so is a file, and what there was no room for", async () => {
    const answer = (await pack.ask("cron.jobs")) as Answer;
    expect(answer.unreadable.slice(0, 2)).toEqual([
      {
        path: "/var/spool/cron/crontabs",
        code: "PERMISSION_NEEDED",
        reason: expect.stringContaining("may not be read"),
      },
      { path: "/etc/cron.d/t20", code: "PERMISSION_NEEDED", reason: expect.any(String) },
    ]);
    const left = answer.unreadable.filter(({ reason }) => reason.includes("for want of room"));
    expect(left.map(({ path }) => path)).toContain("/etc/cron.d/t79");
    expect(left).toHaveLength(10);
    expect(answer.incomplete).toBe(true);
    expect(JSON.stringify(answer)).not.toContain("root:");
  });
});

// Attack 54.
test("a password in a crontab reaches neither the guest nor the answer", async () => {
  if (!isChecked) return;
  const secret = "Zx81-hunter-Qp";
  const table = join(folder, "secrets");
  mkdirSync(table);
  chmodSync(table, 0o755);
  const lines = [
    `30 2 * * * root mysqldump -p${secret} --all-databases | gzip >/backup/all.gz`,
    `@daily root PGPASSWORD=${secret} pg_dump shop`,
    `@daily root curl -u ada:${secret} https://backup.example/`,
  ];
  put(join(table, "backup"), `${lines.join("\n")}\n`);
  const pack = await openAskedPack("system", among(table));
  try {
    const reads = await pack.read("cron.jobs");
    expect(JSON.stringify(reads)).toContain(secret);
    const clock = () => performance.now();
    const run = { deadline: clock() + 10_000, now: clock, counts: new Map(), own: startOwn([]) };
    const clean = scrubReads(reads, { ...run, numbers: new SecretNumbers() });
    expect(JSON.stringify(clean)).not.toContain(secret);
    expect(JSON.stringify(clean)).toContain("mysqldump -p[redacted");
    const answer = (await pack.ask("cron.jobs")) as Answer;
    expect(JSON.stringify(answer)).not.toContain(secret);
    const programs = answer.jobs.flatMap(({ file, programs: names }) =>
      file === "/etc/cron.d/backup" ? [names] : [],
    );
    expect(programs).toEqual([["mysqldump", "gzip"], ["pg_dump"], ["curl"]]);
  } finally {
    await pack.close();
  }
}, 60_000);
