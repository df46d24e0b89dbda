// The runner program: performs declared reads and runs guests in pack hosts, for the agent only.
// argv: the path of its configuration (parse-runner-config.ts).
// SONDE_PACK_HOST_SOCKET: where systemd starts the pack hosts (pack-host-pool/launch-unit.ts).
// SONDE_RUNNER_REACH: `loopback` where systemd lets the runner reach no other host.
// Descriptor 3: the listening socket on which the agent connects (listen-for-agent.ts).
import { readFileSync } from "node:fs";
import { toSondeError } from "@sonde/schemas/errors";
import type { Reach } from "./powers/power.ts";
import { stopCommands } from "./powers/run-command.ts";
import { readOwnRights, requireUnprivileged } from "@sonde/privileges";
import { createChildLauncher } from "./pack-host-pool/launch-child.ts";
import { createUnitLauncher } from "./pack-host-pool/launch-unit.ts";
import type { PackHostLauncher } from "./pack-host-pool/pack-host-launcher.ts";
import { listenForAgent } from "./listen-for-agent.ts";
import { createOverdueWatch } from "./overdue.ts";
import { createPackQueues } from "./pack-host-pool/pack-queues.ts";
import { parseRunnerConfig, type RunnerConfig } from "./parse-runner-config.ts";
import { createGrantCheck } from "./require-granted.ts";
import { resolveDenyPaths } from "./resolve-deny-paths.ts";
import { serveAgent } from "./serve-agent.ts";

/** How long a read may overrun its deadline before the runner counts as stuck. */
const OVERDUE_GRACE_MS = 2000;
const HEARTBEAT_MS = 1000;
const QUEUE_LIMITS = { maxWaiting: 64, maxWaitMs: 10_000, idleMs: 5 * 60_000 };

// More than libuv's default of four threads, so that one stuck read does not delay all others.
process.env["UV_THREADPOOL_SIZE"] = "16";

const log = (event: string, detail: string): void => {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), event, detail })}\n`);
};

/** SIGKILL, because an ordinary exit would wait for threads that are stuck in the kernel. */
function end(): void {
  stopCommands();
  process.kill(process.pid, "SIGKILL");
}

async function run(): Promise<void> {
  const identity = requireUnprivileged();
  const config = parseRunnerConfig(readFileSync(process.argv[2] ?? "", "utf8"));
  if (config.supervised === true) endWithSupervisor();
  const launcher = await createLauncher(config, process.env["SONDE_PACK_HOST_SOCKET"]);
  const hello = {
    op: "hello" as const,
    pid: process.pid,
    ...identity,
    confinement: launcher.confinement,
    rights: readOwnRights(),
    startedAt: new Date().toISOString(),
  };
  const reach: Reach = process.env["SONDE_RUNNER_REACH"] === "loopback" ? "loopback" : "anywhere";
  const denyPaths = resolveDenyPaths(config.denyPaths);
  const onOverdue = createOverdueWatch(OVERDUE_GRACE_MS, (what) => {
    log("runner-stuck", what);
    end();
  });
  const queues = createPackQueues(launcher, QUEUE_LIMITS, log);
  const requireGranted = createGrantCheck(
    config.grantsDir,
    config.sameUid === true ? [0, identity.uid] : [0],
    config.approvals?.hubMayGrant ?? "none",
  );
  const serving = { hello, queues, limits: { denyPaths, reach, onOverdue }, requireGranted };
  if (config.heartbeat === true) setInterval(() => process.stdout.write("\n"), HEARTBEAT_MS);
  const onAlone = config.endWithAgent === true ? end : () => undefined;
  await listenForAgent((socket) => serveAgent(socket, serving), onAlone, log);
}

/**
 * The unit of the runner says who starts pack hosts, since it takes from the runner what bubblewrap
 * needs. A configuration that an administrator has changed may be older than the unit.
 */
async function createLauncher(
  { nodePath = process.execPath, packHostPath, nodeArgs = [], readOnlyPaths = [] }: RunnerConfig,
  packHostSocket: string | undefined,
): Promise<PackHostLauncher> {
  if (packHostSocket === undefined) {
    return await createChildLauncher({ nodePath, packHostPath, nodeArgs, readOnlyPaths });
  }
  return createUnitLauncher(packHostSocket, (what) => {
    log("pack-host-stuck", `${what}; the runner ends, and its pack hosts with it`);
    end();
  });
}

/** The supervisor holds the other end of standard input, so that it ends when the supervisor does. */
function endWithSupervisor(): void {
  const onEnd = (why: string): void => {
    log("supervisor-gone", `${why}, which is the pipe of the supervisor; the runner ends`);
    end();
  };
  process.stdin
    .on("end", () => onEnd("standard input has ended"))
    .on("error", (error) => onEnd(`standard input failed with ${error.message}`))
    .resume();
}

run().catch((error: unknown) => {
  const { code, message } = toSondeError(error);
  log(code, message);
  process.exit(1);
});
