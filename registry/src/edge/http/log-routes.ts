import { SondeError } from "@sonde/schemas";
import { formatNoteKey, parseTilePath, rootOf, signCheckpoint } from "@sonde/trust/log";
import type { LogKey } from "../log-key.ts";
import type { LogStore } from "../store/log-store.ts";
import type { HttpServer } from "./http-server.ts";

const IMMUTABLE = "public, max-age=31536000, immutable";
/** A head is signed at most this often; what is signed is at most this old. */
const SIGN_EVERY_MS = 1000;

export type LogRoutePorts = { log: LogStore; logKey: LogKey; now: () => Date };

/**
 * The transparency log as C2SP tlog-tiles below `/log`: public, and the same
 * for everybody.
 */
export function addLogRoutes(app: HttpServer, ports: LogRoutePorts): void {
  const readCheckpoint = createCheckpointReader(ports);
  app.get("/log/key", (_request, reply) =>
    reply.type("text/plain; charset=utf-8").send(`${formatNoteKey(ports.logKey.key)}\n`),
  );
  app.get("/log/checkpoint", async (_request, reply) =>
    reply
      .type("text/plain; charset=utf-8")
      .header("cache-control", "no-store")
      .send(await readCheckpoint()),
  );
  app.get("/log/tile/*", async (request, reply) => {
    const [path = ""] = request.url.split("?");
    const id = parseTilePath(path.slice("/log/".length));
    const bytes = id === null ? null : await ports.log.readTile(id);
    if (bytes === null)
      throw new SondeError("NOT_FOUND", `expected a tile of the log, got ${path}`);
    return reply.type("application/octet-stream").header("cache-control", IMMUTABLE).send(bytes);
  });
}

/** The committed head, signed now, or a moment ago if nothing was appended since. */
function createCheckpointReader({ log, logKey, now }: LogRoutePorts): () => Promise<string> {
  let last: { size: number; atMs: number; note: string } | null = null;
  return async () => {
    const head = await log.readHead();
    const at = now();
    const isFresh = last !== null && at.getTime() - last.atMs < SIGN_EVERY_MS;
    if (last === null || last.size !== head.size || !isFresh) {
      const note = signCheckpoint(
        { size: head.size, root: rootOf(head) },
        logKey.key,
        logKey.privateKey,
        at,
      );
      last = { size: head.size, atMs: at.getTime(), note };
    }
    return last.note;
  };
}
