import { runbook } from "@sonde/pack-sdk/author";

const cluster = ["count", "source", "priority", "newest", "newestAt"];
/** Words of the kernel of which none is harmless. */
const GRAVE = [
  ...["EXT4-fs error", "XFS: Internal error", "XFS: metadata I/O error", "BTRFS critical"],
  ...["Remounting filesystem read-only", "critical medium error", "Hardware Error"],
  ...["soft lockup", "hard LOCKUP", "blocked for more than", "nf_conntrack: table full"],
];

export const journalRunbook = runbook({
  description:
    "What went wrong within the last hour, what the kernel says of disks and hardware, and programs killed for memory.",
  probes: {
    lately: { probe: "errors", params: { sinceMinutes: 60, limit: 100 } },
    kernel: { probe: "kernel", params: { priority: "err", limit: 200 } },
    kills: { probe: "oom.kills", params: { limit: 5 } },
    usage: { probe: "disk.usage" },
  },
  rules: [
    {
      finding: "Something reports that it cannot go on, within the last hour.",
      ...{ severity: "warning", of: "lately", each: "clusters", show: cluster },
      when: [{ value: "priority", oneOf: ["emerg", "alert", "crit"] }],
      next: ["journal_query", "journal_errors"],
    },
    {
      finding: "The same error is reported all the time, within the last hour.",
      ...{ severity: "warning", of: "lately", each: "clusters", show: cluster },
      when: [
        { value: "count", atLeast: 500 },
        { value: "priority", oneOf: ["err"] },
      ],
      next: ["journal_query", "journal_errors"],
    },
    {
      finding: "Errors are reported, within the last hour.",
      ...{ severity: "info", of: "lately", each: "clusters", show: cluster, when: [] },
      next: ["journal_errors", "journal_query"],
    },
    {
      finding: "There were more errors within the last hour than were read.",
      ...{ severity: "unseen", of: "lately", when: [{ value: "incomplete", is: true }] },
      show: ["rowCount", "clusterCount"],
    },
    {
      finding: "Journal files are damaged, or journalctl says something else of them.",
      ...{ severity: "unseen", of: "lately", when: [{ value: "warnings", contains: [" "] }] },
      show: ["warnings"],
    },
    {
      finding:
        "The kernel reported a broken filesystem, a failing disk or memory, or processes that hang.",
      ...{ severity: "warning", of: "kernel", each: "rows" },
      when: [{ value: "message", contains: GRAVE }],
      show: ["at", "priority", "message"],
      next: ["journal_kernel", "system_processes_stuck", "system_disk_io"],
    },
    {
      // Of an absent floppy disk too.
      finding: "The kernel reported errors of reading or writing.",
      ...{ severity: "info", of: "kernel", each: "rows" },
      when: [{ value: "message", contains: ["I/O error"] }],
      show: ["at", "priority", "message"],
      next: ["journal_kernel", "system_disk_io"],
    },
    {
      finding: "The kernel killed programs for want of memory, as far back as the journal goes.",
      ...{ severity: "info", of: "kills", each: "kills", when: [] },
      show: ["at", "name", "pid", "residentBytes", "byCgroup"],
      next: ["journal_oom_kills", "system_memory_usage"],
    },
    {
      finding: "The journal takes much disk.",
      ...{ severity: "info", of: "usage", when: [{ value: "diskBytes", atLeast: 8 * 2 ** 30 }] },
      show: ["diskBytes"],
      next: ["journal_disk_usage", "system_disk_usage"],
    },
  ],
});
