import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const COMMAND_MS = 120_000;

/** Ends only with the process that made it, and lives in network, mounts and processes of its own. */
const HOLD = `set -e; mount -t proc proc /proc; ip link set lo up
# What podman and crun(1) know of containers there would stay when all are killed.
for place in /run /dev/shm; do mount -t tmpfs tmpfs $place; done
# crun(1) refuses a machine with both generations of control groups.
if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi
echo ready; read -r _`;

/** A machine of containers: podman with a storage of its own, on a loopback of its own. */
export class Containers {
  /** Files that commands name. */
  readonly folder: string;
  readonly #holder: ChildProcess;
  readonly #leader: number;

  private constructor(folder: string, holder: ChildProcess, leader: number) {
    this.folder = folder;
    this.#holder = holder;
    this.#leader = leader;
  }

  /** @param folder an empty one */
  static async start(folder: string): Promise<Containers> {
    mkdirSync(join(folder, "bin"));
    const options = [
      ...["--root", join(folder, "storage"), "--runroot", join(folder, "run")],
      ...["--tmpdir", join(folder, "tmp"), "--storage-driver", "overlay"],
      ...["--cgroup-manager", "cgroupfs", "--events-backend", "none"],
    ].join(" ");
    const podman = join(folder, "bin/podman");
    // A machine may allow fewer files and processes than podman asks for, and no control groups.
    writeFileSync(
      podman,
      `#!/bin/sh
      if [ "$1" = run ]; then
        shift; set -- run --cgroups disabled --ulimit nofile=4096 --ulimit nproc=4096 --log-driver k8s-file "$@"
      fi
      exec /usr/bin/podman ${options} "$@"`,
    );
    chmodSync(podman, 0o755);
    const apart = ["--net", "--mount", "--pid", "--fork", "--kill-child"];
    const holder = spawn("unshare", [...apart, "sh", "-c", HOLD], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(holder.stdout, "data");
    const { stdout } = await run("ps", ["--ppid", String(holder.pid), "-o", "pid="]);
    return new Containers(folder, holder, Number(stdout));
  }

  /**
   * Runs a line of the shell as root, in the folder.
   *
   * @returns what it printed
   * @throws Error with what it printed, when it fails
   */
  async type(line: string, input = ""): Promise<string> {
    const words = ["--target", String(this.#leader), "--net", "--mount", "--pid", "--"];
    const command = ["sh", "-c", `cd "$0" && { ${line}; } 2>&1`, this.folder];
    const child = spawn("nsenter", [...words, ...command], {
      env: { PATH: `${join(this.folder, "bin")}:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: this.folder },
      stdio: ["pipe", "pipe", "inherit"],
      timeout: COMMAND_MS,
    });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    // The command may end before it has read what it is given.
    child.stdin.on("error", () => undefined).end(input);
    const [code] = (await once(child, "close")) as [number | null];
    if (code !== 0) throw new Error(`${line} ended with ${code}: ${said}`);
    return said;
  }

  /** Ends every process in it, and lets go of its mounts. */
  async close(): Promise<void> {
    const ended = once(this.#holder, "exit");
    this.#holder.kill("SIGKILL");
    await ended;
  }
}
