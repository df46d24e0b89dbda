const PROCESS_PRIVATE = [
  "auxv",
  "clear_refs",
  "cwd",
  "environ",
  "exe",
  "fd",
  "fdinfo",
  "map_files",
  "maps",
  "mem",
  "numa_maps",
  "pagemap",
  "root",
  "smaps",
  "smaps_rollup",
  "stack",
  "syscall",
];

/**
 * Paths that no pack may read, whoever grants it: memory, environment and
 * descriptors of any process, devices, and the conventional folders of the
 * product's own processes. `*` is one path segment; everything beneath a
 * folder is private too. Runners refuse the folders really in use besides.
 */
const PRIVATE_FOLDERS = [
  ...PROCESS_PRIVATE.map((name) => ["proc", "*", name]),
  ...PROCESS_PRIVATE.map((name) => ["proc", "*", "task", "*", name]),
  ["dev"],
  ["etc", "sonde"],
  ["run", "sonde"],
  ["var", "run", "sonde"],
  ["var", "lib", "sonde"],
];

/** Beneath these is nothing, so `/proc/<process>/stat` is not taken for one of them. */
const PRIVATE_FILES = [
  ["proc", "kcore"],
  ["proc", "keys"],
  ["proc", "kmsg"],
];

/**
 * True when some path that fits the pattern is private. A pattern ending in
 * `**` is a root under which callers choose: only its own place is judged, save
 * for `/proc`, where private files are beneath nearly every root.
 */
export function reachesPrivatePath(pattern: string): boolean {
  const segments = pattern.split("/").slice(1);
  const isRoot = segments.at(-1) === "**";
  const fixed = isRoot ? segments.slice(0, -1) : segments;
  if (isRoot && fixed[0] === "proc") return true;
  const couldStartWith = (entry: readonly string[]): boolean =>
    fixed.length >= entry.length && entry.every((name, index) => couldBe(fixed[index] ?? "", name));
  return (
    PRIVATE_FOLDERS.some(couldStartWith) ||
    PRIVATE_FILES.some((entry) => fixed.length === entry.length && couldStartWith(entry))
  );
}

function couldBe(segment: string, name: string): boolean {
  if (name === "*" || segment === name) return true;
  const [start, ...rest] = segment.split("*");
  const end = rest.at(-1);
  // A hole may render as anything, so only what is fixed on both sides counts.
  return end !== undefined && name.startsWith(start ?? "") && name.endsWith(end);
}
