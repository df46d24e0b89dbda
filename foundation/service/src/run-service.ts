import { DatabaseError } from "@sonde/database";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { readConfiguredJson } from "./configured-file.ts";
import { type Logger, type Report, createLogger } from "./logger.ts";

/** What a service that is starting is given. */
export type ServicePorts = {
  report: Report;
  now: () => Date;
  /** Ends the process: for what the service cannot go on without, such as its database. */
  endFor: (thrown: unknown) => void;
};

/** A service that answers. */
export type Running = {
  /** What its supervisor is told, besides that it is ready. */
  ready: object;
  /** Called once. */
  stop(): Promise<void>;
};

export type ServiceOptions<Config> = {
  /** The configuration's name for a person, such as `hub configuration`. */
  what: string;
  /** @throws SondeError CONFIG_INVALID */
  parseConfig: (value: unknown) => Config;
  /** Leaves nothing running when it throws. */
  start: (config: Config, ports: ServicePorts) => Promise<Running>;
  /** How long stopping may take. */
  stopDeadlineMs?: number;
};

/** Shorter than a supervisor waits before it kills. */
const STOP_DEADLINE_MS = 12_000;

/**
 * Runs a service as this process, from its configuration file (the only
 * argument) to its end. One JSON line on standard output says that it is ready,
 * or why it is not; it ends on SIGTERM and SIGINT, and with its supervisor when
 * the configuration says `supervised`.
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
    // The same signal again is a person who will not wait. Another one may come with the first:
    // a terminal sends SIGINT to all, and a supervisor that got it SIGTERM.
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
