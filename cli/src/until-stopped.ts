import { Socket } from "node:net";

/** Resolves on Ctrl-C, on a signal, or when the launcher dies. */
export function untilStopped(): Promise<void> {
  return new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => done());
    const parent = process.env["SONDE_PARENT_FD"];
    if (parent === undefined) return;
    // The launcher holds the other end, which closes when the launcher dies. This is a socket, not
    // a file stream: a blocking read in libuv's thread pool would delay the exit.
    new Socket({ fd: Number(parent) })
      .on("error", () => done())
      .on("close", () => done())
      .resume()
      .unref();
  });
}

/** Starts services and ends them when this process is told to stop, also while they start. */
export async function runUntilStopped(
  start: () => Promise<{ stop(): Promise<void> }>,
): Promise<void> {
  const stopped = untilStopped();
  const starting = start();
  const first = await Promise.race([starting, stopped]);
  // After a signal during the start, those that already run must still be stopped.
  const services = first ?? (await starting);
  await stopped;
  await services.stop();
}
