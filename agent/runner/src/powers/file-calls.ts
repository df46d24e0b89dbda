import * as fs from "node:fs";
import { promisify } from "node:util";
import { parseMountInfo } from "./mount-info.ts";

/** Node's `fs.constants` lacks O_PATH. This is its value on every Linux that Node supports. */
export const O_PATH = 0o10000000;
export const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = fs.constants;

/** The system calls that reads need. Callers `await` them, whether they return a promise or not. */
export type FileCalls = {
  open(path: string, flags: number): number | Promise<number>;
  stat(fd: number): fs.Stats | Promise<fs.Stats>;
  read(fd: number, into: Buffer, at: number, position: number | null): number | Promise<number>;
  readlink(path: string): string | Promise<string>;
  list(path: string): string[] | Promise<string[]>;
  close(fd: number): void | Promise<void>;
};

/** Runs the calls on the event loop. */
const inline: FileCalls = {
  open: fs.openSync,
  stat: (fd) => fs.fstatSync(fd),
  read: (fd, into, at, position) => fs.readSync(fd, into, at, into.length - at, position),
  readlink: (path) => fs.readlinkSync(path),
  list: (path) => fs.readdirSync(path),
  close: fs.closeSync,
};

const read = promisify(fs.read);

/**
 * Runs the calls on libuv's threads. A call that never returns then blocks one thread,
 * not the process.
 */
const onThreads: FileCalls = {
  open: promisify(fs.open),
  stat: promisify<number, fs.Stats>(fs.fstat),
  read: async (fd, into, at, position) =>
    (await read(fd, into, at, into.length - at, position)).bytesRead,
  readlink: promisify<string, string>(fs.readlink),
  list: promisify<string, string[]>(fs.readdir),
  close: promisify(fs.close),
};

/**
 * Chooses the calls for a path. The kernel answers `/proc` from memory, and a thousand
 * small files take 20 ms inline against 200 ms on threads (measured). Everything else may
 * be a disk, a network mount or a driver that never answers. That includes a mount over a
 * part of `/proc` (lxcfs is FUSE, binfmt_misc automounts), and `cmdline`, which lies in the
 * memory of its process: reading it waits while the kernel holds the map of that memory.
 */
export function callsFor(path: string): FileCalls {
  const isKernelMemory =
    (path === "/proc" || path.startsWith("/proc/")) &&
    !path.startsWith("/proc/fs/") &&
    !path.endsWith("/cmdline");
  return isKernelMemory && !isLaidOver(path) ? inline : onThreads;
}

let laidOver: string[] | undefined;

function isLaidOver(path: string): boolean {
  // Read once per process: such mounts are made when the machine or the container starts.
  laidOver ??= parseMountInfo(fs.readFileSync("/proc/self/mountinfo", "utf8"))
    .map((mount) => mount.mountPoint)
    .filter((point) => point.startsWith("/proc/"));
  return laidOver.some((point) => path === point || path.startsWith(`${point}/`));
}
