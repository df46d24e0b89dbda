import { writeBytes, writeCount, writePercent } from "@sonde/service/quantities";
import { findMost, numberOf, rowsOf, textOf } from "./answers.ts";
import type { Fields } from "./bridge.ts";
import {
  badge,
  CHART,
  drawBar,
  drawNote,
  drawTable,
  type Level,
  make,
  noteLeftOut,
} from "./draw.ts";
import { show, type Summary } from "./frame.ts";

/** From these shares on a filesystem is nearly full, and full. As the runbook of sonde/system has it. */
const NEARLY = 85;
const FULL = 95;

/** What is read only does not fill: an image is always full. */
function levelOf(filesystem: Fields): Level {
  const percent = numberOf(filesystem, "usedPercent");
  if (percent === null || filesystem["readOnly"] === true) return "none";
  return levelAt(percent);
}

function levelAt(percent: number): Level {
  return percent >= FULL ? "bad" : percent >= NEARLY ? "warn" : "good";
}

/** What a person has to know beside the space. */
function remarksOf(filesystem: Fields): Node[] {
  const inodes = numberOf(filesystem, "inodesUsedPercent");
  const places = numberOf(filesystem, "mountCount") ?? 1;
  return [
    ...(filesystem["readOnly"] === true ? [badge("none", "read only")] : []),
    ...(places > 1 ? [badge("none", `in ${writeCount(places)} places`)] : []),
    ...(inodes !== null && inodes >= NEARLY
      ? [badge(levelAt(inodes), `inodes ${writePercent(inodes)}`)]
      : []),
  ];
}

function drawRow(filesystem: Fields) {
  const percent = numberOf(filesystem, "usedPercent");
  const level = levelOf(filesystem);
  const used = writeBytes(numberOf(filesystem, "usedBytes"));
  const total = writeBytes(numberOf(filesystem, "totalBytes"));
  const free = writeBytes(numberOf(filesystem, "availableBytes"));
  const kind = [textOf(filesystem, "device"), textOf(filesystem, "type")].filter(
    (text) => text !== null,
  );
  return [
    make(
      "div",
      "name",
      make("code", "said", textOf(filesystem, "mountPoint") ?? ""),
      make("small", "said", kind.join(" \u00b7 ")),
      make("small", "narrow", `${free} free of ${total}`),
      ...remarksOf(filesystem),
    ),
    drawBar((percent ?? 0) / 100, level),
    make("b", `value ${level}`, writePercent(percent)),
    `${used} of ${total}`,
    free,
  ];
}

function drawUnreadable(data: Fields): Node[] {
  const { rows, leftOut } = rowsOf(data, "unreadable", "unreadableCount") ?? {
    rows: [],
    leftOut: 0,
  };
  if (rows.length === 0) return [];
  const items = rows.map((row) =>
    make(
      "li",
      "said",
      make("code", "", textOf(row, "mountPoint") ?? ""),
      ` ${textOf(row, "code") ?? ""}: ${textOf(row, "reason") ?? ""}`,
    ),
  );
  const more = noteLeftOut(leftOut, "that could not be asked");
  return [
    make("h2", "", "Could not be asked: not empty"),
    make("ul", "plain", ...items),
    ...(more === null ? [] : [more]),
  ];
}

function draw(data: Fields): Node[] | null {
  const list = rowsOf(data, "filesystems", "filesystemCount");
  if (list === null) return null;
  const columns = [
    { head: "Filesystem", name: "wide" },
    { head: CHART, name: "chart" },
    { head: "Used", name: "number" },
    { head: "Space", name: "number extra" },
    { head: "Free", name: "number extra" },
  ];
  const more = noteLeftOut(list.leftOut, "filesystems");
  return [
    list.rows.length === 0
      ? drawNote("There is no filesystem with storage.")
      : drawTable("Filesystems, fullest first", columns, list.rows.map(drawRow)),
    ...(more === null ? [] : [more]),
    ...drawUnreadable(data),
    ...(data["incomplete"] === true
      ? [drawNote("The mount table was longer than the read allows: there are more.")]
      : []),
  ];
}

/** The fullest of those that fill. */
function summarize(data: Fields): Summary | null {
  const list = rowsOf(data, "filesystems");
  if (list === null) return null;
  const fullest = findMost(
    list.rows.filter((row) => row["readOnly"] !== true),
    "usedPercent",
  );
  if (fullest === null) return { level: "none", text: "no filesystem" };
  const percent = numberOf(fullest, "usedPercent") ?? 0;
  const text = `${textOf(fullest, "mountPoint") ?? ""} ${writePercent(percent)}`;
  return { level: levelOf(fullest), text, share: percent / 100 };
}

show({ title: "Disk", draw, summarize });
