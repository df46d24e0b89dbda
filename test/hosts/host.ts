import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { startSlowLink } from "./slow-link.ts";

const run = promisify(execFile);

const BOOT_MS = 60_000;
const EXEC_MS = 60_000;
const INSTALL_MS = 5 * 60_000;
/** What a line that is typed on a host starts with. */
export const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
};
/** A share may be below /tmp, so neither nspawn nor the host mounts anything there. */
const NSPAWN_ENVIRONMENT = { ...ENVIRONMENT, SYSTEMD_NSPAWN_TMPFS_TMP: "0" };
/**
 * The hierarchies of control groups that systemd uses. Hosts in one group would see each other's units
 * in it, and one that ends would take away those of another.
 */
const HIERARCHIES = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"];
/** Runs a command in the control group `$0` of each hierarchy that there is. */
const IN_OWN_GROUP = `for hierarchy in ${HIERARCHIES.join(" ")}; do
  [ -d "$hierarchy" ] || continue
  mkdir -p "$hierarchy/$0"
  echo $$ >"$hierarchy/$0/cgroup.procs"
done
exec "$@"`;
const TMP_MOUNT = "etc/systemd/system/tmp.mount";
/** By how much the clock of a host is off, for libfaketime, which reads it at each look at the time. */
const CLOCK_FILE = "/etc/clock";
/** Timers and time-outs follow the monotonic clock, which stays true. */
const CLOCK_VARIABLES = [
  "LD_PRELOAD=/usr/$LIB/faketime/libfaketimeMT.so.1",
  `FAKETIME_TIMESTAMP_FILE=${CLOCK_FILE}`,
  "FAKETIME_NO_CACHE=1",
  "FAKETIME_DONT_FAKE_MONOTONIC=1",
];

export type Executed = { code: number | null; out: string; err: string };
export type ExecOptions = { input?: string; timeoutMs?: number };
/** Folders of this machine, by their paths on the host. What the host changes there stays its own. */
export type Shares = Readonly<Record<string, string>>;
/** What a person answers to a question that contains the first text. */
export type TypedAnswer = readonly [question: string, answer: string];

export type HostOptions = {
  name: string;
  /** The shared root filesystem, beneath the host's own overlay. */
  base: string;
  /** An empty folder for what is the host's own. */
  place: string;
  /** The network namespace with the bridge `lab`. */
  network: string;
  /** IPv4 */
  address: string;
  shares: Shares;
  /** Unique on this machine, at most 11 characters, since it names the host's network interface. */
  machine: string;
};

/** A Debian host with systemd as process 1, in namespaces of its own. */
export class Host {
  readonly name: string;
  /** Its IPv4 address on the lab's network. */
  readonly address: string;
  readonly #options: HostOptions;
  readonly #root: string;
  #nspawn: ChildProcess | null = null;
  /** The process id, outside, of the host's process 1. */
  #leader = 0;
  /** What ends the slow link, while there is one. */
  #endDelay: (() => Promise<void>) | null = null;
  /** What commands start with, so that they see the host's clock. */
  #atClock: readonly string[] = [];
  /** Where something is mounted, in the order of the mounts. */
  readonly #mounts: string[] = [];

  private constructor(options: HostOptions) {
    this.name = options.name;
    this.address = options.address;
    this.#options = options;
    this.#root = join(options.place, "root");
  }

  static async boot(options: HostOptions): Promise<Host> {
    const host = new Host(options);
    try {
      await host.#layOver();
      host.writeFile("/etc/hostname", `${options.name}\n`);
      symlinkSync("/dev/null", join(host.#root, TMP_MOUNT));
      await host.start();
      return host;
    } catch (thrown) {
      await host.remove();
      throw thrown;
    }
  }

  async #layOver(): Promise<void> {
    const { base, place, shares } = this.#options;
    await this.#mountOver(base, join(place, "own"), this.#root);
    for (const [index, [inside, outside]] of Object.entries(shares).entries()) {
      await this.#mountOver(outside, join(place, `share-${index}`), join(this.#root, inside));
    }
  }

  /** @param own a folder for what the host changes */
  async #mountOver(lower: string, own: string, target: string): Promise<void> {
    const [upper, work] = [join(own, "upper"), join(own, "work")];
    for (const folder of [upper, work, target]) mkdirSync(folder, { recursive: true });
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    await run("mount", ["-t", "overlay", "overlay", "-o", layers, target]);
    this.#mounts.push(target);
  }

  /** Boots again after `kill`, with the same files. Resolves when systemd says `running`. */
  async start(): Promise<void> {
    const { network, machine, place } = this.#options;
    const output = openSync(join(place, "console.log"), "a");
    // The host ends with this process, however this ends: nspawn's own child dies with nspawn.
    const nspawn = spawn(
      "nsenter",
      [
        ...[`--net=/run/netns/${network}`, "setpriv", "--pdeathsig", "KILL"],
        ...["sh", "-c", IN_OWN_GROUP, groupOf(machine)],
        ...["systemd-nspawn", "--quiet", `--directory=${this.#root}`, "--register=no"],
        ...["--keep-unit", "--network-bridge=lab", `--machine=${machine}`],
        ...[`--hostname=${this.name}`, "--resolv-conf=off", "--console=pipe", "--boot"],
      ],
      { stdio: ["ignore", output, output], env: NSPAWN_ENVIRONMENT, detached: true },
    );
    closeSync(output);
    this.#nspawn = nspawn;
    const end = performance.now() + BOOT_MS;
    this.#leader = await waitForInit(nspawn, end);
    while ((await this.exec(["systemctl", "is-system-running"])).out.trim() !== "running") {
      if (performance.now() > end)
        throw new Error(`${this.name} did not boot: ${await this.#why()}`);
      await sleep(100);
    }
    await this.mustExec(["ip", "address", "replace", `${this.address}/24`, "dev", "host0"]);
    await this.mustExec(["ip", "link", "set", "host0", "up"]);
  }

  async #why(): Promise<string> {
    const { out, err } = await this.exec(["systemctl", "--failed", "--no-legend", "--plain"]);
    const shown = readFileSync(join(this.#options.place, "console.log"), "utf8").slice(-2000);
    return `${out}${err}${shown}`;
  }

  /** Runs a command as root and returns how it ended, whatever its exit code. */
  async exec(argv: readonly string[], options: ExecOptions = {}): Promise<Executed> {
    const child = spawn("nsenter", this.#inside(argv), {
      env: ENVIRONMENT,
      timeout: options.timeoutMs ?? EXEC_MS,
      killSignal: "SIGKILL",
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    // The command may end before it has read what it is given.
    child.stdin.on("error", () => undefined).end(options.input ?? "");
    const [code] = (await once(child, "close")) as [number | null];
    return { code, out, err };
  }

  /** What `nsenter` is given to run a command on the host. */
  #inside(argv: readonly string[]): string[] {
    return ["--target", String(this.#leader), "--all", "--", ...this.#atClock, ...argv];
  }

  /** Like `exec`, but throws unless the command succeeded. Returns its standard output. */
  async mustExec(argv: readonly string[], options?: ExecOptions): Promise<string> {
    const ended = await this.exec(argv, options);
    if (ended.code === 0) return ended.out;
    throw new Error(`${this.name}: ${argv.join(" ")} ended with ${JSON.stringify(ended)}`);
  }

  /**
   * Types a line at a terminal of the host, as root, and answers what it asks.
   *
   * @returns how it ended, with everything that the terminal showed in `out`
   */
  async type(
    line: string,
    answers: readonly TypedAnswer[] = [],
    { cwd = "/root", timeoutMs = INSTALL_MS }: { cwd?: string; timeoutMs?: number } = {},
  ): Promise<Executed> {
    const terminal = ["script", "-qefc", `cd ${cwd} && ${line}`, "/dev/null"];
    return await answerAt(this.#inside(terminal), answers, timeoutMs);
  }

  /** Copies a file of this machine onto the host. Makes the folders on the way. */
  copyIn(from: string, to: string): void {
    mkdirSync(dirname(join(this.#root, to)), { recursive: true });
    copyFileSync(from, join(this.#root, to));
  }

  /** Where a file of the host is on this machine. */
  pathOf(path: string): string {
    return join(this.#root, path);
  }

  /** The same for what is mounted on the host while it runs, such as `/run`. */
  livePathOf(path: string): string {
    return join(`/proc/${this.#leader}/root`, path);
  }

  writeFile(path: string, text: string): void {
    writeFileSync(join(this.#root, path), text);
  }

  readFile(path: string): string {
    return readFileSync(join(this.#root, path), "utf8");
  }

  /** Installs a Debian package file of this machine. What it depends on must be there. */
  async install(debFile: string): Promise<void> {
    const inside = `/root/${basename(debFile)}`;
    this.copyIn(debFile, inside);
    const argv = ["apt-get", "install", "--yes", "--allow-downgrades", inside];
    await this.mustExec(argv, { timeoutMs: INSTALL_MS });
  }

  /**
   * Ends every process at once, like a power cut. What was written to files stays. Its network has
   * no delay after that, and its clock is right.
   */
  async kill(): Promise<void> {
    const nspawn = this.#nspawn;
    if (nspawn === null) return;
    this.#nspawn = null;
    const ended = once(nspawn, "exit");
    process.kill(this.#leader, "SIGKILL");
    await ended;
    await this.#removeDelay();
    this.#atClock = [];
  }

  /** Takes the host off the network, until `heal`. */
  async partition(): Promise<void> {
    await this.#setLink("down");
  }

  async heal(): Promise<void> {
    await this.#setLink("up");
  }

  /** Holds back each packet to and from the host for that long, so a round trip takes twice that. */
  async delay(ms: number): Promise<void> {
    await this.#removeDelay();
    if (ms === 0) return;
    const { network, machine } = this.#options;
    const cable = `vb-${machine}`;
    this.#endDelay = await startSlowLink({ network, cable, name: machine, delayMs: ms });
  }

  async #removeDelay(): Promise<void> {
    await this.#endDelay?.();
    this.#endDelay = null;
  }

  /**
   * Sets the clock of the host that far ahead of the true time, or behind it when negative. Commands
   * and units that start after the first call see it, and then every later change at once. Units
   * that ran before have to be restarted for that.
   */
  async setClock(offsetMs: number): Promise<void> {
    const seconds = (offsetMs / 1000).toFixed(3);
    this.writeFile(`${CLOCK_FILE}.new`, `${offsetMs < 0 ? "" : "+"}${seconds}\n`);
    renameSync(this.pathOf(`${CLOCK_FILE}.new`), this.pathOf(CLOCK_FILE));
    if (this.#atClock.length > 0) return;
    await this.mustExec(["systemctl", "set-environment", ...CLOCK_VARIABLES]);
    this.#atClock = ["env", ...CLOCK_VARIABLES];
  }

  async #setLink(state: "up" | "down"): Promise<void> {
    const { network, machine } = this.#options;
    await run("ip", ["-n", network, "link", "set", `vb-${machine}`, state]);
  }

  /** Ends the host and lets go of its files. */
  async remove(): Promise<void> {
    await this.kill();
    for (const target of this.#mounts.toReversed()) await run("umount", [target]);
    await removeGroups(this.#options.machine);
  }
}

/**
 * Runs a terminal on a host, and answers what is asked there.
 *
 * @param inside what `nsenter` is given
 */
export async function answerAt(
  inside: readonly string[],
  answers: readonly TypedAnswer[],
  timeoutMs = INSTALL_MS,
): Promise<Executed> {
  const child = spawn("nsenter", inside, {
    env: ENVIRONMENT,
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  let out = "";
  const left = [...answers];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    const [question, answer] = left[0] ?? [];
    if (question === undefined || !out.includes(question)) return;
    left.shift();
    child.stdin.write(`${answer}\n`);
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out: out.replaceAll("\r", ""), err: "" };
}

const groupOf = (machine: string): string => `sonde-${machine}`;

/**
 * Ends what still runs in the control groups of hosts, and removes the groups.
 *
 * @param machines the end of the machines' names
 */
export async function removeGroups(machines: string): Promise<void> {
  for (const hierarchy of HIERARCHIES.filter((path) => existsSync(path))) {
    const names = readdirSync(hierarchy).filter((name) => name.startsWith(groupOf("")));
    for (const name of names.filter((known) => known.endsWith(machines))) {
      const group = join(hierarchy, name);
      for (let pids = listPids(group); pids.length > 0; pids = listPids(group)) {
        for (const pid of pids) endProcess(pid);
        await sleep(20);
      }
      await run("find", [group, "-depth", "-type", "d", "-delete"]);
    }
  }
}

function listPids(group: string): number[] {
  const files = readdirSync(group, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => basename(file) === "cgroup.procs")
    .flatMap((file) => readFileSync(join(group, file), "utf8").split("\n"))
    .filter((pid) => pid !== "")
    .map(Number);
}

function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (thrown) {
    // It has ended meanwhile.
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

/** Waits for the host's process 1, which is nspawn's child. */
async function waitForInit(nspawn: ChildProcess, end: number): Promise<number> {
  const { pid } = nspawn;
  while (nspawn.exitCode === null && nspawn.signalCode === null && performance.now() < end) {
    const [child = ""] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
    // Before it runs systemd, the child still sets up the host's namespaces.
    if (child !== "" && readFileSync(`/proc/${child}/comm`, "utf8") === "systemd\n") {
      return Number(child);
    }
    await sleep(20);
  }
  throw new Error(`systemd-nspawn did not start a host; it ended with ${nspawn.exitCode}`);
}
