import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { dirname } from "node:path";
import { type AgentPacks, type AgentStatus, type PackExplanation } from "@sonde/schemas/agent";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import { type PackName } from "@sonde/schemas/names";

/** The handlers of `sonde agent ...`; schemas/src/agent-api.ts has the routes. */
export type LocalHandlers = {
  status: () => AgentStatus;
  packs: () => AgentPacks;
  /** @throws SondeError NOT_FOUND */
  explain: (name: PackName) => PackExplanation;
  reload: () => AgentPacks;
  acceptHub: () => AgentStatus;
};

export type LocalApi = { close(): Promise<void> };

const PACK_ROUTE = /^\/packs\/([a-z][a-z0-9-]{0,38}\/[a-z][a-z0-9-]{0,38})$/;
const MAX_CONNECTIONS = 16;
const IDLE_MS = 10_000;

/**
 * Serves the local API on a unix socket in the agent's own folder. File modes are the
 * only authentication: the folder (0750) and the socket (0660) admit root, the agent's
 * user and its group. For that reason no route can extend what a pack may do.
 *
 * @throws SondeError STARTING_FAILED when the socket's path is taken by something else
 */
export async function openLocalApi(socketPath: string, handlers: LocalHandlers): Promise<LocalApi> {
  const folder = dirname(socketPath);
  mkdirSync(folder, { recursive: true, mode: 0o750 });
  chmodSync(folder, 0o750);
  removeStaleSocket(socketPath);
  const server = createServer((request, response) => answer(request, response, handlers));
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = IDLE_MS;
  server.headersTimeout = IDLE_MS;
  await listen(server, socketPath);
  chmodSync(socketPath, 0o660);
  return {
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * Removes the socket of an agent that was killed. This process holds the lock of the
 * state folder, so no other agent uses it.
 */
function removeStaleSocket(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (!stats.isSocket()) throw new SondeError("STARTING_FAILED", `${path}: expected a socket`);
  rmSync(path);
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(new SondeError("STARTING_FAILED", `${path}: could not listen`, { cause: error }));
    });
    server.listen(path, resolve);
  });
}

function answer(request: IncomingMessage, response: ServerResponse, handlers: LocalHandlers): void {
  try {
    send(response, 200, route(request.method ?? "", request.url ?? "", handlers));
  } catch (thrown) {
    const error = toSondeError(thrown);
    send(response, error.status, error.toBody());
  }
}

function route(method: string, url: string, handlers: LocalHandlers): object {
  const pack = PACK_ROUTE.exec(url)?.[1];
  if (method === "GET" && url === "/status") return handlers.status();
  if (method === "GET" && url === "/packs") return handlers.packs();
  if (method === "GET" && pack !== undefined) return handlers.explain(pack);
  if (method === "POST" && url === "/reload") return handlers.reload();
  if (method === "POST" && url === "/accept-hub") return handlers.acceptHub();
  throw new SondeError("NOT_FOUND", "expected one of the routes of the agent's local API");
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}
