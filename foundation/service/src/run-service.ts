import { DatabaseError } from "@sonde/database";
import { createLiveSettings, holdHangUps } from "@sonde/files";
import { requireUnprivileged } from "@sonde/privileges";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { readConfiguredJson } from "./configured-file.ts";
import { type Logger, type Report, createLogger } from "./logger.ts";

/** What runService passes to a service that starts. */
export type ServicePorts = {
  report: Report;
  /** Writes a line of the log that is no error. */
  info: Logger["info"];
  now: () => Date;
  /** Ends the process, when something is lost that the service needs, such as its database. */
  endFor: (thrown: unknown) => void;
};

/** A service that is ready. */
export type Running<Config> = {
  /** Further members of the JSON line that says "ready". */
  ready: object;
  /**
   * Takes over a configuration that differs in live settings only, and that `check` accepts. When
   * it throws, it has changed nothing.
   */
  reload(inForce: Config): void;
  /** Called once. */
  stop(): Promise<void>;
};

export type ServiceOptions<Config> = {
  /** The configuration's name for a person, such as `hub configuration`. */
  what: string;
  /** @throws SondeError CONFIG_INVALID */
  parseConfig: (value: unknown) => Config;
  /**
   * Looks at what the shape does not say, and changes nothing.
   *
   * @throws SondeError
   */
  check: (config: Config) => void;
  /** The settings that `reload` takes over, such as `callTimeoutMs`; with all beneath them. */
  live: readonly string[];
  /** When it throws, it leaves nothing running. */
  start: (config: Config, ports: ServicePorts) => Promise<Running<Config>>;
  /** How long `stop` may take. */
  stopDeadlineMs?: number;
};

/** Less than a supervisor waits before it sends SIGKILL. */
const STOP_DEADLINE_MS = 12_000;

/**
 * Runs a service as this process. The only argument is the path of its configuration
 * file. One JSON line on standard output says that the service is ready, or why it is
 * not. It does not start with any right that could lead to root. The process ends on SIGTERM, on
 * SIGINT and, if the configuration says `supervised`, with its supervisor. On SIGHUP it reads its
 * configuration anew.
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
  const hangUps = holdHangUps();
  const run = async (): Promise<void> => {
    requireUnprivileged();
    const [file, ...more] = process.argv.slice(2);
    if (file === undefined || more.length > 0) {
      throw new SondeError("CONFIG_INVALID", `expected a ${options.what} as the only argument`);
    }
    const config = readConfig(file, options);
    const running = await options.start(config, {
      ...{ report: logger.report, info: logger.info, now, endFor },
    });
    stopOnRequest(running, { supervised: config.supervised, deadlineMs, logger, endFor });
    print({ ready: true, pid: process.pid, ...running.ready });
    const take = createLiveSettings(config, options.live);
    hangUps.use(() => reload({ options, file, running, take, logger }));
  };
  run().catch(endFor);
}

function readConfig<Config>(file: string, options: ServiceOptions<Config>): Config {
  const config = options.parseConfig(readConfiguredJson(file, options.what));
  options.check(config);
  return config;
}

type Reloading<Config extends object> = {
  options: ServiceOptions<Config>;
  file: string;
  running: Running<Config>;
  take: ReturnType<typeof createLiveSettings<Config>>;
  logger: Logger;
};

/** Takes over a configuration that is sound in whole, and says what of it waits for a restart. */
function reload<Config extends object>(reloading: Reloading<Config>): void {
  const { options, file, running, take, logger } = reloading;
  try {
    const { inForce, said } = take(readConfig(file, options));
    running.reload(inForce);
    logger.info(`configuration reloaded; ${said}`);
  } catch (thrown) {
    const { code, message } = toSondeError(thrown);
    const why = `configuration not reloaded, nothing was changed: ${code}: ${message}`;
    logger.report(new Error(why, { cause: thrown }));
  }
}

type Ending = {
  supervised: boolean;
  deadlineMs: number;
  logger: Logger;
  endFor: (thrown: unknown) => void;
};

function stopOnRequest(running: Pick<Running<never>, "stop">, ending: Ending): void {
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
