import { SondeError, toSondeError } from "@sonde/schemas/errors";
import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifyServerOptions,
  RawServerBase,
} from "fastify";
import type { Socket } from "node:net";

/** Nothing is coerced, stripped or defaulted: what was checked is what is used. */
export const STRICT_AJV: NonNullable<FastifyServerOptions["ajv"]> = {
  customOptions: {
    strict: true,
    coerceTypes: false,
    removeAdditional: false,
    useDefaults: false,
    allErrors: false,
  },
};

/** Every error of every route leaves as a body of the error table, and nothing else leaves. */
export function installErrorHandling<S extends RawServerBase>(
  app: FastifyInstance<S>,
  report: (error: Error) => void = () => undefined,
): void {
  app.setErrorHandler<FastifyError>((thrown, _request, reply) => {
    const error = fromFastify(thrown);
    if (error.code === "INTERNAL") report(thrown);
    return reply.code(error.status).send(error.toBody());
  });
  app.setNotFoundHandler((request, reply) => {
    const error = new SondeError(
      "NOT_FOUND",
      `no route ${request.method} ${request.url.split("?")[0]}`,
    );
    return reply.code(error.status).send(error.toBody());
  });
}

/** Answers a request that has no route because its path cannot be read. */
export function answerUnroutable(
  thrown: FastifyError,
  _request: FastifyRequest,
  reply: FastifyReply,
): void {
  const error = fromFastify(thrown);
  // Raw: a path like this has passed no hook, so nothing else may be answered than this.
  reply.raw.writeHead(error.status, { "content-type": "application/json" });
  reply.raw.end(JSON.stringify(error.toBody()));
}

/** Answers bytes that are no HTTP request at all, or one with too large a header. */
export function answerBrokenRequest(_error: Error, socket: Socket): void {
  if (!socket.writable) return;
  const refused = new SondeError("BAD_REQUEST", "expected an HTTP request, got something else");
  const body = JSON.stringify(refused.toBody());
  socket.end(
    `HTTP/1.1 ${refused.status} Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function fromFastify(thrown: FastifyError): SondeError {
  if (thrown.statusCode === 413) return new SondeError("BODY_TOO_LARGE", "the body is too large");
  const byClient = thrown.statusCode !== undefined && thrown.statusCode < 500;
  // The framework's own refusals: malformed JSON, wrong media type, schema misfit.
  if (byClient && !(thrown instanceof SondeError))
    return new SondeError("BAD_REQUEST", thrown.message);
  return toSondeError(thrown);
}
