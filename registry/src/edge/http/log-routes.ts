import { type ErrorCode, SondeError } from "@sonde/schemas/errors";
import type { HttpServer } from "@sonde/service";
import { type NoteKey, formatNoteKey, parseTilePath } from "@sonde/trust/log";
import { Type } from "typebox";
import type { ReadCheckpoint } from "../log-head.ts";
import type { LogStore } from "../store/log-store.ts";

const IMMUTABLE = "public, max-age=31536000, immutable";

export type LogRoutePorts = { log: LogStore; key: NoteKey; readCheckpoint: ReadCheckpoint };

/**
 * Adds the transparency log as C2SP tlog-tiles below `/log`: public, and the same for every reader.
 */
export function addLogRoutes(app: HttpServer, ports: LogRoutePorts): void {
  app.get(
    "/log/key",
    documented("The key that signs the log's heads", "text/plain"),
    (_request, reply) =>
      reply.type("text/plain; charset=utf-8").send(`${formatNoteKey(ports.key)}\n`),
  );
  app.get(
    "/log/checkpoint",
    documented("The log's signed head", "text/plain"),
    async (_request, reply) =>
      reply
        .type("text/plain; charset=utf-8")
        .header("cache-control", "no-store")
        .send(await ports.readCheckpoint()),
  );
  app.get(
    "/log/tile/*",
    documented("A tile of the log (C2SP tlog-tiles)", "application/octet-stream", ["NOT_FOUND"]),
    async (request, reply) => {
      const [path = ""] = request.url.split("?");
      const id = parseTilePath(path.slice("/log/".length));
      const bytes = id === null ? null : await ports.log.readTile(id);
      if (bytes === null)
        throw new SondeError("NOT_FOUND", `expected a tile of the log, got ${path}`);
      return reply.type("application/octet-stream").header("cache-control", IMMUTABLE).send(bytes);
    },
  );
}

function documented(summary: string, type: string, errors: ErrorCode[] = []) {
  return {
    schema: {
      summary,
      produces: [type],
      response: { 200: Type.Unknown({ description: summary }) },
    },
    config: { right: "anybody", errors },
  } as const;
}
