import { UNKNOWN, writeBytes, writeCount, writePercent } from "@sonde/service/quantities";
import { findMost, numberOf, rowsOf, textOf } from "./answers.ts";
import { type Fields, isFields } from "./bridge.ts";
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

/** proc_pid_stat(5). */
const STATES = new Map<string, [string, Level]>([
  ["R", ["running", "good"]],
  ["S", ["sleeping", "none"]],
  ["D", ["waiting for I/O", "warn"]],
  ["Z", ["zombie", "warn"]],
  ["T", ["stopped", "none"]],
  ["t", ["traced", "none"]],
  ["I", ["idle", "none"]],
  ["X", ["dead", "none"]],
]);

const stateOf = (letter: string): [string, Level] => STATES.get(letter) ?? [letter, "none"];
function drawStates(data: Fields): Node {
  const counts = isFields(data["countByState"]) ? data["countByState"] : {};
  const all = numberOf(data, "processCount");
  const states = Object.keys(counts)
    .slice(0, 20)
    .map((letter) => {
      const [word, level] = stateOf(letter);
      return badge(level, `${writeCount(numberOf(counts, letter) ?? 0)} ${word}`);
    });
  const total = make("span", "", all === null ? UNKNOWN : `${writeCount(all)} processes`);
  return make("p", "chips", total, ...states);
}

function drawRow(most: number) {
  return (process: Fields) => {
    const cpu = numberOf(process, "cpuPercent");
    const memory = numberOf(process, "memoryPercent");
    const [state, level] = stateOf(textOf(process, "state") ?? "");
    const name = textOf(process, "name") ?? "";
    const program = textOf(process, "program");
    const pid = numberOf(process, "pid");
    return [
      make(
        "div",
        "name",
        make("code", "said", program ?? name),
        make("small", "said", `${pid ?? UNKNOWN}${program === null ? "" : ` \u00b7 ${name}`}`),
        ...(level === "warn" ? [make("span", "narrow", badge(level, state))] : []),
      ),
      drawBar((cpu ?? 0) / most, "good"),
      make("b", "value", writePercent(cpu)),
      writeBytes(numberOf(process, "residentBytes")),
      memory === null ? UNKNOWN : writePercent(memory),
      state,
    ];
  };
}

function draw(data: Fields): Node[] | null {
  const list = rowsOf(data, "processes");
  if (list === null) return null;
  const most = Math.max(100, ...list.rows.map((row) => numberOf(row, "cpuPercent") ?? 0));
  const columns = [
    { head: "Process", name: "wide" },
    { head: CHART, name: "chart" },
    { head: "CPU", name: "number" },
    { head: "Memory", name: "number" },
    { head: "of the host", name: "number extra" },
    { head: "State", name: "extra" },
  ];
  const unreadable = numberOf(data, "unreadableCount") ?? 0;
  const notes = [
    noteLeftOut(list.leftOut, "processes"),
    unreadable > 0 ? drawNote(`${writeCount(unreadable)} processes could not be looked at.`) : null,
    data["othersHidden"] === true
      ? drawNote("The kernel hides the processes of other users: there are more.")
      : data["incomplete"] === true
        ? drawNote("There are more processes than the read allows: this is incomplete.")
        : null,
  ].filter((note) => note !== null);
  return [
    drawStates(data),
    list.rows.length === 0
      ? drawNote("There is no process to show.")
      : drawTable("Processes that use the most", columns, list.rows.map(drawRow(most))),
    make("p", "where", "CPU is of one processor: 200 % are two."),
    ...notes,
  ];
}

/** The one that uses the most of a processor. */
function summarize(data: Fields): Summary | null {
  const list = rowsOf(data, "processes");
  if (list === null) return null;
  const first = findMost(list.rows, "cpuPercent");
  if (first === null) return { level: "none", text: "no process" };
  const cpu = numberOf(first, "cpuPercent") ?? 0;
  const name = textOf(first, "program") ?? textOf(first, "name") ?? "";
  const text = `${name} ${writePercent(cpu)}`;
  // No use of a processor is bad by itself.
  return { level: "good", text, share: cpu / 100 };
}

show({ title: "Processes", draw, summarize });
