import type { Readable } from "node:stream";
import { SondeError } from "@sonde/schemas/errors";
import { type ImportReport } from "@sonde/schemas/registry";
import type { HttpServer } from "@sonde/service";
import { createExportReader } from "@sonde/trust/export";
import type { NoteKey } from "@sonde/trust/log";
import { importExport } from "../../core/import/import-export.ts";
import type { ImportStore } from "../store/import-store.ts";

export type ImportRoutePorts = {
  imports: ImportStore;
  /** Key of the mirrored log; null when this registry has its own log. */
  mirrored: NoteKey | null;
  now: () => Date;
};

/** Adds the route that imports an export. It is read as a stream, since its size has no bound. */
export function addImportRoute(app: HttpServer, ports: ImportRoutePorts): void {
  app.addContentTypeParser("application/x-tar", (_request, body, done) => done(null, body));
  app.post(
    "/import",
    {
      schema: { consumes: ["application/x-tar"], summary: "Takes an export into a mirror" },
      config: {
        right: "import",
        errors: [
          "BAD_REQUEST",
          "EXPORT_INVALID",
          "REGISTRY_LOG_INCONSISTENT",
          "DIGEST_MISMATCH",
          "ARCHIVE_INVALID",
          "MANIFEST_INVALID",
          "REGISTRY_UNAVAILABLE",
        ],
      },
    },
    async ({ body }): Promise<ImportReport> => {
      const { imports, mirrored: key, now } = ports;
      if (key === null) {
        throw new SondeError(
          "BAD_REQUEST",
          "expected a registry with `mirror` in its configuration, got one with a log of its own",
        );
      }
      const file = createExportReader(body as Readable);
      return await imports.importWhole((target) => importExport({ file, key, target, now: now() }));
    },
  );
}
