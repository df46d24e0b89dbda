import { chmodSync, chownSync, renameSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:net";
import { SondeError } from "@sonde/schemas/errors";

/** A unix socket that only one user may connect to. */
export type SocketPlace = {
  /** In a folder that nobody but the starter can write, and only `owner` can enter. */
  path: string;
  /** The user who may connect; null for the present one. */
  owner: { uid: number; gid: number } | null;
};

/**
 * Makes a listening unix socket and gives its descriptor to `start`, which hands it to a new process.
 * This process accepts nothing on it and keeps no copy. A socket of an earlier process at
 * that path is replaced.
 *
 * @throws SondeError STARTING_FAILED
 */
export function withListeningSocket<T>(place: SocketPlace, start: (fd: number) => T): T {
  const { path, owner } = place;
  const temporary = temporaryPath(path);
  rmSync(temporary, { force: true });
  const server = createServer((socket) => socket.destroy());
  let failure: Error | undefined;
  server.on("error", (error) => {
    failure = error;
  });
  // Node binds and listens within this call, so no connection can be accepted before `close` below.
  server.listen(temporary);
  try {
    if (!server.listening) throw failure ?? new Error(`cannot listen at ${path}`);
    if (owner !== null) chownSync(temporary, owner.uid, owner.gid);
    chmodSync(temporary, 0o600);
    renameSync(temporary, path);
    return start(descriptorOf(server));
  } catch (cause) {
    throw new SondeError("STARTING_FAILED", `cannot listen at ${path}`, { cause });
  } finally {
    server.close();
  }
}

/** Node has no public name for the descriptor of a server. */
function descriptorOf(server: Server): number {
  const { _handle: handle } = server as Server & { _handle: { fd: number } };
  return handle.fd;
}

/** The longer of the two paths that a listening socket has. */
export function temporaryPath(path: string): string {
  return `${path}.new`;
}
