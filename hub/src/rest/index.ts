import { RELEASE } from "@sonde/schemas/release";
import { installOpenApi, type Report, type HttpServer } from "@sonde/service";
import type { Sql } from "postgres";
import { Type } from "typebox";
import { rolesFor } from "../identity/index.ts";
import { createPages, type Pages } from "./core/pages.ts";
import { IDEMPOTENCY_KEY_PATTERN, installIdempotency, isWrite } from "./edge/idempotent-writes.ts";
import { openWriteStore } from "./edge/write-store.ts";

export type { Pages, PageRequest } from "./core/pages.ts";
export { migrations } from "./migrations.ts";

const EXPIRE_EVERY_MS = 10 * 60_000;
const IdempotencyHeaders = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({
      pattern: IDEMPOTENCY_KEY_PATTERN,
      description: "Sent again with the same key, the same request is done once and answered alike",
    }),
  ),
});

/**
 * Installs what all routes below `/api/v1` share: their OpenAPI document, the keys of repeated
 * writes, and the pages of lists. Runs before any route is added.
 *
 * @param options.self this hub's name among the hubs of the database
 * @param options.running the names of the hubs that run
 */
export async function installRest(
  app: HttpServer,
  options: {
    sql: Sql;
    self: string;
    running: () => string[];
    now: () => Date;
    report: Report;
  },
): Promise<{ pages: Pages; stop: () => void }> {
  const { sql, self, running, now, report } = options;
  await installOpenApi(app, {
    title: "Sonde hub",
    version: RELEASE,
    description:
      "A key or a person may be narrowed further to agents and tools. Lists come in pages: next is the cursor of the page that follows.",
    security: { name: "key", description: "An API key, or the access token of an OAuth client" },
    errors: [
      "ORIGIN_REFUSED",
      "KEY_IN_ADDRESS",
      "ADDRESS_REFUSED",
      "ACCESS_ENDED",
      "AUDIT_UNAVAILABLE",
      "DATABASE_UNAVAILABLE",
      "INTERNAL",
    ],
    rolesFor,
    below: "/api/v1/",
    describe: ({ method, config: { right } }) =>
      right === "anybody" || !isWrite(method)
        ? {}
        : {
            headers: IdempotencyHeaders,
            errors: ["IDEMPOTENCY_CONFLICT", "REQUEST_RUNNING", "ANSWER_LOST", "TOO_MANY_ATTEMPTS"],
          },
  });
  const store = await openWriteStore(sql, self);
  installIdempotency(app, { ...{ store, running, now, report } });
  const expiring = setInterval(() => {
    store.expire(now()).catch(report);
  }, EXPIRE_EVERY_MS);
  const [row] = await sql<{ secret: string[] }[]>`select secret from page_secret`;
  if (row === undefined) throw new Error("page_secret has no row");
  return {
    pages: createPages(Buffer.from(row.secret.join(""))),
    stop: () => clearInterval(expiring),
  };
}
