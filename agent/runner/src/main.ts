// The runner program: performs declared reads and runs guests in pack hosts, for the agent only.
// argv: the path of its configuration (parse-runner-config.ts).
// It ends when its stdin closes; the supervisor holds the other end of that pipe.
import { readFileSync } from "node:fs";
import { toSondeError } from "@sonde/schemas/errors";
import { stopCommands } from "./powers/run-command.ts";
import { requireUnprivileged } from "@sonde/privileges";
import { createPackHostLauncher } from "./pack-host-pool/pack-host-launcher.ts";
import { keepConnected } from "./keep-connected.ts";
import { createOverdueWatch } from "./overdue.ts";
import { createPackQueues } from "./pack-host-pool/pack-queues.ts";
import { parseRunnerConfig } from "./parse-runner-config.ts";
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

async function main(): Promise<void> {
  const identity = requireUnprivileged();
  const config = parseRunnerConfig(readFileSync(process.argv[2] ?? "", "utf8"));
  const launcher = await createPackHostLauncher({
    nodePath: config.nodePath ?? process.execPath,
    packHostPath: config.packHostPath,
    nodeArgs: config.nodeArgs ?? [],
    readOnlyPaths: config.readOnlyPaths ?? [],
  });
  const hello = {
    op: "hello" as const,
    pid: process.pid,
    ...identity,
    confinement: launcher.confinement,
    startedAt: new Date().toISOString(),
  };
  const denyPaths = resolveDenyPaths(config.denyPaths);
  const onOverdue = createOverdueWatch(OVERDUE_GRACE_MS, (what) => {
    log("runner-stuck", what);
    end();
  });
  const queues = createPackQueues(launcher, QUEUE_LIMITS, log);
  const serving = { hello, queues, limits: { denyPaths, onOverdue } };
  if (config.heartbeat === true) setInterval(() => process.stdout.write("\n"), HEARTBEAT_MS);
  keepConnected(config.socketPath, Math.random, (socket) => serveAgent(socket, serving), log);
}

process.stdin.on("end", end).on("error", end).resume();
try {
  await main();
} catch (error) {
  const { code, message } = toSondeError(error);
  log(code, message);
  process.exit(1);
}
