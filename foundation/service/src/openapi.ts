import swagger from "@fastify/swagger";
import { ERROR_TABLE, type ErrorCode } from "@sonde/schemas/errors";
import type { FastifyContextConfig, FastifySchema } from "fastify";
import { type TSchema, Type } from "typebox";
import { buildProblemSchema, PROBLEM_TYPE } from "./problem.ts";
import type { HttpServer } from "./server.ts";

declare module "fastify" {
  interface FastifySchema {
    "x-sonde-right"?: unknown;
  }
  interface FastifyContextConfig {
    /** Error codes of this route, besides those of every route. */
    errors?: readonly ErrorCode[];
    /** Schema of a body that the route parses itself; only for the document. */
    body?: TSchema;
  }
}

export type OpenApiOptions = {
  title: string;
  version: string;
  /** Who may call, in a sentence after what is said of refusals. */
  description: string;
  /** Codes by which any route may refuse. */
  errors: readonly ErrorCode[];
  /** How a caller authenticates, by the name of the scheme. */
  security: { name: string; description: string };
  /** Which roles have a right. */
  rolesFor: (right: string) => readonly string[];
  /** Routes below this path only; by default all. */
  below?: string;
  /** What a route has besides what it declares. */
  describe?: (route: { method: string; config: FastifyContextConfig }) => {
    errors?: readonly ErrorCode[];
    headers?: TSchema;
    /** By status. */
    answers?: Record<number, TSchema>;
  };
  /** Configuration of the document's own route, besides its right. */
  config?: FastifyContextConfig;
};

const REFUSALS = `Every refusal is a problem (RFC 9457) as ${PROBLEM_TYPE}. Its code is one of a closed table, and its hint is the next step.
Each operation names in x-sonde-right who may call it: "anybody", or a right and the roles that have it.`;

/**
 * Serves the OpenAPI document of all routes added later, at `/api/v1/openapi.json`. It is made from
 * the schemas that the routes check by.
 */
export async function installOpenApi(app: HttpServer, options: OpenApiOptions): Promise<void> {
  const { title, version, description, security, below = "/", config = {} } = options;
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        ...{ title, version, description: `${REFUSALS} ${description}` },
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      // The service that serves the document.
      servers: [{ url: "/" }],
      components: {
        securitySchemes: {
          [security.name]: { type: "http", scheme: "bearer", description: security.description },
        },
      },
    },
    transform: ({ schema, url, route }) => ({
      schema: url.startsWith(below)
        ? {
            ...describeRoute(schema, String(route.method), route.config ?? {}, options),
            operationId: nameOperation(String(route.method), url),
          }
        : { hide: true },
      url,
    }),
  });
  app.get(
    "/api/v1/openapi.json",
    { schema: { summary: "This document" }, config: { ...config, right: "anybody" } },
    () => app.swagger(),
  );
}

/** `GET /api/v1/agents/:agent` is `getAgentsAgent`: generated clients call it so. */
function nameOperation(method: string, url: string): string {
  const words = url.replace(/^\/api\/v1\//, "").match(/[A-Za-z0-9]+/g) ?? [];
  const named = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${method.toLowerCase()}${named.join("")}`;
}

function describeRoute(
  declared: FastifySchema = {},
  method: string,
  config: FastifyContextConfig,
  { errors: everywhere, security, rolesFor, describe = () => ({}) }: OpenApiOptions,
): FastifySchema {
  const { right = "anybody", errors = [], body } = config;
  const { errors: more = [], headers, answers = {} } = describe({ method, config });
  const schema = body === undefined ? declared : { ...declared, body };
  const { params, querystring, response = { 200: Type.Unknown({ description: "Done" }) } } = schema;
  const codes = new Set<ErrorCode>([...everywhere, ...errors, ...more]);
  if (params !== undefined || querystring !== undefined || schema.body !== undefined) {
    codes.add("BAD_REQUEST");
  }
  if (schema.body !== undefined) codes.add("BODY_TOO_LARGE");
  const isPublic = right === "anybody";
  if (!isPublic) codes.add("UNAUTHENTICATED").add("FORBIDDEN");
  return {
    ...schema,
    ...(headers !== undefined && { headers }),
    "x-sonde-right": isPublic ? right : { action: right, roles: rolesFor(right) },
    security: isPublic ? [] : [{ [security.name]: [] }],
    response: { ...(response as object), ...answers, ...describeErrors(codes) },
  };
}

/** Builds one response for each status, with all codes of that status. */
function describeErrors(codes: ReadonlySet<ErrorCode>): Record<number, object> {
  const byStatus = Map.groupBy(codes, (code) => ERROR_TABLE[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, these]) => {
      const description = these.map((code) => `${code}: ${ERROR_TABLE[code].hint}`).join(" ");
      return [
        status,
        { description, content: { [PROBLEM_TYPE]: { schema: buildProblemSchema(these) } } },
      ];
    }),
  );
}
