import swagger from "@fastify/swagger";
import { ERROR_TABLE } from "@sonde/schemas";
import type { HttpServer } from "./http-server.ts";

/**
 * Makes the OpenAPI document of every route that is added after it; the schemas
 * are those that the routes check by. Served at `/api/v1/openapi.json`.
 */
export async function installOpenApi(app: HttpServer, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Sonde registry",
        version,
        description: `Every refusal is {"error": {"code", "message", "retryable", "hint"}}; the codes are ${Object.keys(ERROR_TABLE).length} words of one closed table.`,
      },
      components: {
        securitySchemes: {
          publisher: { type: "http", scheme: "bearer", description: "A publisher's token" },
        },
      },
    },
  });
  app.get(
    "/api/v1/openapi.json",
    { schema: { summary: "This document" }, config: { conditional: true } },
    () => app.swagger(),
  );
}
