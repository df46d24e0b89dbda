import swagger from "@fastify/swagger";
import { ERROR_TABLE, type ErrorCode } from "@sonde/schemas/errors";
import type { HttpServer } from "@sonde/service";
import type { FastifyContextConfig, FastifySchema } from "fastify";
import { type TSchema, Type } from "typebox";
import { isRight, rolesFor } from "../../core/authorize.ts";
import { NOT_MODIFIED } from "./conditional.ts";

declare module "fastify" {
  interface FastifySchema {
    "x-sonde-right"?: unknown;
  }
  interface FastifyContextConfig {
    /** Schema of a body that the route parses itself; only for the document. */
    body?: TSchema;
  }
}

const DESCRIPTION = `Every refusal is {"error": {"code", "message", "retryable", "hint"}}; the codes are from one closed table.
Each operation names in x-sonde-right who may call it: "anybody", or an action and the roles that have it. Roles are those of
publishers' tokens, which a token may narrow further; the operator asks on the registry's unix socket and needs no token.`;

/**
 * Serves the OpenAPI document of all routes added later, at `/api/v1/openapi.json`. It is made from
 * the schemas that the routes check by.
 *
 * @param errors codes by which any route may refuse
 */
export async function installOpenApi(
  app: HttpServer,
  { title, version, errors }: { title: string; version: string; errors: readonly ErrorCode[] },
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title, version, description: DESCRIPTION },
      components: {
        securitySchemes: {
          publisher: { type: "http", scheme: "bearer", description: "A publisher's token" },
        },
      },
    },
    transform: ({ schema, url, route }) => ({
      schema: describeRoute(schema, route.config, errors),
      url,
    }),
  });
  app.get(
    "/api/v1/openapi.json",
    { schema: { summary: "This document" }, config: { right: "anybody", conditional: true } },
    () => app.swagger(),
  );
}

function describeRoute(
  declared: FastifySchema = {},
  { right = "anybody", errors = [], body, conditional = false }: FastifyContextConfig = {},
  everywhere: readonly ErrorCode[],
): FastifySchema {
  const schema = body === undefined ? declared : { ...declared, body };
  const { params, querystring, response = { 200: Type.Unknown({ description: "Done" }) } } = schema;
  const codes = new Set<ErrorCode>([...everywhere, ...errors]);
  if (params !== undefined || querystring !== undefined || schema.body !== undefined) {
    codes.add("BAD_REQUEST");
  }
  if (schema.body !== undefined) codes.add("BODY_TOO_LARGE");
  const isPublic = right === "anybody";
  if (!isPublic) codes.add("UNAUTHENTICATED").add("FORBIDDEN");
  return {
    ...schema,
    "x-sonde-right": isPublic
      ? right
      : { action: right, roles: isRight(right) ? rolesFor(right) : [] },
    ...(!isPublic && { security: [{ publisher: [] }] }),
    response: {
      ...(response as object),
      ...(conditional && { 304: NOT_MODIFIED }),
      ...describeErrors(codes),
    },
  };
}

/** Builds one response for each status, with all codes of that status. */
function describeErrors(codes: ReadonlySet<ErrorCode>): Record<number, object> {
  const byStatus = Map.groupBy(codes, (code) => ERROR_TABLE[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, these]) => {
      const error = Type.Object({
        code: Type.Enum(these),
        message: Type.String(),
        retryable: Type.Boolean(),
        hint: Type.String(),
      });
      const description = these.map((code) => `${code}: ${ERROR_TABLE[code].hint}`).join(" ");
      return [
        status,
        { description, content: { "application/json": { schema: Type.Object({ error }) } } },
      ];
    }),
  );
}
