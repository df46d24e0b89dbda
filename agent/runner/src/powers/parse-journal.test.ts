import { expect, test } from "vitest";
import { parseBoots, parseDiskUsage, parseRows } from "./parse-journal.ts";

// Lines of journalctl of systemd 252 on Debian 12.
const cursor =
  "s=217c8322f1cc4fdd95c5077cf0a13e4c;i=2b;b=6c3de886c4ce46508cfc6d1995230629;m=10214e09fb;t=661623017da71;x=8588ac8e4511113";
const bootId = "6c3de886c4ce46508cfc6d1995230629";
const fixed = {
  __CURSOR: cursor,
  _BOOT_ID: bootId,
  __REALTIME_TIMESTAMP: "1795924201822833",
  __MONOTONIC_TIMESTAMP: "69278239227",
};
const line = (fields: object): string => `${JSON.stringify({ ...fixed, ...fields })}\n`;
const parse = (text: string) => parseRows(Buffer.from(text));

test("a row has its time, its unit and what stands in it", () => {
  const systemd = {
    ...{ _PID: "1", _SYSTEMD_UNIT: "init.scope", UNIT: "dbus.service", PRIORITY: "6" },
    ...{ SYSLOG_IDENTIFIER: "systemd", MESSAGE: "Started D-Bus System Message Bus." },
  };
  expect(parse(line(systemd))).toEqual({
    rows: [
      {
        ...{ at: 1795924201822, cursor, bootId, priority: 6, unit: "dbus.service", pid: 1 },
        ...{ identifier: "systemd", message: "Started D-Bus System Message Bus." },
      },
    ],
    unreadableRows: 0,
  });
});

test("a program cannot say that it is another unit", () => {
  const forged = { _PID: "77", _SYSTEMD_UNIT: "evil.service", UNIT: "ssh.service", MESSAGE: "x" };
  expect(parse(line(forged)).rows[0]).toMatchObject({ unit: "evil.service" });
});

test("bytes, several values and none", () => {
  const text =
    line({ MESSAGE: [...Buffer.from("bin\u0001\u00e9")] }) +
    line({ MESSAGE: ["one", [116, 119, 111]] }) +
    line({ PRIORITY: "9", _PID: "x" });
  expect(parse(text).rows.map(({ message }) => message)).toEqual(["bin\u0001é", "one\ntwo", ""]);
  expect(parse(text).rows[2]).toEqual({ at: 1795924201822, cursor, bootId, message: "" });
});

test("a row that was cut is left out, and what is no row is counted", () => {
  const row = line({ MESSAGE: "whole" });
  const no = ['{"MESSAGE":"x","MESSAGE":"y"}', "[]", "null", "no JSON", '{"__CURSOR":"x"}', ""];
  const text = `${row}${no.join("\n")}\n${row}${row.slice(0, -2)}`;
  expect(parse(text)).toMatchObject({
    rows: [{ message: "whole" }, { message: "whole" }],
    unreadableRows: no.length,
  });
});

test("boots of releases before and after the list had a head", () => {
  const now = ` 0 ${bootId} Sun 2026-11-29 03:50:01 UTC Sun 2026-11-29 04:00:00 UTC\n`;
  const head = "IDX BOOT ID                          FIRST ENTRY                 LAST ENTRY\n";
  const older = `-1 ${"a".repeat(32)} Sat 2026-11-28 01:02:03 UTC\u2014Sat 2026-11-28 02:00:00 UTC\n`;
  expect(parseBoots(head + older + now)).toEqual([
    {
      ...{ bootsAgo: 0, bootId },
      ...{ firstAt: Date.UTC(2026, 10, 29, 3, 50, 1), lastAt: Date.UTC(2026, 10, 29, 4) },
    },
    {
      ...{ bootsAgo: 1, bootId: "a".repeat(32) },
      ...{ firstAt: Date.UTC(2026, 10, 28, 1, 2, 3), lastAt: Date.UTC(2026, 10, 28, 2) },
    },
  ]);
  expect(() => parseBoots("")).toThrow("expected a list of boots");
});

test("sizes of each unit; another sentence is no size", () => {
  const say = (size: string) =>
    `Archived and active journals take up ${size} in the file system.\n`;
  expect(["0B", "512B", "8.0M", "1.5G"].map((size) => parseDiskUsage(say(size)))).toEqual([
    ...[0, 512, 8 * 1024 ** 2, 1.5 * 1024 ** 3],
  ]);
  expect(() => parseDiskUsage("No journal files.")).toThrow("expected a size");
});
