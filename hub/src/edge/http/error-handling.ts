import { SondeError, toSondeError } from "@sonde/schemas";
import type { FastifyError, FastifyInstance, FastifyServerOptions, RawServerBase } from "fastify";

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

/** What fails before a route is found, such as a path that cannot be decoded. */
export const answerFrameworkError: NonNullable<FastifyServerOptions["frameworkErrors"]> = (
  thrown,
  _request,
  reply,
) => {
  const error = fromFastify(thrown);
  reply.raw.writeHead(error.status, { "content-type": "application/json" });
  reply.raw.end(JSON.stringify(error.toBody()));
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

function fromFastify(thrown: FastifyError): SondeError {
  if (thrown.statusCode === 413) return new SondeError("BODY_TOO_LARGE", "the body is too large");
  const byClient = thrown.statusCode !== undefined && thrown.statusCode < 500;
  // The framework's own refusals: malformed JSON, wrong media type, schema misfit.
  if (byClient && !(thrown instanceof SondeError))
    return new SondeError("BAD_REQUEST", thrown.message);
  return toSondeError(thrown);
}
