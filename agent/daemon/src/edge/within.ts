import { SondeError } from "@sonde/schemas/errors";

/**
 * Resolves as the work does, or throws CALL_TIMEOUT after `ms`. Does not stop the work;
 * the work has its own deadline.
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
