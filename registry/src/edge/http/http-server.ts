import { randomUUID } from "node:crypto";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { SondeError, toSondeError } from "@sonde/schemas/errors";
import Fastify, { type FastifyError, type FastifyInstance } from "fastify";

/** Says what happened to a request, for the log: never a token or a body. */
export type Report = (error: Error, requestId: string) => void;

/** A refusal holds for now: what is not there yet may come, and what is stopped be released. */
export const NOT_CACHED = { "cache-control": "no-store" };

const MAX_JSON_BYTES = 16 * 1024;

/**
 * An HTTP server without routes, the same for publishers and for the operator:
 * strict schemas (nothing coerced, stripped or defaulted), every error a body
 * of the error table, every answer with its request's id.
 *
 * @param options `behindProxy`: a proxy tells who the client is; `requestTimeoutMs`: how long one
 *   request may take to arrive, 0 for any time
 */
export function createHttpServer(
  report: Report,
  { behindProxy = false, requestTimeoutMs = 60_000 } = {},
) {
  const app = Fastify({
    // The last address of X-Forwarded-For is the proxy's word; those before it are anybody's.
    trustProxy: behindProxy ? (_address: string, hop: number) => hop === 0 : false,
    bodyLimit: MAX_JSON_BYTES,
    requestTimeout: requestTimeoutMs,
    connectionTimeout: 0,
    keepAliveTimeout: 65_000,
    forceCloseConnections: true,
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: 100 },
    // What fails before a route is found, such as a path that cannot be decoded.
    frameworkErrors: (thrown, _request, reply) => {
      const error = narrow(thrown);
      reply.raw.writeHead(error.status, { "content-type": "application/json", ...NOT_CACHED });
      reply.raw.end(JSON.stringify(error.toBody()));
    },
    ajv: {
      customOptions: {
        strict: true,
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
      },
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.removeContentTypeParser("text/plain");
  // A response's schema documents it; nothing is left out of an answer because of it.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  app.addHook("onRequest", async (request, reply) => {
    reply.header("sonde-request-id", request.id).header("x-content-type-options", "nosniff");
  });
  installErrorHandling(app, report);
  return app;
}
export type HttpServer = ReturnType<typeof createHttpServer>;

function installErrorHandling(
  app: Pick<FastifyInstance, "setErrorHandler" | "setNotFoundHandler">,
  report: Report,
): void {
  app.setErrorHandler<FastifyError>((thrown, request, reply) => {
    const error = narrow(thrown);
    if (error.status >= 500) report(error, request.id);
    return reply.code(error.status).headers(NOT_CACHED).send(error.toBody());
  });
  app.setNotFoundHandler((request, reply) => {
    const [path] = request.url.split("?");
    const error = new SondeError("NOT_FOUND", `expected a route, got ${request.method} ${path}`);
    return reply.code(error.status).headers(NOT_CACHED).send(error.toBody());
  });
}

/** The framework's own refusals (malformed body, wrong media type, schema misfit) get our codes. */
export function narrow(thrown: Partial<FastifyError>): SondeError {
  if (thrown instanceof SondeError) return thrown;
  const { statusCode, message = "" } = thrown;
  if (statusCode === 413) return new SondeError("BODY_TOO_LARGE", "expected a smaller body");
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new SondeError("BAD_REQUEST", message);
  }
  return toSondeError(thrown);
}
