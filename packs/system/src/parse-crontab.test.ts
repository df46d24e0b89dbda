import { expect, test } from "vitest";
import { listPrograms, parseCrontab } from "./parse-crontab.ts";

const options = { hasUsers: true, isUser: (name: string) => name === "root", isWhole: true };
const parse = (text: string, change: Partial<typeof options> = {}) =>
  parseCrontab(text, { ...options, ...change });
const errorOf = (text: string) => parse(text).error?.reason ?? null;

test("a crontab as Debian installs it", () => {
  const text = [
    "# comment",
    "SHELL=/bin/sh",
    'MAILTO = "ops"',
    "",
    "17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly",
    "   # comment",
    "@daily root /usr/bin/a b",
    "0 0 * jan,FEB mon-fri/2 root x",
    "",
  ].join("\n");
  expect(parse(text)).toEqual({
    lines: [
      {
        ...{ line: 5, schedule: "17 * * * *", user: "root", isNever: false },
        command: "cd / && run-parts --report /etc/cron.hourly",
      },
      { line: 7, schedule: "@daily", user: "root", isNever: false, command: "/usr/bin/a b" },
      { line: 8, schedule: "0 0 * jan,FEB mon-fri/2", user: "root", isNever: false, command: "x" },
    ],
    error: null,
  });
  expect(parse("* * * * * root\n", { hasUsers: false }).lines).toMatchObject([
    { user: null, command: "root" },
  ]);
});

test("the first line that cron refuses ends the table, with its reason", () => {
  const text = "* * * * * root a\n60 * * * * root b\n* * * * * root c\n";
  expect(parse(text)).toMatchObject({
    lines: [{ command: "a" }],
    error: { line: 2, reason: "bad-schedule" },
  });
  expect(errorOf("* * * * * nobody a\n")).toBe("unknown-user");
  expect(errorOf("* * * * *\n")).toBe("no-user");
  expect(errorOf("* * * * * root\n")).toBe("no-command");
  expect(errorOf(`* * * * * root ${"x".repeat(999)}\n`)).toBe("command-too-long");
  expect(errorOf("* * * * * root a")).toBe("no-newline-at-end");
  expect(parse("* * * * * root a", { isWhole: false }).error).toBeNull();
  expect(errorOf("A=b\r\n\r\n* * * * * root a\r\n")).toBe("windows-line-ends");
});

test.each(["50-10 * * * *", "0 0 30 2 *", "0 0 31 feb,apr,jun *", "0 0 * * fri-mon"])(
  "no time fits %s",
  (schedule) => {
    expect(parse(`${schedule} root a\n`).lines).toMatchObject([{ isNever: true }]);
  },
);

test.each(["0 0 29 2 *", "0 0 30 2 mon", "0 0 30 2,3 *", "10-10 * * * *", "*/99 * * * *"])(
  "some time fits %s",
  (schedule) => {
    expect(parse(`${schedule} root a\n`).lines).toMatchObject([{ isNever: false }]);
  },
);

// Attack 54.
test.each<[string, string[]]>([
  ["cd / && run-parts --report /etc/cron.hourly", ["run-parts"]],
  ["test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }", ["run-parts"]],
  [
    "test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/e2/e2scrub_all_cron",
    ["e2scrub_all_cron"],
  ],
  [
    "[ -x /usr/lib/php/clean ] && if [ ! -d /run/systemd/system ]; then /usr/lib/php/clean; fi",
    ["clean"],
  ],
  ["mysqldump -pSECRET --all | gzip > /backup/SECRET.gz", ["mysqldump", "gzip"]],
  ["PGPASSWORD=SECRET pg_dump x", ["pg_dump"]],
  ["PGPASSWORD='a; SECRET' pg_dump x", ["pg_dump"]],
  ["python3 /opt/app/send.py --key SECRET", ["python3 send.py"]],
  ["curl -u 'a:b;SECRET' \"https://x/?k=1;SECRET\" ; ls", ["curl", "ls"]],
  ["a \\; SECRET", ["a"]],
  ["mail -s x root%SECRET; SECRET", ["mail"]],
  ["echo $(SECRET) ; SECRET", ["echo"]],
  ["echo `SECRET`; SECRET", ["echo"]],
  ['echo "$(SECRET)" ; SECRET', ["echo"]],
  ["curl -u 'unclosed SECRET ; SECRET", ["curl"]],
  ["a 2>&1 >SECRET <SECRET b | c >>SECRET 2>SECRET", ["a", "c"]],
  [">SECRET a", ["a"]],
  ["sh 2>SECRET /opt/x.sh", ["sh x.sh"]],
  ["a; KEYS=(SECRET b); c", ["a"]],
  ["KEYS[0]=SECRET a; KEYS+=SECRET b", ["a", "b"]],
  ["a; case $x in SECRET|d) b;; SECRET) c;; esac", ["a"]],
  ["a # ; SECRET", ["a"]],
  ["(a; b) & c || d", ["a", "b", "c", "d"]],
  ["'SECRET word' x; $SECRET; ~/SECRET/", []],
  ["a;a;b;c;d;e;f;g", ["a", "b", "c", "d", "e"]],
  ["", []],
])("programs of %s", (command, programs) => {
  expect(listPrograms(command)).toEqual(programs);
});
