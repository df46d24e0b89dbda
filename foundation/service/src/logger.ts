import { pino } from "pino";

/** Logs an error. The request's id is the one in the answer. */
export type Report = (error: Error, requestId?: string) => void;

/** A log line never has a key, a token, a body, a parameter or a result. */
export type Logger = {
  info: (message: string, fields?: object) => void;
  report: Report;
};

const STANDARD_ERROR = 2;

/**
 * Creates a log with one JSON line per event. A line is written before the call returns,
 * so that a process that ends has logged its last line.
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
