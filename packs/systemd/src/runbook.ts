import { type Rule, runbook } from "@sonde/pack-sdk/author";

/** What systemd calls the end of a run that did not go well (systemd.service(5), `Result=`). */
const FAILED = [
  ...["exit-code", "signal", "core-dump", "timeout", "watchdog", "oom-kill", "resources"],
  ...["protocol", "start-limit-hit"],
];
const failed = ["name", "result", "end", "failedAt", "restartCount"];
const restarted = ["name", "restartsMeanwhile", "restartCount", "result", "end", "stateSince"];
const used = ["name", "memoryBytes", "memoryLimitBytes", "memoryStalledPercent", "oomKillCount"];

const units: Rule<"failed" | "restarts" | "timers" | "units">[] = [
  {
    finding: "A service has failed because memory ran out.",
    ...{ severity: "critical", of: "failed", each: "units", show: failed },
    when: [{ value: "result", oneOf: ["oom-kill"] }],
    next: ["journal_oom_kills", "system_memory_usage", "systemd_cgroup_usage"],
  },
  {
    finding: "systemd gave up on a service that failed again after each restart.",
    ...{ severity: "critical", of: "restarts", each: "services", show: restarted },
    when: [
      { value: "activeState", oneOf: ["failed"] },
      { value: "restartCount", atLeast: 1 },
    ],
    next: ["systemd_unit_status", "journal_query"],
  },
  {
    finding: "A service ends and is started again and again.",
    ...{ severity: "critical", of: "restarts", each: "services", show: restarted },
    when: [{ value: "restartsMeanwhile", atLeast: 1 }],
    next: ["systemd_unit_status", "journal_query"],
  },
  {
    finding: "A service has ended and waits for its next start.",
    ...{ severity: "warning", of: "restarts", each: "services", show: restarted },
    when: [{ value: "subState", oneOf: ["auto-restart", "auto-restart-queued"] }],
    next: ["systemd_unit_status", "journal_query"],
  },
  {
    finding: "A unit has failed.",
    ...{ severity: "warning", of: "failed", each: "units", when: [], show: failed },
    next: ["systemd_unit_status", "journal_query"],
  },
  {
    // It runs as it was started, until somebody restarts it.
    finding: "The file of a unit cannot be loaded: systemd cannot start it again.",
    ...{ severity: "warning", of: "units", each: "units" },
    when: [{ value: "loadState", oneOf: ["bad-setting", "error"] }],
    show: ["name", "loadState", "activeState", "subState"],
    next: ["systemd_unit_status", "system_packages_changed"],
  },
  {
    finding: "What a timer starts has failed at its last run.",
    ...{ severity: "warning", of: "timers", each: "timers" },
    when: [{ value: "lastResult", oneOf: FAILED }],
    show: ["name", "starts", "lastAt", "lastResult", "end"],
    next: ["systemd_unit_status", "journal_query"],
  },
  {
    finding: "A timer is late: its next run is due and has not begun.",
    ...{ severity: "info", of: "timers", each: "timers", when: [{ value: "isLate", is: true }] },
    show: ["name", "starts", "nextAt", "lastAt"],
    next: ["systemd_timers"],
  },
  {
    finding: "A service was restarted several times since somebody started it.",
    ...{ severity: "info", of: "restarts", each: "services", show: restarted },
    when: [{ value: "restartCount", atLeast: 3 }],
    next: ["systemd_unit_status", "journal_query"],
  },
];

const resources: Rule<"usage">[] = [
  {
    // Of memory that is all in use a part is page cache, which the kernel gives back.
    finding: "A unit uses all of the memory that it may use, and waits for more.",
    ...{ severity: "warning", of: "usage", each: "units", show: used },
    when: [
      { value: "memoryUsedPercent", atLeast: 95 },
      { value: "memoryStalledPercent", atLeast: 5 },
    ],
    next: ["systemd_cgroup_usage", "system_processes_top"],
  },
  {
    finding: "Processes of a unit were killed because memory ran out, since it started.",
    ...{ severity: "warning", of: "usage", each: "units", show: used },
    when: [{ value: "oomKillCount", atLeast: 1 }],
    next: ["journal_oom_kills", "system_memory_usage"],
  },
];

const unseen: Rule<"failed" | "restarts" | "timers" | "usage" | "units">[] = [
  {
    finding: "There are more failed units than the read allows.",
    ...{ severity: "unseen", of: "failed", when: [{ value: "incomplete", is: true }] },
    show: ["failedCount"],
  },
  {
    finding: "There are more services than the read allows.",
    ...{ severity: "unseen", of: "restarts", when: [{ value: "incomplete", is: true }] },
    show: ["serviceCount"],
  },
  {
    finding: "There are more timers than the read allows.",
    ...{ severity: "unseen", of: "timers", when: [{ value: "incomplete", is: true }] },
    show: ["timerCount"],
  },
  {
    finding: "The list of units was longer than the read allows.",
    ...{ severity: "unseen", of: "units", when: [{ value: "incomplete", is: true }] },
    show: ["unitCount"],
  },
  {
    finding: "There are more units than the read allows, or some could not be read.",
    ...{ severity: "unseen", of: "usage", when: [{ value: "incomplete", is: true }] },
    show: ["unitCount", "unreadableCount"],
  },
];

export const systemdRunbook = runbook({
  description:
    "Units that failed or cannot be loaded, services that restart or were given up, timers whose last run failed, and units without memory.",
  probes: {
    failed: { probe: "units.failed", params: { limit: 500 } },
    restarts: { probe: "unit.restarts", params: { limit: 500 } },
    timers: { probe: "timers", params: { limit: 500 } },
    units: { probe: "units", params: { limit: 500 } },
    usage: { probe: "cgroup.usage", params: { limit: 500 } },
  },
  rules: [...units, ...resources, ...unseen],
});
