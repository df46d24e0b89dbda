import { UNREADABLE_OF_PROC, isReadableOfProcess } from "./process-files.ts";

/**
 * Folders that no pack may read, whatever is granted: devices, and the usual folders of
 * the product's own processes. Runners also refuse the folders that are really in use.
 */
const PRIVATE_FOLDERS = [
  ["dev"],
  ["etc", "sonde"],
  ["run", "sonde"],
  ["var", "run", "sonde"],
  ["var", "lib", "sonde"],
];

/** True for a real path in one of those folders. Declared patterns are for `reachesPrivatePath`. */
export function isInPrivateFolder(path: string): boolean {
  const segments = path.split("/").slice(1);
  return PRIVATE_FOLDERS.some((folder) => folder.every((name, index) => segments[index] === name));
}

/**
 * True when a path that fits the pattern may be private: beneath one of those folders, or
 * a file of a process or of the kernel that `process-files` does not allow.
 *
 * In a pattern `*` stands for a hole. A pattern that ends in `**` is a root beneath which
 * callers choose. Only the root itself is judged; `/proc` is the exception, since private
 * files lie beneath nearly every root there.
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
  // The kernel's files are not folders, so only a path of one segment can be one of them.
  // This keeps `/proc/<process>/stat` readable.
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
  // A hole may render as any text, so only the fixed start and end are compared.
  return end !== undefined && name.startsWith(start ?? "") && name.endsWith(end);
}
