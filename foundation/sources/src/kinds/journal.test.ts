import { parseManifestShape, type Hole, type JournalSource } from "@sonde/schemas/manifest";
import { expect, test } from "vitest";
import { checkHole } from "../check-hole.ts";
import { checkSource } from "../check-source.ts";
import { deriveRequires } from "../derive-requires.ts";
import { describeRead } from "../describe-read.ts";
import { listNeededGroups } from "../list-needs.ts";
import { renderJournalArgv } from "./journal.ts";
import { verdict } from "../testing/verdict.ts";

const rows = (more: Partial<JournalSource> = {}): JournalSource => ({
  ...{ kind: "journal", show: "rows", newest: 5, timeoutMs: 100, maxBytes: 4096 },
  ...more,
});
const CURSOR =
  "s=217c8322f1cc4fdd95c5077cf0a13e4c;i=33;b=6c3de886c4ce46508cfc6d1995230629;m=10214fbb34;t=6616230198baa;x=830a68bd6dda0a90";
const holes = {
  count: { type: "integer", minimum: 1, maximum: 9 },
  unit: { type: "unit-name", optional: true },
  level: { type: "enum", values: ["err", "debug"], optional: true },
  minutes: { type: "integer", minimum: 1, maximum: 99, optional: true },
  text: { type: "text", maxLength: 50, optional: true },
  any: { type: "boolean" },
  before: { type: "journal-cursor", optional: true },
} satisfies Record<string, Hole>;
const all = rows({
  newest: { hole: "count" },
  unit: { hole: "unit" },
  priority: { hole: "level" },
  sinceMinutesAgo: { hole: "minutes" },
  contains: { hole: "text" },
  ignoreCase: { hole: "any" },
  before: { hole: "before" },
  kernelOnly: true,
  holes,
});
const nothing = {
  count: "5",
  unit: "",
  level: "",
  minutes: "",
  text: "",
  any: "false",
  before: "",
};
const own = (source: JournalSource, values = {}): string[] =>
  renderJournalArgv(source, values).slice(5);

test("each value is joined to its option, and an absent one leaves it out", () => {
  expect(renderJournalArgv(rows(), {})).toEqual([
    ...["--output=json", "--no-pager", "--reverse", "--all"],
    ...["--output-fields=MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT,SYSLOG_IDENTIFIER,_PID", "--lines=5"],
  ]);
  expect(own(all, nothing)).toEqual(["--lines=5", "_TRANSPORT=kernel"]);
  const values = { count: "5", unit: "a@b.service", level: "err", minutes: "30", text: "x Y" };
  expect(own(all, { ...values, any: "true", before: CURSOR })).toEqual([
    ...["--lines=5", "--unit=a@b.service", "--priority=err", "--since=-30m"],
    ...[String.raw`--grep=x\ Y`, "--case-sensitive=false", `--after-cursor=${CURSOR}`],
    "_TRANSPORT=kernel",
  ]);
  expect(own(rows({ bootsAgo: 0, untilMinutesAgo: 3, contains: "a" }))).toEqual([
    ...["--lines=5", "--until=-3m", "--boot=-0", "--grep=a", "--case-sensitive=true"],
  ]);
  expect(renderJournalArgv(rows({ show: "boots" }), {})[0]).toBe("--list-boots");
});

// Attack 50.
test("a text is searched for as it is, never as a pattern", () => {
  const text = String.raw`(*UCP)a.*[b]{2}\E|$^+?-é`;
  expect(own(rows({ contains: text }))[1]).toBe(
    String.raw`--grep=\(\*UCP\)a\.\*\[b\]\{2\}\\E\|\$\^\+\?\-é`,
  );
});

// Attack 50.
test("no value is an option, a pattern of units, two lines or another cursor", () => {
  const hostile: [Hole, unknown[]][] = [
    [
      holes.unit,
      ["--rotate", "-f", "*", "ssh*", "a?", "[a]", "a b", "a\nb", "a\0b", "a/../b", "a;b", "$(id)"],
    ],
    [holes.level, ["--flush", "0..7", "err\n", "emerg"]],
    [holes.minutes, ["1", "1m --flush", 0, 100, 1.5, -1, "-1"]],
    [
      holes.before,
      ["x", `${CURSOR}\n`, ` ${CURSOR}`, CURSOR.slice(0, -1) + ";", `--flush;${CURSOR}`, "s=1"],
    ],
    [holes.text, ["a\nb", "a\0b", "\u202E"]],
  ];
  for (const [hole, values] of hostile) {
    for (const value of values) {
      expect([value, verdict(() => checkHole(hole, value, "it"))]).toEqual([
        value,
        "PARAMS_INVALID",
      ]);
    }
  }
  expect(checkHole(holes.before, CURSOR, "it")).toBe(CURSOR);
  expect(checkHole(holes.unit, undefined, "it")).toBe("");
});

test("a source shows what it says, and each setting has its type", () => {
  const checked = (source: JournalSource): string => verdict(() => checkSource("it", source));
  expect(checked(all)).toBe("accepted");
  expect(checked({ kind: "journal", show: "boots", timeoutMs: 100, maxBytes: 9 })).toBe("accepted");
  const { newest: _, ...without } = rows();
  for (const source of [
    rows({ show: "boots" }),
    rows({ show: "disk-usage" }),
    without,
    rows({ ignoreCase: true }),
    rows({ unit: { hole: "x" }, holes: { x: holes.text } }),
    rows({ before: { hole: "x" }, holes: { x: holes.unit } }),
    rows({ priority: { hole: "x" }, holes: { x: { type: "enum", values: ["err", "3..4"] } } }),
  ]) {
    expect(checked(source)).toBe("MANIFEST_INVALID");
  }
  expect(verdict(() => parseManifestShape({ sources: { it: rows({ priority: "x" }) } }))).toBe(
    "MANIFEST_INVALID",
  );
});

test("a person grants the command with the types of its holes, and the group", () => {
  expect(deriveRequires({ all }).commands).toEqual([
    [
      "journalctl --output=json --no-pager --reverse --all",
      "--output-fields=MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT,SYSLOG_IDENTIFIER,_PID",
      "--lines=<1..9> --unit=<unit-name> --priority=<err|debug> --since=-<1..99>m --grep=<text>",
      "--case-sensitive=not<boolean> --after-cursor=<journal-cursor> _TRANSPORT=kernel",
    ].join(" "),
  ]);
  expect(deriveRequires({ it: rows({ contains: "Killed process" }) }).commands[0]).toContain(
    '"--grep=Killed process"',
  );
  expect(listNeededGroups({ all })).toEqual(["systemd-journal"]);
  expect(
    describeRead({ name: "it", source: all, values: { ...nothing, text: "é<b>m" } }),
  ).toContain('"--grep=\\u00e9\\\\<b\\\\>m" --case-sensitive=true');
});
