import { type Rule, runbook } from "@sonde/pack-sdk/author";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Why cron passes over what was meant to run. */
const NEVER_MEANT = [
  ...["bad-schedule", "windows-line-ends", "no-user", "unknown-user", "no-command"],
  ...["command-too-long", "no-newline-at-end", "others-may-write", "wrong-mode", "wrong-owner"],
  ...["several-links", "no-time-fits"],
];
/** What a host writes to. squashfs, iso9660 and the like are full and read-only by design. */
const WRITABLE = "ext2 ext3 ext4 xfs btrfs f2fs jfs reiserfs zfs bcachefs".split(" ");
/** Besides these the space of a memory or network filesystem, which ends too. */
const ENDS = [...WRITABLE, ..."tmpfs nfs nfs4 cifs vfat ceph glusterfs".split(" ")];
/** Where programs write on every usual host. Others may be read-only on purpose. */
const WRITTEN_TO = "/ /var /tmp /home /var/log /var/lib".split(" ");

const space = ["mountPoint", "type", "usedPercent", "availableBytes", "device"] as const;

function filesystems(
  finding: string,
  severity: Rule["severity"],
  when: Rule["when"],
  shown: readonly string[] = space,
): Rule<"disks"> {
  return {
    ...{ finding, severity, of: "disks", each: "filesystems" },
    ...{ when, show: ["mountPoint", ...shown.filter((path) => path !== "mountPoint")] },
    next: ["system_disk_usage", "logs_files"],
  };
}

const full = { value: "usedPercent", atLeast: 95 };
const nearlyFull = { value: "usedPercent", atLeast: 85, below: 95 };
/** What is read-only was made as full as it is. */
const fills = [
  { value: "type", oneOf: ENDS },
  { value: "readOnly", is: false },
] as const;
const inodes = ["inodesUsedPercent", "type", "device"] as const;

const disks: Rule<"disks">[] = [
  // Of a large disk five percent are enough for long.
  filesystems("A filesystem is full, or nearly so.", "critical", [
    ...[full, ...fills, { value: "availableBytes", below: 2 * GIB }],
  ]),
  filesystems("Little space is left on a filesystem.", "warning", [
    ...[full, ...fills, { value: "availableBytes", atLeast: 2 * GIB, below: 50 * GIB }],
  ]),
  filesystems("Space on a filesystem gets short.", "warning", [
    ...[nearlyFull, ...fills, { value: "availableBytes", below: 5 * GIB }],
    { value: "totalBytes", atLeast: GIB },
  ]),
  filesystems(
    "A filesystem has no inodes left, or nearly none: no file can be made, though there is space.",
    "critical",
    [{ value: "inodesUsedPercent", atLeast: 98 }, ...fills],
    inodes,
  ),
  filesystems(
    "Inodes of a filesystem get short.",
    "warning",
    [{ value: "inodesUsedPercent", atLeast: 85, below: 98 }, ...fills],
    inodes,
  ),
  filesystems(
    "A filesystem where programs write is read-only, perhaps since an error.",
    "warning",
    [
      ...[
        { value: "readOnly", is: true },
        { value: "type", oneOf: WRITABLE },
      ],
      { value: "mountPoint", oneOf: WRITTEN_TO },
    ],
    ["type", "device", "readOnly"],
  ),
  {
    finding: "Some filesystems could not be asked how full they are.",
    ...{ severity: "unseen", of: "disks", each: "unreadable", when: [] },
    show: ["mountPoint", "type", "code", "reason"],
  },
  {
    finding: "The mount table was longer than the read allows.",
    ...{ severity: "unseen", of: "disks", when: [{ value: "incomplete", is: true }] },
    show: ["filesystemCount", "leftOutCount"],
  },
];

const swapRate = "swapInBytesPerSecond";

const memory: Rule<"memory" | "pressure" | "activity">[] = [
  {
    finding: "Memory is used up: programs may be killed at any moment.",
    ...{ severity: "critical", of: "memory" },
    when: [{ value: "availableBytes", per: "totalBytes", below: 0.03 }],
    show: ["totalBytes", "availableBytes", "usedPercent", "swapUsedPercent"],
    next: ["system_processes_top", "system_memory_activity"],
  },
  {
    finding: "Little memory is available.",
    ...{ severity: "warning", of: "memory" },
    when: [{ value: "availableBytes", per: "totalBytes", atLeast: 0.03, below: 0.08 }],
    show: ["totalBytes", "availableBytes", "usedPercent", "swapUsedPercent"],
    next: ["system_processes_top", "system_memory_activity"],
  },
  {
    finding: "All programs wait for memory for a large part of the time.",
    ...{ severity: "critical", of: "pressure" },
    when: [{ value: "memory.full.avg60Percent", atLeast: 20 }],
    show: ["memory.full.avg10Percent", "memory.full.avg60Percent", "memory.full.avg300Percent"],
    next: ["system_processes_top", "system_memory_usage"],
  },
  {
    finding: "Programs wait for memory.",
    ...{ severity: "warning", of: "pressure" },
    when: [
      { value: "memory.some.avg60Percent", atLeast: 10 },
      { value: "memory.full.avg60Percent", below: 20 },
    ],
    show: ["memory.some.avg10Percent", "memory.some.avg60Percent", "memory.full.avg60Percent"],
    next: ["system_processes_top", "system_memory_usage"],
  },
  {
    finding: "Programs are read back from swap all the time.",
    ...{ severity: "warning", of: "activity", when: [{ value: swapRate, atLeast: 10 * MIB }] },
    show: [swapRate, "swapOutBytesPerSecond", "majorFaultsPerSecond"],
    next: ["system_processes_top", "system_memory_usage"],
  },
  {
    finding: "The kernel is killing programs for want of memory.",
    ...{ severity: "critical", of: "activity", when: [{ value: "oomKillsMeanwhile", atLeast: 1 }] },
    show: ["oomKillsMeanwhile", "oomKillsSinceBoot"],
    next: ["journal_oom_kills", "system_processes_top"],
  },
  {
    // Of the host or of one control group, today or a year ago: the kernel only counts.
    finding: "The kernel has killed programs for want of memory since the host booted.",
    ...{ severity: "info", of: "activity", when: [{ value: "oomKillsSinceBoot", atLeast: 1 }] },
    show: ["oomKillsSinceBoot"],
    next: ["journal_oom_kills"],
  },
];

const inBothLooks = { value: "inBothLooks", is: true };
const hanging = ["pid", "name", "program", "waitsIn"];

const load = ["loadAverage1m", "loadAverage5m", "loadAverage15m", "cpuCount"] as const;

const work: Rule<"overview" | "cpu" | "pressure" | "stuck" | "limits" | "reboot">[] = [
  {
    finding: "The load is many times what the CPUs can do, and has been for a while.",
    ...{ severity: "warning", of: "overview", show: load },
    when: [
      { value: "loadAverage5m", per: "cpuCount", atLeast: 4 },
      { value: "loadAverage15m", per: "cpuCount", atLeast: 2 },
    ],
    next: ["system_cpu_usage", "system_processes_top", "system_processes_stuck"],
  },
  {
    finding: "More programs want to run than there are CPUs.",
    ...{ severity: "info", of: "overview", show: load },
    when: [{ value: "loadAverage5m", per: "cpuCount", atLeast: 1.5 }],
    next: ["system_cpu_usage", "system_processes_top"],
  },
  {
    // One look of a second.
    finding: "The hypervisor gives a large part of the CPU to others.",
    ...{ severity: "info", of: "cpu", when: [{ value: "total.stealPercent", atLeast: 25 }] },
    show: ["total.stealPercent", "total.busyPercent", "cpuCount"],
  },
  {
    finding: "All programs wait for disks for a large part of the time.",
    ...{ severity: "warning", of: "pressure" },
    when: [{ value: "io.full.avg300Percent", atLeast: 40 }],
    show: ["io.full.avg10Percent", "io.full.avg60Percent", "io.full.avg300Percent"],
    next: ["system_disk_io", "system_processes_stuck"],
  },
  {
    finding: "Processes hang in the kernel on a remote or user filesystem that does not answer.",
    ...{ severity: "warning", of: "stuck", each: "stuck", show: hanging },
    when: [inBothLooks, { value: "waitsIn", contains: ["nfs", "rpc_wait", "cifs", "fuse"] }],
    next: ["system_processes_stuck", "system_mounts", "journal_kernel"],
  },
  {
    finding: "Many processes wait in the kernel, where no signal ends them.",
    ...{ severity: "warning", of: "stuck", when: [{ value: "stuckCount", atLeast: 10 }] },
    show: ["stuckCount"],
    next: ["system_processes_stuck", "system_disk_io", "journal_kernel"],
  },
  {
    // A disk at work has one at times, and some drivers always have.
    finding: "Processes waited in the kernel in two looks, where no signal ends them.",
    ...{ severity: "info", of: "stuck", each: "stuck", show: hanging, when: [inBothLooks] },
    next: ["system_processes_stuck", "system_disk_io"],
  },
  {
    finding: "Very many ended processes are not collected by their parents (zombies).",
    ...{ severity: "warning", of: "stuck", when: [{ value: "zombieCount", atLeast: 1000 }] },
    show: ["zombieCount"],
    next: ["system_processes_top", "system_limits"],
  },
  {
    finding: "Ended processes are not collected by their parents (zombies).",
    ...{ severity: "info", of: "stuck", show: ["zombieCount"] },
    when: [{ value: "zombieCount", atLeast: 20, below: 1000 }],
    next: ["system_processes_top"],
  },
  {
    finding: "The kernel hides other users' processes, so not all were looked at.",
    ...{ severity: "unseen", of: "stuck", when: [{ value: "othersHidden", is: true }] },
    show: ["stuckCount"],
  },
  {
    finding: "A limit of the whole host is reached, or nearly so.",
    ...{ severity: "critical", of: "limits", each: "limits" },
    when: [{ value: "usedPercent", atLeast: 95 }],
    show: ["name", "used", "limit", "usedPercent"],
    next: ["system_limits", "system_processes_top"],
  },
  {
    finding: "A limit of the whole host is near.",
    ...{ severity: "warning", of: "limits", each: "limits" },
    when: [{ value: "usedPercent", atLeast: 80, below: 95 }],
    show: ["name", "used", "limit", "usedPercent"],
    next: ["system_limits", "system_processes_top"],
  },
  {
    finding: "The host waits for a reboot.",
    ...{ severity: "info", of: "reboot", when: [{ value: "needed", is: true }] },
    show: ["reasons", "packages", "runningKernel", "newestInstalledKernel"],
  },
];

const cron: Rule<"cron">[] = [
  {
    finding: "Cron ignores jobs that somebody wrote: they never run, and nothing says so.",
    ...{ severity: "warning", of: "cron", each: "ignored" },
    when: [{ value: "reason", oneOf: NEVER_MEANT }],
    show: ["file", "line", "why", "schedule", "jobCount"],
    next: ["system_cron_jobs"],
  },
  {
    // Some are parked that way.
    finding: "Files in the folders of cron have a name or a mode with which they never run.",
    ...{ severity: "info", of: "cron", each: "ignored" },
    when: [{ value: "reason", oneOf: ["name", "not-executable"] }],
    show: ["file", "why"],
    next: ["system_cron_jobs"],
  },
  {
    // The crontabs of users are readable for nobody but root, everywhere.
    finding: "Some files of cron may not be read, so their jobs are not known.",
    ...{ severity: "unseen", of: "cron", each: "unreadable" },
    when: [{ value: "path", contains: ["/etc/cron"] }],
    show: ["path", "code"],
  },
];

export const systemRunbook = runbook({
  description:
    "Space, inodes, memory, load, processes that hang, limits, read-only filesystems, jobs that cron ignores, and whether a reboot waits.",
  probes: {
    overview: { probe: "overview" },
    pressure: { probe: "pressure" },
    cpu: { probe: "cpu.usage", params: { limit: 1 } },
    memory: { probe: "memory.usage" },
    activity: { probe: "memory.activity" },
    disks: { probe: "disk.usage", params: { limit: 1000 } },
    stuck: { probe: "processes.stuck", params: { limit: 500 } },
    limits: { probe: "limits" },
    reboot: { probe: "reboot.needed" },
    cron: { probe: "cron.jobs" },
  },
  rules: [...disks, ...memory, ...work, ...cron],
});
