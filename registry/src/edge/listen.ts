import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import type { HttpServer } from "./http/http-server.ts";

const LOOPBACK = ["127.0.0.1", "::1", "localhost"];

/** Paths below the data folder that tell others where the registry is. */
export function runtimePaths(dataDir: string): { folder: string; ready: string; socket: string } {
  const folder = join(dataDir, "run");
  return { folder, ready: join(folder, "registry.json"), socket: join(folder, "operator.sock") };
}

/** Publishers' tokens do not travel in the clear beyond this machine. */
export function requireSafeListener(http: { host: string; behindProxy: boolean }): void {
  if (LOOPBACK.includes(http.host) || http.behindProxy) return;
  throw new SondeError(
    "INSECURE_LISTENER",
    `expected loopback or behindProxy for a listener on ${http.host}, got plain HTTP`,
  );
}

/**
 * Listens for publishers and agents. Port 0 means the port used last time, or
 * any free one when that is taken, so that agents find the registry again.
 */
export async function listenHttp(
  app: HttpServer,
  http: { host: string; port: number },
  dataDir: string,
): Promise<number> {
  const { ready } = runtimePaths(dataDir);
  const kept = http.port === 0 ? readKeptPort(ready) : http.port;
  try {
    await app.listen({ host: http.host, port: kept });
  } catch (thrown) {
    const inUse = thrown instanceof Error && "code" in thrown && thrown.code === "EADDRINUSE";
    const where = `${http.host}:${kept}`;
    if (!inUse) {
      throw new SondeError("RIGHT_MISSING", `cannot listen on ${where}`, { cause: thrown });
    }
    if (http.port !== 0) throw new SondeError("PORT_IN_USE", `${where} is in use`);
    await app.listen({ host: http.host, port: 0 });
  }
  const address = app.server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  writeFileSync(ready, `${JSON.stringify({ pid: process.pid, port })}\n`, { mode: 0o644 });
  return port;
}

/** Listens for the operator, in a folder that is the registry's alone. */
export async function listenOperator(app: HttpServer, dataDir: string): Promise<string> {
  const { folder, socket } = runtimePaths(dataDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  // Left by a killed registry; the database's own lock tells that no other one is alive.
  rmSync(socket, { force: true });
  await app.listen({ path: socket });
  chmodSync(socket, 0o600);
  return socket;
}

function readKeptPort(file: string): number {
  if (!existsSync(file)) return 0;
  const kept: unknown = JSON.parse(readFileSync(file, "utf8"));
  const port = typeof kept === "object" && kept !== null && "port" in kept ? kept.port : 0;
  return typeof port === "number" && Number.isInteger(port) && port < 65536 ? port : 0;
}
