import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { answerAt, ENVIRONMENT, type Executed, type TypedAnswer } from "./host.ts";
import { prepareRootFilesystem } from "./root-filesystem.ts";

/**
 * A Debian host without systemd, beside what runs on this machine: it has files, processes and a
 * name of its own, and this machine's network.
 */
export type PlainHost = {
  /** Copies a file of this machine to /root, under its own name. */
  copyIn(file: string): void;
  /** Types a line at a terminal, as root in /root, and answers what it asks. */
  type(line: string, answers?: readonly TypedAnswer[]): Promise<Executed>;
  /** Starts a line that stays. It ends with the host. */
  start(line: string): void;
  /** What the lines that stay have said. */
  said(): string;
  /** Ends all of it, with its files. */
  close(): Promise<void>;
};

/**
 * Makes the host in namespaces of its own, and waits as its first process: when that ends, the kernel
 * ends every other one. `$0` is an empty folder, `$1` the base, `$2` the host's name.
 */
const BEGIN = `set -e
mount -t tmpfs -o mode=755 tmpfs "$0"
mkdir "$0/own" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$0/own,workdir=$0/work" "$0/root"
cd "$0/root"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
hostname "$2"
echo "127.0.0.1 localhost $2" >etc/hosts
exec chroot . sh -c "echo ready; exec cat"`;

/** @param packages Debian packages besides a minimal system */
export async function startPlainHost(
  name: string,
  packages: readonly string[],
): Promise<PlainHost> {
  const base = await prepareRootFilesystem(packages);
  const folder = mkdtempSync("/tmp/sonde-plain-host-");
  const spaces = ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"];
  const keeper = spawn("unshare", [...spaces, "sh", "-c", BEGIN, folder, base, name], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(keeper, "exit");
  const isReady = await Promise.race([once(keeper.stdout, "data"), ended.then(() => null)]);
  if (isReady === null) throw new Error("expected a host, got one that ended at its start");
  const [leader = ""] = readFileSync(`/proc/${keeper.pid}/task/${keeper.pid}/children`, "utf8")
    .trim()
    .split(" ");
  const inside = (...argv: string[]) => [
    ...["--target", leader, "--mount", "--uts", "--ipc", "--pid", "--root", "--wd"],
    ...["--", ...argv],
  ];
  const staying: Promise<unknown>[] = [];
  let said = "";
  return {
    copyIn: (file) => copyFileSync(file, join(`/proc/${leader}/root/root`, basename(file))),
    type: (line, answers = []) =>
      answerAt(inside("script", "-qefc", `cd /root && ${line}`, "/dev/null"), answers),
    start(line) {
      const child = spawn("nsenter", inside("sh", "-c", `cd /root && exec ${line}`), {
        env: ENVIRONMENT,
        stdio: ["ignore", "pipe", "pipe"],
      });
      child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      staying.push(once(child, "close"));
    },
    said: () => said,
    async close() {
      keeper.stdin.end();
      await ended;
      await Promise.all(staying);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
