import { UNREADABLE_OF_PROC, isReadableOfProcess } from "./process-files.ts";

/**
 * Folders that no pack may read, whoever grants it: devices, and where the
 * product's own processes conventionally keep their files. Runners refuse the
 * folders really in use besides.
 */
const PRIVATE_FOLDERS = [
  ["dev"],
  ["etc", "sonde"],
  ["run", "sonde"],
  ["var", "run", "sonde"],
  ["var", "lib", "sonde"],
];

/**
 * True when some path that fits the pattern is private: beneath one of those
 * folders, or what `process-files` keeps of a process or of the kernel. In a
 * pattern `*` stands for a hole. One ending in `**` is a root under which callers
 * choose: only its own place is judged, save for `/proc`, where private files are
 * beneath nearly every root.
 */
export function reachesPrivatePath(pattern: string): boolean {
  const segments = pattern.split("/").slice(1);
  const isRoot = segments.at(-1) === "**";
  const fixed = isRoot ? segments.slice(0, -1) : segments;
  if (isRoot && fixed[0] === "proc") return true;
  const [top = "", second, ...rest] = fixed;
  if (second !== undefined && couldBe(top, "proc") && isPrivateOfProc(second, rest)) return true;
  return PRIVATE_FOLDERS.some(
    (folder) =>
      fixed.length >= folder.length &&
      folder.every((name, index) => couldBe(fixed[index] ?? "", name)),
  );
}

function isPrivateOfProc(name: string, rest: string[]): boolean {
  // Beneath the kernel's files is nothing, so `/proc/<process>/stat` is not taken for one of them.
  if (rest.length === 0) return [...UNREADABLE_OF_PROC].some((kept) => couldBe(name, kept));
  return couldBeProcess(name) && !isReadableOfProcess(rest);
}

function couldBeProcess(segment: string): boolean {
  return /^[0-9*]+$/.test(segment) || couldBe(segment, "self") || couldBe(segment, "thread-self");
}

function couldBe(segment: string, name: string): boolean {
  if (segment === name) return true;
  const [start, ...rest] = segment.split("*");
  const end = rest.at(-1);
  // A hole may render as anything, so only what is fixed on both sides counts.
  return end !== undefined && name.startsWith(start ?? "") && name.endsWith(end);
}
