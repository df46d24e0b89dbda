import { source } from "@sonde/pack-sdk/author";

export const uptime = source.file({ path: "/proc/uptime", maxBytes: 256 });
export const loadavg = source.file({ path: "/proc/loadavg", maxBytes: 256 });
export const meminfo = source.file({ path: "/proc/meminfo", maxBytes: 16384 });
export const vmstat = source.file({ path: "/proc/vmstat", maxBytes: 32768 });
export const cpu = source.file({ path: "/proc/stat", maxBytes: 262144 });
export const hostName = source.file({ path: "/proc/sys/kernel/hostname", maxBytes: 256 });
export const kernelRelease = source.file({ path: "/proc/sys/kernel/osrelease", maxBytes: 256 });
// The target of the link `/etc/os-release`, because reads do not follow links.
export const osRelease = source.file({ path: "/usr/lib/os-release", maxBytes: 16384 });
export const cpuPressure = source.file({ path: "/proc/pressure/cpu", maxBytes: 1024 });
export const memoryPressure = source.file({ path: "/proc/pressure/memory", maxBytes: 1024 });
export const ioPressure = source.file({ path: "/proc/pressure/io", maxBytes: 1024 });
export const mounts = source.filesystem();
export const processes = source.directory({
  path: "/proc",
  names: "numeric",
  child: "stat",
  maxEntries: 8000,
  maxBytes: 4194304,
  timeoutMs: 5000,
  samples: { count: 2, intervalMs: 500 },
});
export const uname = source.exec({ command: "uname", argv: ["-srm"], maxBytes: 1024 });
