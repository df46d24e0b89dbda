import { hole, source } from "@sonde/pack-sdk/author";
import { SLICES } from "./slices.ts";

/** `--` stands before a name, and no form shows what may hold secrets, such as `Environment`. */
const show = <Word>(properties: readonly string[], which: readonly Word[]) => [
  ...["show", "--no-pager", "--timestamp=utc"],
  ...properties.map((names) => `--property=${names}`),
  ...which,
];
const RUN = "Result,NRestarts,ExecMainCode,ExecMainStatus";
const STATE = "Id,Description,LoadState,ActiveState,SubState,StateChangeTimestamp";
const BOOT = "InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic";

export const failedUnits = source.exec({
  command: "systemctl",
  argv: show([`${STATE},${RUN}`], ["--state=failed", "--", "*"]),
  maxBytes: 524288,
});
export const allUnits = source.exec({
  command: "systemctl",
  argv: ["list-units", "--all", "--no-pager", "--output=json"],
  maxBytes: 2097152,
  timeoutMs: 10000,
});
export const unit = source.exec({
  command: "systemctl",
  argv: show(
    [
      `${STATE},${RUN},LoadError,Type,UnitFileState,FragmentPath,DropInPaths,NeedDaemonReload`,
      "MainPID,User,Restart,ActiveEnterTimestamp,ExecMainStartTimestamp,ExecMainExitTimestamp,ConditionResult",
      "ControlGroup,MemoryCurrent,MemoryMax,TasksCurrent,TasksMax,CPUUsageNSec,Triggers,TriggeredBy,ConditionTimestamp",
    ],
    ["--", hole.unitName("name")],
  ),
  maxBytes: 65536,
});
const services = show([`${STATE},${RUN}`], ["--all", "--", "*.service"]);
export const serviceList = source.exec({
  command: "systemctl",
  argv: services,
  maxBytes: 2097152,
  timeoutMs: 10000,
});
export const serviceLooks = source.exec({
  command: "systemctl",
  argv: services,
  maxBytes: 2097152,
  timeoutMs: 15000,
  samples: { count: 2, intervalMs: 2000 },
});
export const timerList = source.exec({
  command: "systemctl",
  argv: ["list-timers", "--all", "--no-pager", "--output=json"],
  maxBytes: 524288,
});
export const manager = source.exec({
  command: "systemctl",
  argv: show(
    [
      "Version,SystemState,NJobs,Virtualization,FirmwareTimestampMonotonic,LoaderTimestampMonotonic," +
        "InitRDTimestampMonotonic,UserspaceTimestampMonotonic,FinishTimestampMonotonic",
    ],
    [],
  ),
  maxBytes: 16384,
});
export const bootUnits = source.exec({
  command: "systemctl",
  argv: show([`Id,After,${BOOT},InactiveEnterTimestampMonotonic`], ["--all", "--", "*"]),
  maxBytes: 4194304,
  timeoutMs: 15000,
});

const MAX_GROUPS = 5000;
/** A file of each group in a slice. Version 1 has a tree for each controller. */
const groups = (tree: string, child: string) =>
  source.directory({
    path: [`/sys/fs/cgroup${tree}/`, hole.enumOf("slice", SLICES)],
    child,
    maxEntries: MAX_GROUPS,
    maxBytes: 2097152,
  });
const groupLooks = (tree: string, child: string) =>
  source.directory({
    path: [`/sys/fs/cgroup${tree}/`, hole.enumOf("slice", SLICES)],
    child,
    maxEntries: MAX_GROUPS,
    maxBytes: 4194304,
    samples: { count: 2, intervalMs: 1000 },
  });

export const memory = groups("", "memory.current");
export const memoryMax = groups("", "memory.max");
export const memoryEvents = groups("", "memory.events");
export const tasks = groups("", "pids.current");
export const cpu = groupLooks("", "cpu.stat");
export const cpuPressure = groups("", "cpu.pressure");
export const memoryPressure = groups("", "memory.pressure");
export const ioPressure = groups("", "io.pressure");
// Beside version 1, systemd keeps a tree of version 2 without controllers.
export const hybridCpu = groupLooks("/unified", "cpu.stat");
export const hybridCpuPressure = groups("/unified", "cpu.pressure");
export const hybridMemoryPressure = groups("/unified", "memory.pressure");
export const hybridIoPressure = groups("/unified", "io.pressure");
export const v1Memory = groups("/memory", "memory.usage_in_bytes");
export const v1MemoryMax = groups("/memory", "memory.limit_in_bytes");
export const v1Tasks = groups("/pids", "pids.current");
export const v1Cpu = groupLooks("/cpuacct", "cpuacct.usage");
export const v1CpuTogether = groupLooks("/cpu,cpuacct", "cpuacct.usage");
