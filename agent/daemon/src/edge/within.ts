import { SondeError } from "@sonde/schemas/errors";

/**
 * Gives the work's outcome, or throws CALL_TIMEOUT after `ms`. The work itself
 * is not stopped: who does it has a deadline of its own.
 */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new SondeError("CALL_TIMEOUT", `expected an answer within ${ms} ms`)),
    ms,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
