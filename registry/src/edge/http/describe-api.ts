import type { ErrorCode } from "@sonde/schemas/errors";
import { RELEASE } from "@sonde/schemas/release";
import { type HttpServer, installOpenApi } from "@sonde/service";
import { isRight, rolesFor } from "../../core/authorize.ts";
import { NOT_MODIFIED } from "./conditional.ts";

/**
 * Serves the OpenAPI document of a listener's routes.
 *
 * @param errors codes by which any route may refuse
 */
export async function describeApi(
  app: HttpServer,
  title: string,
  errors: readonly ErrorCode[],
): Promise<void> {
  await installOpenApi(app, {
    ...{ title, version: RELEASE, errors },
    description:
      "Roles are those of publishers' tokens, which a token may narrow further; the operator asks on the registry's unix socket and needs no token.",
    security: { name: "publisher", description: "A publisher's token" },
    rolesFor: (right) => (isRight(right) ? rolesFor(right) : []),
    answersOf: ({ conditional = false }): Record<number, typeof NOT_MODIFIED> =>
      conditional ? { 304: NOT_MODIFIED } : {},
    config: { conditional: true },
  });
}
