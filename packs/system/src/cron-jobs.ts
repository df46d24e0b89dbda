import { type Failure, type Look, probe, read, t } from "@sonde/pack-sdk/author";
import { compareText, parseFields, splitLines, splitWords } from "@sonde/pack-sdk/parse";
import { type CronReason, listPrograms, parseCrontab } from "./parse-crontab.ts";
import * as sources from "./sources.ts";

const DEFAULT_LIMIT = 100;
const MOST_IGNORED = 200;
const PERIODS = ["hourly", "daily", "weekly", "monthly"] as const;

/** Why cron runs nothing of it, the worst first. A reason of one file is that of all its jobs. */
const WHY = {
  "bad-schedule": "the schedule of this line cannot be understood",
  "windows-line-ends": "the lines end as on Windows, with a carriage return",
  "no-user": "this line names no user",
  "unknown-user": "the host has no such user",
  "no-command": "this line has no command",
  "command-too-long": "the command is longer than 998 characters",
  "no-newline-at-end": "the last line has no line end",
  "others-may-write": "its group or others may write it",
  "wrong-mode": "the crontab of a user needs the mode 0600",
  "wrong-owner": "it belongs to the wrong user",
  "several-links": "it has several hard links",
  "no-file": "it is no regular file",
  "no-time-fits": "no time fits the schedule",
  "not-executable": "it may not be executed",
  name: "its name has other characters than letters, digits, - and _",
} satisfies Record<CronReason | Other, string>;
type Other =
  | "others-may-write"
  | "wrong-mode"
  | "wrong-owner"
  | "several-links"
  | "no-file"
  | "no-time-fits"
  | "not-executable"
  | "name";
type Reason = keyof typeof WHY;
const ORDER = Object.keys(WHY);

type Job = {
  schedule: string | null;
  user: string | null;
  programs: string[];
  file: string;
  line: number | null;
};
type Ignored = {
  file: string;
  line: number | null;
  reason: string;
  why: string;
  schedule: string | null;
  programs: string[];
  jobCount: number;
};
type Entry = Look<"tree">["found"][number];
type Text = { ok: true; text: string; truncated: boolean } | { ok: false; failure: Failure };
type Table = { file: string; text: Text | undefined; entry?: Entry; owner?: string };

const programs = t.array(t.string(), {
  description: "base names of the first programs of the command, and of an interpreter's script",
});

export const cronJobs = probe({
  description:
    "What cron runs when: /etc/crontab, /etc/cron.d, the scripts of /etc/cron.hourly to monthly, and users' crontabs " +
    "where they may be read. Ask this when a job did not run: ignored names what cron passes over in silence, and " +
    "why; one bad line makes Debian's cron ignore its whole file. Whether cron itself runs is not looked at.",
  params: t.object({
    limit: t.optional(
      t.integer({ minimum: 1, maximum: 500, description: `jobs; ${DEFAULT_LIMIT} when left out` }),
    ),
  }),
  result: t.object({
    ignoredCount: t.integer(),
    ignored: t.array(
      t.object({
        file: t.string(),
        line: t.nullable(t.integer()),
        reason: t.string(),
        why: t.string(),
        schedule: t.nullable(t.string()),
        programs,
        jobCount: t.integer({
          description:
            "jobs that never run because of it; more may follow a line that was not understood",
        }),
      }),
    ),
    jobCount: t.integer(),
    jobs: t.array(
      t.object({
        schedule: t.nullable(
          t.string({
            description:
              "local time of the host; of a script that of its folder in /etc/crontab, where anacron may run it instead",
          }),
        ),
        user: t.nullable(t.string()),
        programs,
        file: t.string(),
        line: t.nullable(t.integer({ description: "null for a script of a folder" })),
      }),
    ),
    unreadableCount: t.integer(),
    unreadable: t.array(t.object({ path: t.string(), code: t.string(), reason: t.string() }), {
      description: "may hold jobs that are not listed",
    }),
    absent: t.array(t.string(), { description: "places of cron that this host does not have" }),
    incomplete: t.boolean(),
  }),
  reads: {
    system: read(sources.systemCrontab, { optional: true }),
    folder: read(sources.crontabFolder, { optional: true }),
    files: read(sources.crontab, {
      forEach: { read: "folder", at: "found.*.path", hole: "file", atMost: 60 },
      optional: true,
    }),
    userFolder: read(sources.userCrontabFolder, { optional: true }),
    userFiles: read(sources.userCrontab, {
      forEach: { read: "userFolder", at: "found.*.path", hole: "file", atMost: 40 },
      optional: true,
    }),
    hourly: read(sources.cronScripts, { with: { period: "hourly" }, optional: true }),
    daily: read(sources.cronScripts, { with: { period: "daily" }, optional: true }),
    weekly: read(sources.cronScripts, { with: { period: "weekly" }, optional: true }),
    monthly: read(sources.cronScripts, { with: { period: "monthly" }, optional: true }),
    accounts: read(sources.accounts, { optional: true }),
    nameServices: read(sources.nameServices, { optional: true }),
    release: read(sources.osRelease, { optional: true }),
  },
  run({ params, reads }) {
    const host = {
      isDebian: isDebian(reads.release),
      users: readUsers(reads.accounts, reads.nameServices),
    };
    const folder = "/etc/cron.d";
    const userFolder = "/var/spool/cron/crontabs";
    const tables: Table[] = [
      { file: "/etc/crontab", text: reads.system },
      ...joinTexts(folder, reads.folder, reads.files),
      ...joinTexts(userFolder, reads.userFolder, reads.userFiles).map((table) => ({
        ...table,
        owner: baseName(table.file),
      })),
    ];
    const judged = tables.map((table) => judgeTable(table, host));
    const system = judged[0]?.jobs ?? [];
    const scripts = PERIODS.map((period) => {
      const runs = system.find(({ command }) => command.includes(`/etc/cron.${period}`))?.job;
      return judgeScripts(`/etc/cron.${period}`, reads[period], runs?.schedule ?? null, host);
    });
    const folders = [
      { path: folder, look: reads.folder },
      { path: userFolder, look: reads.userFolder },
      ...PERIODS.map((period) => ({ path: `/etc/cron.${period}`, look: reads[period] })),
    ];
    const failed = [
      ...[{ path: "/etc/crontab", look: reads.system }, ...folders].flatMap(({ path, look }) =>
        look.ok ? [] : [{ path, failure: look.failure }],
      ),
      ...judged.flatMap(({ unreadable }) => unreadable),
    ];
    const isAbsent = ({ failure }: { failure: Failure }): boolean =>
      failure.code === "SOURCE_NOT_FOUND";
    const unreadable = failed.filter((one) => !isAbsent(one));
    const jobs: Job[] = [
      ...judged.flatMap(({ jobs: found }) => found.map(({ job }) => job)),
      ...scripts.flatMap((script) => script.jobs),
    ];
    const ignored = [...judged, ...scripts].flatMap((one) => one.ignored);
    return {
      ignoredCount: ignored.length,
      ignored: ignored
        .sort(
          (a, b) =>
            ORDER.indexOf(a.reason) - ORDER.indexOf(b.reason) || compareText(a.file, b.file),
        )
        .slice(0, MOST_IGNORED),
      jobCount: jobs.length,
      jobs: jobs.slice(0, params.limit ?? DEFAULT_LIMIT),
      unreadableCount: unreadable.length,
      unreadable: unreadable.slice(0, MOST_IGNORED).map(({ path, failure }) => ({
        ...{ path, code: failure.code, reason: failure.message },
      })),
      absent: failed.filter(isAbsent).map(({ path }) => path),
      incomplete:
        folders.some(({ look }) => look.ok && look.truncated) ||
        [reads.files, reads.userFiles].some(
          (files) => files.ok && files.leftOutCount + files.unfitCount > 0,
        ) ||
        tables.some(({ text }) => text?.ok === true && text.truncated),
    };
  },
});

type Optional<L> = ({ ok: true } & L) | { ok: false; failure: Failure };
type Host = { isDebian: boolean; users: ReadonlyMap<string, number> | null };

/** True for Debian and what is made from it, whose cron and run-parts the rules here are of. */
function isDebian(release: Optional<Look<"file">>): boolean {
  const fields = parseFields(release.ok ? release.text : "", "=");
  const words = splitWords(`${fields.get("ID") ?? ""} ${fields.get("ID_LIKE") ?? ""}`);
  return words.some((word) => /^"?debian"?$/.test(word));
}

/** User ids by name; null where the host may have users that are in no file. */
function readUsers(
  accounts: Optional<Look<"file">>,
  services: Optional<Look<"file">>,
): ReadonlyMap<string, number> | null {
  if (!accounts.ok || accounts.truncated || !services.ok) return null;
  const named = splitWords(parseFields(services.text, ":").get("passwd") ?? "other");
  if (named.some((service) => !["files", "compat", "systemd"].includes(service))) return null;
  return new Map(
    splitLines(accounts.text).map((line) => {
      const [name = "", , id] = line.split(":");
      return [name, Number(id)];
    }),
  );
}

type Found = { each: ({ value: string } & Text)[]; leftOutCount: number; unfitCount: number };

/** The files of a folder that cron looks at, with what they hold. */
function joinTexts(path: string, folder: Optional<Look<"tree">>, files: Optional<Found>): Table[] {
  if (!folder.ok) return [];
  const texts = new Map(files.ok ? files.each.map((one) => [one.value, one]) : []);
  return folder.found
    .filter((entry) => !isLeftover(entry.path))
    .map((entry) => {
      const file = `${path}/${entry.path}`;
      return { file, entry, text: texts.get(file) };
    });
}

/** What lies there on purpose without being a job. */
function isLeftover(name: string): boolean {
  return /^\.|~$|\.(?:dpkg|ucf|rpm)[a-z-]*$|\.(?:dpkg|ucf)-(?:old|new|dist|tmp|bak)$/.test(name);
}

function judgeTable(
  { file, text, entry, owner }: Table,
  { isDebian: isKnown, users }: Host,
): {
  jobs: { job: Job; command: string }[];
  ignored: Ignored[];
  unreadable: { path: string; failure: Failure }[];
} {
  const parsed =
    text?.ok === true
      ? parseCrontab(text.text, {
          hasUsers: owner === undefined,
          isUser: (name) => users === null || users.has(name),
          isWhole: !text.truncated,
        })
      : { lines: [], error: null };
  const whole = isKnown && entry ? judgeFile(file, entry, owner, users) : null;
  const describe = (reason: Reason, line: number | null, jobCount: number): Ignored => ({
    ...{ file, line, reason, why: WHY[reason] },
    ...{ schedule: null, programs: [], jobCount },
  });
  const { lines, error } = parsed;
  if (whole !== null) {
    return { jobs: [], ignored: [describe(whole, null, lines.length)], unreadable: [] };
  }
  const isNothing = text?.ok !== true && file !== "/etc/crontab";
  const failure = text?.ok === false ? text.failure : NOT_READ;
  const unreadable = isNothing ? [{ path: file, failure }] : [];
  const broken = error === null ? [] : [describe(error.reason, error.line, lines.length)];
  if (isKnown && error !== null) return { jobs: [], ignored: broken, unreadable };
  const never = lines.filter(({ isNever }) => isNever);
  return {
    jobs: lines.flatMap(({ line, schedule, user, command, isNever }) =>
      isNever
        ? []
        : [
            {
              job: {
                ...{ schedule, user: user ?? owner ?? null, programs: listPrograms(command) },
                ...{ file, line },
              },
              command,
            },
          ],
    ),
    ignored: [
      ...broken,
      ...never.map(({ line, schedule, command }) => ({
        ...describe("no-time-fits", line, 1),
        ...{ schedule, programs: listPrograms(command) },
      })),
    ],
    unreadable,
  };
}

const NOT_READ: Failure = {
  code: "READ_FAILED",
  message: "was not read, for its name or for want of room",
};

/** Why cron opens none of a file, by what it is. */
function judgeFile(
  file: string,
  entry: Entry,
  owner: string | undefined,
  users: Host["users"],
): Reason | null {
  if (owner === undefined && !/^[A-Za-z0-9_-]+$/.test(baseName(file))) return "name";
  const { type, mode = 0o600, ownerId = 0, linkCount = 1 } = entry;
  // Of a link, the file that it leads to counts, and that is elsewhere.
  if (type === "link") return null;
  if (type !== "file") return "no-file";
  if (owner === undefined) {
    if ((mode & 0o022) !== 0) return "others-may-write";
    if (ownerId !== 0) return "wrong-owner";
  } else {
    const id = users?.get(owner);
    if (users !== null && id === undefined) return "unknown-user";
    if (mode !== 0o600) return "wrong-mode";
    if (id !== undefined && ownerId !== id && ownerId !== 0) return "wrong-owner";
  }
  return linkCount > 1 ? "several-links" : null;
}

/** The scripts of a folder that run-parts(8) runs. */
function judgeScripts(
  path: string,
  folder: Optional<Look<"tree">>,
  schedule: string | null,
  host: Host,
): { jobs: Job[]; ignored: Ignored[] } {
  const found = (folder.ok ? folder.found : []).filter((entry) => !isLeftover(entry.path));
  const judged = found.map((entry) => ({ entry, reason: judgeScript(entry, host) }));
  return {
    jobs: judged.flatMap(({ entry, reason }) =>
      reason === null && entry.type !== "directory"
        ? [
            {
              ...{ schedule, user: "root", programs: [entry.path] },
              ...{ file: `${path}/${entry.path}`, line: null },
            },
          ]
        : [],
    ),
    ignored: judged.flatMap(({ entry, reason }) =>
      reason === null
        ? []
        : [
            {
              ...{ file: `${path}/${entry.path}`, line: null, reason, why: WHY[reason], schedule },
              ...{ programs: [entry.path], jobCount: 1 },
            },
          ],
    ),
  };
}

function judgeScript(
  { path, type, mode = 0o755 }: Entry,
  { isDebian: isKnown }: Host,
): Reason | null {
  if (type === "directory") return null;
  if (isKnown && !/^[A-Za-z0-9_-]+$/.test(path)) return "name";
  return type === "file" && (mode & 0o111) === 0 ? "not-executable" : null;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
