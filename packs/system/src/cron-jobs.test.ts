import { fileURLToPath } from "node:url";
import { type Fixture, readFixtures } from "@sonde/pack-sdk/testing";
import { expect, test } from "vitest";
import { cronJobs } from "./cron-jobs.ts";

const fixtures = await readFixtures(fileURLToPath(new URL("..", import.meta.url)));
const { fixture } = fixtures.find(({ name }) => name === "cron-jobs-ignored") as {
  fixture: Fixture;
};

type Reads = Fixture["reads"];
type Ignored = { file: string; line: number | null; reason: string; jobCount: number };
type Answer = {
  jobs: { file: string; user: string | null; schedule: string | null; line: number | null }[];
  ignored: Ignored[];
  unreadable: { path: string; code: string }[];
  absent: string[];
  incomplete: boolean;
};

const at = { at: 0, truncated: false };
const text = (content: string, truncated = false) => ({
  ok: true as const,
  samples: [{ at: 0, truncated, data: { text: content } }],
});
const failed = (code: "SOURCE_NOT_FOUND" | "PERMISSION_NEEDED") => ({
  ok: false as const,
  failure: { code, message: "x" },
});
const entry = (path: string, change: object = {}) => ({
  ...{ path, type: "file" as const, sizeBytes: 1, modifiedAt: 0 },
  ...{ ownerId: 0, mode: 0o644, linkCount: 1, ...change },
});
const tree = (...found: ReturnType<typeof entry>[]) => ({
  ok: true as const,
  samples: [{ ...at, data: { found } }],
});
const files = (texts: Record<string, string>) => ({
  ...{ ok: true as const, leftOutCount: 0, unfitCount: 0 },
  each: Object.entries(texts).map(([value, content]) => ({ value, outcome: text(content) })),
});

const ask = (reads: Reads): Answer =>
  cronJobs.call({ params: {}, now: 0, reads: { ...fixture.reads, ...reads } }) as Answer;
const reasonsOf = ({ ignored }: Answer) => ignored.map(({ file, reason }) => [file, reason]);

const nothing = {
  ...{ folder: tree(), files: files({}), userFolder: tree(), userFiles: files({}) },
  ...{ hourly: tree(), daily: tree(), weekly: tree(), monthly: tree() },
};

test("the crontabs of users have no user in their lines, and their own rules", () => {
  const folder = "/var/spool/cron/crontabs";
  const line = "0 4 * * * backup\n";
  const names = ["root", "daemon", "ghost", "bin", "sys"];
  const answer = ask({
    ...nothing,
    accounts: text("root:x:0:0\ndaemon:x:1:1\nbin:x:2:2\nsys:x:3:3\n"),
    userFolder: tree(
      entry("root", { mode: 0o600 }),
      entry("daemon", { mode: 0o640, ownerId: 1 }),
      entry("ghost", { mode: 0o600 }),
      entry("bin", { mode: 0o600, ownerId: 3 }),
      entry("sys", { mode: 0o600, ownerId: 3 }),
    ),
    userFiles: files(Object.fromEntries(names.map((name) => [`${folder}/${name}`, line]))),
  });
  expect(answer.jobs.filter(({ file }) => file.startsWith(folder))).toMatchObject([
    { user: "root", schedule: "0 4 * * *", file: `${folder}/root`, line: 1 },
    { user: "sys", file: `${folder}/sys` },
  ]);
  expect(reasonsOf(answer)).toEqual([
    [`${folder}/ghost`, "unknown-user"],
    [`${folder}/daemon`, "wrong-mode"],
    [`${folder}/bin`, "wrong-owner"],
  ]);
});

test("a place that the host does not have is absent, one that is closed is unreadable", () => {
  const lost = failed("SOURCE_NOT_FOUND");
  const answer = ask({
    ...{ ...nothing, system: lost, folder: lost, files: lost, monthly: lost },
    ...{ daily: failed("PERMISSION_NEEDED"), userFolder: lost, userFiles: lost },
  });
  expect(answer).toMatchObject({ jobs: [], ignored: [], incomplete: false });
  expect(answer.absent).toEqual([
    ...["/etc/crontab", "/etc/cron.d", "/var/spool/cron/crontabs", "/etc/cron.monthly"],
  ]);
  expect(answer.unreadable).toMatchObject([{ path: "/etc/cron.daily", code: "PERMISSION_NEEDED" }]);
});

test("a crontab of the system that cron ignores lists nothing, and no script has a time", () => {
  const answer = ask({
    ...{ ...nothing, daily: tree(entry("a", { mode: 0o755 })) },
    system: text("25 6 * * * root run-parts /etc/cron.daily\n61 * * * * root b\n"),
  });
  expect(answer.ignored).toMatchObject([
    { file: "/etc/crontab", line: 2, reason: "bad-schedule", jobCount: 1 },
  ]);
  expect(answer.jobs).toMatchObject([{ file: "/etc/cron.daily/a", schedule: null }]);
});

test("of another distribution only what every cron refuses is told", () => {
  const answer = ask({
    ...nothing,
    release: text('ID="rocky"\nID_LIKE="rhel centos fedora"\n'),
    system: text(""),
    folder: tree(entry("a.cron", { mode: 0o664 }), entry("b")),
    files: files({
      "/etc/cron.d/a.cron": "* * * * * root a\n",
      "/etc/cron.d/b": "* * * * * root b\n61 * * * * root c\n",
    }),
    daily: tree(entry("x.sh", { mode: 0o755 }), entry("y", { mode: 0o644 })),
  });
  expect(answer.jobs.map(({ file }) => file)).toEqual([
    ...["/etc/cron.d/a.cron", "/etc/cron.d/b", "/etc/cron.daily/x.sh"],
  ]);
  expect(reasonsOf(answer)).toEqual([
    ["/etc/cron.d/b", "bad-schedule"],
    ["/etc/cron.daily/y", "not-executable"],
  ]);
});

test("where a directory service may know a user, none is called unknown", () => {
  const table = { folder: tree(entry("a")), files: files({ "/etc/cron.d/a": "@daily ada a\n" }) };
  const withService = (services: string) =>
    reasonsOf(ask({ ...nothing, ...table, nameServices: text(services) }));
  expect(withService("passwd: files systemd\n")).toEqual([["/etc/cron.d/a", "unknown-user"]]);
  expect(withService("passwd: files sss\n")).toEqual([]);
  expect(withService("# nothing\n")).toEqual([]);
});

test("what a cap cut is said, and the end of a cut file is no error", () => {
  const system = text("* * * * * root a\n* * * * * ro", true);
  expect(ask({ ...nothing, system })).toMatchObject({ ignored: [], incomplete: true });
  const more = { ...files({}), leftOutCount: 1 };
  expect(ask({ ...nothing, files: more })).toMatchObject({ incomplete: true });
  expect(ask(nothing)).toMatchObject({ incomplete: false });
});
