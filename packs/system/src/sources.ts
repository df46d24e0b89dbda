import { hole, source } from "@sonde/pack-sdk/author";

export const uptime = source.file({ path: "/proc/uptime", maxBytes: 256 });
export const loadavg = source.file({ path: "/proc/loadavg", maxBytes: 256 });
export const meminfo = source.file({ path: "/proc/meminfo", maxBytes: 16384 });
export const cpu = source.file({ path: "/proc/stat", maxBytes: 262144 });
export const hostName = source.file({ path: "/proc/sys/kernel/hostname", maxBytes: 256 });
export const kernelRelease = source.file({ path: "/proc/sys/kernel/osrelease", maxBytes: 256 });
// The target of the link `/etc/os-release`, because reads do not follow links.
export const osRelease = source.file({ path: "/usr/lib/os-release", maxBytes: 16384 });
export const cpuPressure = source.file({ path: "/proc/pressure/cpu", maxBytes: 1024 });
export const memoryPressure = source.file({ path: "/proc/pressure/memory", maxBytes: 1024 });
export const ioPressure = source.file({ path: "/proc/pressure/io", maxBytes: 1024 });
// Half of it goes to file servers that do not answer, and to a process for each of those that do.
export const mounts = source.filesystem({ timeoutMs: 6000 });
export const processes = source.directory({
  path: "/proc",
  names: "numeric",
  child: "stat",
  maxEntries: 8000,
  maxBytes: 4194304,
  timeoutMs: 5000,
  samples: { count: 2, intervalMs: 500 },
});
export const commandLines = source.directory({
  path: "/proc",
  names: "numeric",
  child: "cmdline",
  maxEntries: 8000,
  maxBytes: 1048576,
  timeoutMs: 5000,
});
export const pageSize = source.exec({ command: "getconf", argv: ["PAGESIZE"], maxBytes: 64 });
export const uname = source.exec({ command: "uname", argv: ["-srm"], maxBytes: 1024 });

/** Two looks, a second apart, for what the kernel only counts. */
const twoLooks = { count: 2, intervalMs: 1000 } as const;
export const cpuLooks = source.file({ path: "/proc/stat", maxBytes: 262144, samples: twoLooks });
export const cgroupCpuLooks = source.directory({
  path: "/sys/fs/cgroup",
  child: "cpu.stat",
  maxEntries: 500,
  maxBytes: 262144,
  samples: twoLooks,
});
export const vmstatLooks = source.file({ path: "/proc/vmstat", samples: twoLooks });
export const diskLooks = source.file({
  path: "/proc/diskstats",
  maxBytes: 262144,
  samples: twoLooks,
});
export const disks = source.directory({ path: "/sys/block", maxBytes: 65536 });
export const irqPressure = source.file({ path: "/proc/pressure/irq", maxBytes: 1024 });
export const waitChannels = source.directory({
  path: "/proc",
  names: "numeric",
  child: "wchan",
  maxEntries: 8000,
  maxBytes: 1048576,
  timeoutMs: 5000,
});
export const blockDevices = source.exec({
  command: "lsblk",
  argv: ["-J", "-b", "-o", "NAME,PKNAME,TYPE,SIZE,RO,RM,ROTA,FSTYPE,MOUNTPOINTS,MODEL,STATE"],
});

const MAX_PID = 4194304;
const pid = () => hole.integer("pid", { minimum: 1, maximum: MAX_PID });
export const processLooks = source.file({
  path: ["/proc/", pid(), "/stat"],
  maxBytes: 4096,
  samples: twoLooks,
});
export const processStatus = source.file({ path: ["/proc/", pid(), "/status"], maxBytes: 16384 });
export const processLimits = source.file({ path: ["/proc/", pid(), "/limits"], maxBytes: 16384 });
export const processCgroup = source.file({ path: ["/proc/", pid(), "/cgroup"], maxBytes: 8192 });
export const processWaits = source.file({ path: ["/proc/", pid(), "/wchan"], maxBytes: 256 });
export const processCommand = source.file({ path: ["/proc/", pid(), "/cmdline"], maxBytes: 4096 });

/** One number of the kernel, or a few in a line. */
const kernelNumber = (name: string) => source.file({ path: `/proc/sys/${name}`, maxBytes: 256 });
export const openFiles = kernelNumber("fs/file-nr");
export const openFilesEach = kernelNumber("fs/nr_open");
export const maxPid = kernelNumber("kernel/pid_max");
export const maxThreads = kernelNumber("kernel/threads-max");
export const tracked = kernelNumber("net/netfilter/nf_conntrack_count");
export const maxTracked = kernelNumber("net/netfilter/nf_conntrack_max");
export const maxWatches = kernelNumber("fs/inotify/max_user_watches");
export const maxInotify = kernelNumber("fs/inotify/max_user_instances");

export const packageLog = source.file({
  path: "/var/log/dpkg.log",
  tailBytes: 524288,
  maxBytes: 524288,
});
export const rebootRequired = source.file({ path: "/run/reboot-required", maxBytes: 4096 });
export const rebootPackages = source.file({ path: "/run/reboot-required.pkgs", maxBytes: 16384 });
export const kernels = source.directory({ path: "/boot", maxBytes: 65536 });
export const systemCrontab = source.file({ path: "/etc/crontab" });
export const crontabFolder = source.tree({ path: "/etc/cron.d", depth: 1 });
export const crontab = source.file({ path: [hole.pathBeneath("file", "/etc/cron.d")] });
export const userCrontabFolder = source.tree({ path: "/var/spool/cron/crontabs", depth: 1 });
export const userCrontab = source.file({
  path: [hole.pathBeneath("file", "/var/spool/cron/crontabs")],
});
export const cronScripts = source.tree({
  path: ["/etc/cron.", hole.enumOf("period", ["hourly", "daily", "weekly", "monthly"])],
  depth: 1,
});
export const nameServices = source.file({ path: "/etc/nsswitch.conf", maxBytes: 16384 });
export const accounts = source.file({ path: "/etc/passwd", maxBytes: 1048576 });
export const groups = source.file({ path: "/etc/group", maxBytes: 1048576 });
export const sessions = source.exec({
  command: "last",
  argv: ["--time-format=iso", "-x", "-w", "-a", "-n", "1000"],
});
/** Takes seconds of a CPU: apt reads all its lists. */
export const upgrade = source.exec({
  command: "apt-get",
  argv: ["--simulate", "--quiet", "dist-upgrade"],
  maxBytes: 1048576,
  timeoutMs: 30000,
});
export const packageLists = source.tree({ path: "/var/lib/apt/lists", depth: 1 });
export const timeSettings = source.exec({
  command: "timedatectl",
  argv: ["show", "--no-pager"],
  maxBytes: 4096,
});
export const timesyncd = source.exec({
  command: "timedatectl",
  argv: ["show-timesync", "--no-pager"],
  maxBytes: 16384,
});
export const chrony = source.exec({
  command: "chronyc",
  argv: ["-n", "-c", "tracking"],
  maxBytes: 4096,
});
