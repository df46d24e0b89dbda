import type { OpenApi } from "./demand-documented.ts";

/** Rules of the linter's strict set that do not hold here, with the reason. */
const OFF = {
  // `/people/:id/sessions` and `/people/invitations/:id` are told apart: an id is a UUID.
  "no-ambiguous-paths": "off",
} as const;

/**
 * Lints a document by the strict set of rules that its linter recommends. Nothing is fetched.
 *
 * @returns each problem as rule, place and message
 */
export async function lintOpenApi(document: OpenApi): Promise<string[]> {
  // Loaded by the tests that use it: others need not wait for it.
  const { createConfig, lintFromString } = await import("@redocly/openapi-core");
  const config = await createConfig({ extends: ["recommended-strict"], rules: OFF });
  const source = JSON.stringify(document);
  const problems = await lintFromString({ source, absoluteRef: "/openapi.json", config });
  return problems.map(
    ({ ruleId, message, location: [at] }) => `${ruleId} ${at?.pointer ?? ""}: ${message}`,
  );
}
