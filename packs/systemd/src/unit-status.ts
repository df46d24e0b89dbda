import { param, probe, read, t } from "@sonde/pack-sdk/author";
import { endOf, listOf, numberOf, parseUnits, textOf, timeOf } from "./parse-units.ts";
import * as sources from "./sources.ts";

const NANOSECONDS = 1_000_000_000;
const text = t.nullable(t.string());
const count = t.nullable(t.integer());

export const unitStatus = probe({
  description:
    "All about one unit of systemd: its state and since when, why it failed, restarts, main process, memory, tasks, " +
    "its files, and whether these changed since it was loaded. loadState is not-found for a unit that does not exist.",
  params: t.object({
    name: t.string({ maxLength: 255, description: "as ssh.service; .service may be left out" }),
  }),
  result: t.object({
    name: t.string(),
    description: t.nullable(t.string({ description: "text that others wrote" })),
    loadState: t.string({ description: "loaded, not-found, bad-setting, error, masked" }),
    loadError: text,
    activeState: text,
    subState: text,
    stateSince: t.nullable(t.string({ description: "ISO 8601, UTC" })),
    activeSince: text,
    enabled: t.nullable(t.string({ description: "as enabled, disabled, static" })),
    result: t.nullable(t.string({ description: "of its last run; success also before one" })),
    conditionMet: t.nullable(t.boolean({ description: "false: systemd skipped the start" })),
    end: t.nullable(t.string({ description: "of the last main process: exit code or signal" })),
    startedAt: text,
    endedAt: text,
    mainPid: count,
    user: text,
    restartPolicy: text,
    restartCount: count,
    memoryBytes: count,
    memoryLimitBytes: count,
    taskCount: count,
    taskLimit: count,
    cpuSeconds: t.nullable(t.number()),
    controlGroup: text,
    files: t.array(t.string(), { description: "that define it, drop-ins included" }),
    filesChanged: t.nullable(t.boolean({ description: "true: wants a daemon-reload" })),
    triggers: t.array(t.string(), { description: "what a timer, socket or path starts" }),
    triggeredBy: t.array(t.string()),
  }),
  reads: { unit: read(sources.unit, { with: { name: param("name") } }) },
  run({ reads }) {
    const [unit] = parseUnits(reads.unit).units;
    if (unit === undefined) throw new Error("expected one unit of systemd, got other text");
    const loadState = textOf(unit, "LoadState");
    if (loadState === null) throw new Error("expected the name of a unit, got that of a job");
    const cpu = numberOf(unit, "CPUUsageNSec");
    return {
      name: unit.get("Id") ?? "",
      description: textOf(unit, "Description"),
      loadState,
      loadError: textOf(unit, "LoadError"),
      activeState: textOf(unit, "ActiveState"),
      subState: textOf(unit, "SubState"),
      stateSince: timeOf(unit, "StateChangeTimestamp"),
      activeSince: timeOf(unit, "ActiveEnterTimestamp"),
      enabled: textOf(unit, "UnitFileState"),
      result: textOf(unit, "Result"),
      // Before its first start, no condition was looked at.
      conditionMet:
        timeOf(unit, "ConditionTimestamp") === null ? null : flagOf(unit.get("ConditionResult")),
      end: endOf(unit),
      startedAt: timeOf(unit, "ExecMainStartTimestamp"),
      endedAt: timeOf(unit, "ExecMainExitTimestamp"),
      mainPid: numberOf(unit, "MainPID") || null,
      user: textOf(unit, "User"),
      restartPolicy: textOf(unit, "Restart"),
      restartCount: numberOf(unit, "NRestarts"),
      memoryBytes: numberOf(unit, "MemoryCurrent"),
      memoryLimitBytes: numberOf(unit, "MemoryMax"),
      taskCount: numberOf(unit, "TasksCurrent"),
      taskLimit: numberOf(unit, "TasksMax"),
      cpuSeconds: cpu === null ? null : Math.round((cpu / NANOSECONDS) * 1000) / 1000,
      controlGroup: textOf(unit, "ControlGroup"),
      files: [textOf(unit, "FragmentPath") ?? [], listOf(unit, "DropInPaths")].flat(),
      filesChanged: flagOf(unit.get("NeedDaemonReload")),
      triggers: listOf(unit, "Triggers"),
      triggeredBy: listOf(unit, "TriggeredBy"),
    };
  },
});

function flagOf(word: string | undefined): boolean | null {
  return word === "yes" ? true : word === "no" ? false : null;
}
