import { DatabaseError } from "@sonde/database";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { readConfiguredJson } from "./configured-file.ts";
import { type Logger, type Report, createLogger } from "./logger.ts";

/** What runService passes to a service that starts. */
export type ServicePorts = {
  report: Report;
  now: () => Date;
  /** Ends the process, when something is lost that the service needs, such as its database. */
  endFor: (thrown: unknown) => void;
};

/** A service that is ready. */
export type Running = {
  /** Further members of the JSON line that says "ready". */
  ready: object;
  /** Called once. */
  stop(): Promise<void>;
};

export type ServiceOptions<Config> = {
  /** The configuration's name for a person, such as `hub configuration`. */
  what: string;
  /** @throws SondeError CONFIG_INVALID */
  parseConfig: (value: unknown) => Config;
  /** When it throws, it leaves nothing running. */
  start: (config: Config, ports: ServicePorts) => Promise<Running>;
  /** How long `stop` may take. */
  stopDeadlineMs?: number;
};

/** Less than a supervisor waits before it sends SIGKILL. */
const STOP_DEADLINE_MS = 12_000;

/**
 * Runs a service as this process. The only argument is the path of its configuration
 * file. One JSON line on standard output says that the service is ready, or why it is
 * not. The process ends on SIGTERM, on SIGINT and, if the configuration says
 * `supervised`, with its supervisor.
 */
export function runService<Config extends { supervised: boolean }>(
  options: ServiceOptions<Config>,
): void {
  const now = (): Date => new Date();
  const logger = createLogger(now);
  const deadlineMs = options.stopDeadlineMs ?? STOP_DEADLINE_MS;
  const endFor = (thrown: unknown): void => {
    const error =
      thrown instanceof DatabaseError
        ? new SondeError(thrown.code, thrown.message, { cause: thrown })
        : toSondeError(thrown);
    logger.report(error);
    print(error.toBody());
    process.exit(1);
  };
  const run = async (): Promise<void> => {
    if (process.getuid?.() === 0) {
      throw new SondeError("PRIVILEGE_REFUSED", "expected an unprivileged user, got root");
    }
    const [file, ...more] = process.argv.slice(2);
    if (file === undefined || more.length > 0) {
      throw new SondeError("CONFIG_INVALID", `expected a ${options.what} as the only argument`);
    }
    const config = options.parseConfig(readConfiguredJson(file, options.what));
    const running = await options.start(config, { report: logger.report, now, endFor });
    stopOnRequest(running, { supervised: config.supervised, deadlineMs, logger, endFor });
    print({ ready: true, pid: process.pid, ...running.ready });
  };
  run().catch(endFor);
}

type Ending = {
  supervised: boolean;
  deadlineMs: number;
  logger: Logger;
  endFor: (thrown: unknown) => void;
};

function stopOnRequest(running: Running, ending: Ending): void {
  const { supervised, deadlineMs, logger, endFor } = ending;
  const asked = new Set<string>();
  const stop = (reason: string): void => {
    const isFirst = asked.size === 0;
    // The same signal a second time comes from a person who will not wait. A different
    // one may come with the first: a terminal sends SIGINT to all processes, and the
    // supervisor then sends SIGTERM.
    if (asked.has(reason)) process.exit(1);
    asked.add(reason);
    if (!isFirst) return;
    logger.info("stopping", { reason });
    const late = `expected an end within ${deadlineMs} ms`;
    setTimeout(() => endFor(new Error(late)), deadlineMs).unref();
    running.stop().then(() => process.exit(0), endFor);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  if (!supervised) return;
  const end = (): void => {
    if (asked.size === 0) stop("supervisor");
  };
  process.stdin.resume().on("end", end).on("error", end);
}

function print(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
