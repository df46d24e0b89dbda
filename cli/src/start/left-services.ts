import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SondeError } from "@sonde/schemas/errors";
import type { DataLayout } from "../data-layout.ts";

/** Longer than a service takes to stop in order (STOP_DEADLINE_MS in run-service.ts). */
const GRACE_SECONDS = 14;
const LOOK_MS = 200;
const SYSTEM_PATH = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
/**
 * A function of sh that prints state and start of a process (fields 3 and 22 of proc_pid_stat(5)).
 * Its name, before them, is the process's own choice, and may have blanks, brackets and line ends.
 */
const STATE_AND_START = `state_and_start() {
  tr '\\n' ' ' 2>/dev/null < "/proc/$1/stat" | sed 's/.*) //' | cut -d ' ' -f 1,20; }`;

/** The folder of the records of one supervisor's services. */
type Records = Pick<DataLayout, "services">;

/** A process, which no other can be taken for: a pid is used again, but not with the same start. */
type Service = { pid: number; start: string };

/**
 * The command line that writes down which process it is, and then becomes `command`. So it is known
 * whether a service of a dead supervisor still runs. The record is written before the command drops
 * any right, into a folder that no service may enter: a service cannot make or keep one. An open
 * lock it could keep, or give to others.
 */
export function recorded(
  { services }: Records,
  role: string,
  { command, args }: { command: string; args: string[] },
): { command: string; args: string[] } {
  mkdirSync(services, { recursive: true, mode: 0o700 });
  const script = `${STATE_AND_START}
    set -- "$1" "$$ $(state_and_start $$ | cut -d ' ' -f 2) $(cat ${BOOT_ID})" "$@"
    echo "$2" > "$1" && shift 3 && exec "$@"`;
  const file = join(services, role);
  return { command: "sh", args: ["-c", script, "sonde-service", file, command, ...args] };
}

/**
 * Waits until no service of a former supervisor runs. One that does not stop in order is killed.
 *
 * @param say tells a person what is waited for
 * @throws SondeError ALREADY_RUNNING when one cannot be killed
 */
export async function endLeftServices(
  { services }: Records,
  say: (text: string) => void,
): Promise<void> {
  const left = () => readServices(services).filter(isRunning);
  if (left().length > 0) {
    say("  Waiting for the services of a former start to stop ...");
    const deadline = Date.now() + GRACE_SECONDS * 1000;
    while (left().length > 0 && Date.now() < deadline) await sleep(LOOK_MS);
    for (const { pid } of left()) kill(pid);
    await sleep(LOOK_MS);
    const pids = left().map(({ pid }) => pid);
    if (pids.length > 0) {
      throw new SondeError(
        "ALREADY_RUNNING",
        `services of a former start still run: ${pids.join(", ")}`,
      );
    }
  }
  rmSync(services, { recursive: true, force: true });
}

/**
 * Starts a process that outlives this one by the time that services have to stop in order, and
 * then kills those that still run, such as one that is stopped or loops. The services of a next
 * start, which may run by then, are none of them.
 *
 * @returns a function that ends it
 */
export function guardServices({ services }: Records): () => void {
  // Its standard input ends without a line when this process ends, however that ends.
  const script = `read -r _ && exit
    ${STATE_AND_START}
    running() { while read -r pid start _; do
      case "$(state_and_start "$pid")" in [!ZX]" $start") echo "$pid $start";; esac; done; }
    left=$(cat "$1"/* 2>/dev/null | running)
    for second in $(seq ${GRACE_SECONDS}); do
      sleep 1; left=$(echo "$left" | running); [ -n "$left" ] || exit
    done
    kill -KILL $(echo "$left" | cut -d ' ' -f 1)`;
  const guard = spawn("sh", ["-c", script, "sonde-guard", services], {
    stdio: ["pipe", "ignore", "ignore"],
    env: SYSTEM_PATH,
    cwd: "/",
    detached: true,
  });
  // A guard that was killed cannot be told that all is over.
  guard.stdin.on("error", () => undefined);
  return () => void guard.stdin.end("over\n");
}

/** The services that were started in this folder since the machine's last start. */
function readServices(services: string): Service[] {
  const bootId = readFileSync(BOOT_ID, "utf8").trim();
  return (unlessGone(() => readdirSync(services)) ?? []).flatMap((role) => {
    const [pid, start = "", boot] = readFileSync(join(services, role), "utf8").trim().split(" ");
    return boot === bootId ? [{ pid: Number(pid), start }] : [];
  });
}

/** False also for a process that ended and that nobody has waited for yet. */
function isRunning({ pid, start }: Service): boolean {
  const stat = unlessGone(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
  if (stat === null) return false;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[19] === start && !["Z", "X"].includes(fields[0] ?? "");
}

/** A process may end between the look and the signal. */
function kill(pid: number): void {
  unlessGone(() => process.kill(pid, "SIGKILL"));
}

/** @returns null when the folder or the process is not there (any more) */
function unlessGone<T>(look: () => T): T | null {
  try {
    return look();
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    if (code === "ENOENT" || code === "ESRCH") return null;
    throw thrown;
  }
}
