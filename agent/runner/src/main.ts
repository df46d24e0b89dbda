// Entry of a runner: performs declared reads and runs guests in pack hosts, for the agent alone.
// argv: the path of its config (runner/parse-runner-config.ts). It lives as long as its stdin is open: the
// supervisor keeps a pipe there and the runner ends when that closes.
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

/** A look may end this much after its deadline before the runner counts as stuck. */
const OVERDUE_GRACE_MS = 2000;
const HEARTBEAT_MS = 1000;
const QUEUE_LIMITS = { maxWaiting: 64, maxWaitMs: 10_000, idleMs: 5 * 60_000 };

// More than libuv's four threads, so that a stuck look does not hold up the others at once.
process.env["UV_THREADPOOL_SIZE"] = "16";

const log = (event: string, detail: string): void => {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), event, detail })}\n`);
};

/** SIGKILL: an ordinary exit would wait for the threads that are stuck in the kernel. */
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
