import { pino } from "pino";

/** Says what went wrong, for the log. The request's id is the one that its answer carries. */
export type Report = (error: Error, requestId?: string) => void;

/** Never a key, a token, a body, a parameter or a result. */
export type Logger = {
  info(message: string, fields?: object): void;
  report: Report;
};

const STANDARD_ERROR = 2;

/**
 * A log of one JSON line an event. A line is written before the call returns, so
 * that the last one before the end of the process is there.
 */
export function createLogger(now: () => Date, fd = STANDARD_ERROR): Logger {
  const log = pino(
    {
      base: null,
      messageKey: "message",
      timestamp: () => `,"at":"${now().toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
    },
    pino.destination({ fd, sync: true }),
  );
  return {
    info: (message, fields = {}) => log.info(fields, message),
    report({ message, stack, cause }, requestId) {
      log.error(
        {
          stack,
          ...(requestId !== undefined && { requestId }),
          ...(cause instanceof Error && { cause: cause.stack }),
        },
        message,
      );
    },
  };
}
