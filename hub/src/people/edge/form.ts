import { SondeError } from "@sonde/schemas/errors";
import type { FastifyInstance } from "fastify";

const MAX_FORM_BYTES = 16 * 1024;

/** Lets the routes of a scope take what a form without a script sends. */
export function acceptForms(scope: Pick<FastifyInstance, "addContentTypeParser">): void {
  scope.addContentTypeParser<string>(
    "application/x-www-form-urlencoded",
    { parseAs: "string", bodyLimit: MAX_FORM_BYTES },
    (_request, text, done) => {
      const fields = [...new URLSearchParams(text)];
      const names = new Set(fields.map(([name]) => name));
      if (names.size !== fields.length) {
        return done(new SondeError("BAD_REQUEST", "expected each field of the form once"));
      }
      done(null, Object.assign(Object.create(null), Object.fromEntries(fields)));
    },
  );
}
