import type { Hole } from "@sonde/schemas/manifest";

/**
 * One argument of an allowed call: a fixed text; a comma-separated list of `columns`
 * (after `prefix`); or a hole of this type.
 */
export type AllowedArgument =
  | string
  | { readonly columns: readonly string[]; readonly prefix?: string }
  | { readonly hole: Hole["type"] };

const PS_COLUMNS = [
  "pid",
  "ppid",
  "pgid",
  "sid",
  "uid",
  "user",
  "gid",
  "group",
  "stat",
  "s",
].concat(
  ["ni", "pri", "psr", "nlwp", "pcpu", "pmem", "rss", "vsz", "etimes", "times", "start", "lstart"],
  ["tty", "wchan", "comm", "cgroup", "unit"],
);
const DF_COLUMNS = [
  "source",
  "fstype",
  "itotal",
  "iused",
  "iavail",
  "ipcent",
  "size",
  "used",
].concat(["avail", "pcent", "target"]);
const LSBLK_COLUMNS = ["NAME", "KNAME", "PATH", "MAJ:MIN", "FSTYPE", "FSSIZE", "FSUSED"].concat(
  ["FSUSE%", "FSAVAIL", "MOUNTPOINT", "MOUNTPOINTS", "LABEL", "UUID", "SIZE", "TYPE", "RO", "RM"],
  ["ROTA", "MODEL", "STATE", "PKNAME", "SCHED"],
);
const FINDMNT_COLUMNS = ["SOURCE", "TARGET", "FSTYPE", "OPTIONS", "SIZE", "USED", "AVAIL"].concat([
  "USE%",
  "PROPAGATION",
]);

/**
 * Without those that hold secrets or others' arguments: `Environment`, `ExecStart`, `StatusText`.
 */
const SYSTEMD_PROPERTIES = [
  "Id",
  "Description",
  "LoadState",
  "LoadError",
  "ActiveState",
  "SubState",
].concat(
  ["UnitFileState", "FragmentPath", "DropInPaths", "NeedDaemonReload", "ConditionResult", "Type"],
  ["Result", "NRestarts", "Restart", "MainPID", "ExecMainCode", "ExecMainStatus", "User", "After"],
  ["ExecMainStartTimestamp", "ExecMainExitTimestamp", "StateChangeTimestamp"],
  [
    "ConditionTimestamp",
    "ActiveEnterTimestamp",
    "InactiveExitTimestampMonotonic",
    "ActiveEnterTimestampMonotonic",
  ],
  ["InactiveEnterTimestampMonotonic", "ControlGroup", "Triggers", "TriggeredBy", "TasksCurrent"],
  ["TasksMax", "MemoryCurrent", "MemoryMax", "CPUUsageNSec"],
  // Of the manager itself.
  ["Version", "SystemState", "NJobs", "Virtualization", "FirmwareTimestampMonotonic"],
  ["LoaderTimestampMonotonic", "InitRDTimestampMonotonic", "UserspaceTimestampMonotonic"],
  ["FinishTimestampMonotonic"],
);
const PROPERTIES = { columns: SYSTEMD_PROPERTIES, prefix: "--property=" };
const SHOW = ["show", "--no-pager", "--timestamp=utc", PROPERTIES];

/**
 * Commands that only read, with every argv that is allowed. No listed form can write, run
 * another program, open a network connection or read a file that the caller chose. Every
 * other command is `manage`.
 */
export const READ_ONLY_COMMANDS: ReadonlyMap<string, readonly (readonly AllowedArgument[])[]> =
  new Map([
    ["uname", [[], ["-a"], ["-r"], ["-s"], ["-m"], ["-n"], ["-v"], ["-srm"], ["-srvm"]]],
    ["uptime", [[], ["-p"], ["-s"]]],
    ["nproc", [[], ["--all"]]],
    ["arch", [[]]],
    ["id", [[]]],
    ["getconf", [["-a"], ["PAGESIZE"], ["CLK_TCK"], ["_NPROCESSORS_ONLN"], ["LONG_BIT"]]],
    ["free", [[], ["-b"], ["-k"], ["-m"], ["-w"], ["-b", "-w"], ["-bw"], ["-wb"]]],
    [
      "df",
      [
        [],
        ["-P"],
        ["-k"],
        ["-Pk"],
        ["-kP"],
        ["-PT"],
        ["-T"],
        ["-i"],
        ["-Pi"],
        ["-iP"],
        ["-B1"],
        ["-PB1"],
        ["-P", "-k"],
        ["-P", "-B1"],
        ["-B1", "-P"],
        ["-P", "-T", "-B1"],
        ["-P", "-B1", "-T"],
        ["-B1", "-P", "-T"],
        ["-PTB1"],
        [{ columns: DF_COLUMNS, prefix: "--output=" }],
        ["-B1", { columns: DF_COLUMNS, prefix: "--output=" }],
      ],
    ],
    [
      "ps",
      [
        ["-e"],
        ["-ef"],
        ["-eo", { columns: PS_COLUMNS }],
        ["-e", "-o", { columns: PS_COLUMNS }],
        ["-eo", { columns: PS_COLUMNS }, "--no-headers"],
        ["-e", "-o", { columns: PS_COLUMNS }, "--no-headers"],
      ],
    ],
    ["lscpu", [[], ["-J"], ["--json"]]],
    ["lsmod", [[]]],
    ["lsns", [["-J"]]],
    ["lsipc", [["-J"]]],
    [
      "lsblk",
      [
        ["-J"],
        ["-J", "-b"],
        ["-b", "-J"],
        ["-J", "-o", { columns: LSBLK_COLUMNS }],
        ["-J", "-b", "-o", { columns: LSBLK_COLUMNS }],
        ["-b", "-J", "-o", { columns: LSBLK_COLUMNS }],
      ],
    ],
    [
      "findmnt",
      [
        ["-J"],
        ["-J", "-b"],
        ["-J", "--real"],
        ["-J", "-o", { columns: FINDMNT_COLUMNS }],
        ["-J", "-b", "-o", { columns: FINDMNT_COLUMNS }],
      ],
    ],
    [
      "ip",
      [
        ["-j", "addr"],
        ["-j", "addr", "show"],
        ["-j", "address", "show"],
        ["-j", "link"],
        ["-j", "link", "show"],
        ["-j", "-s", "link"],
        ["-j", "-s", "link", "show"],
        ["-j", "route"],
        ["-j", "route", "show"],
        ["-j", "-6", "route", "show"],
        ["-j", "neigh"],
        ["-j", "neigh", "show"],
        ["-j", "rule", "show"],
      ],
    ],
    ["vmstat", [[], ["-s"]]],
    [
      "timedatectl",
      [
        ["show", "--no-pager"],
        ["show-timesync", "--no-pager"],
      ],
    ],
    // Asks the daemon of this host only, and resolves no name.
    ["chronyc", [["-n", "-c", "tracking"]]],
    // A simulation computes what would change, and locks and writes nothing.
    ["apt-get", [["--simulate", "--quiet", "dist-upgrade"]]],
    ["last", [["--time-format=iso", "-x", "-w", "-a", "-n", "1000"]]],
    [
      "systemctl",
      [
        ["is-system-running"],
        ["list-units", "--all", "--no-pager", "--output=json"],
        ["list-timers", "--all", "--no-pager", "--output=json"],
        SHOW,
        [...SHOW, "--", { hole: "unit-name" }],
        // An argument has at most 200 characters.
        [...SHOW, PROPERTIES, PROPERTIES, "--", { hole: "unit-name" }],
        [...SHOW, "--all", "--", "*"],
        [...SHOW, "--all", "--", "*.service"],
        [...SHOW, "--state=failed", "--", "*"],
      ],
    ],
  ]);
