/** The grant of RFC 7523. */
export const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/** The type of an identity assertion authorization grant: no other token of the provider counts. */
const ID_JAG = "oauth-id-jag+jwt";

/** What an assertion says that counts here. */
export type Assertion = {
  subject: string;
  scope: string | undefined;
  resource: string | undefined;
};

/**
 * Reads what a verified assertion says.
 *
 * @param type of its header
 * @param claims of the verified assertion
 * @param clientId of the client that brought it
 * @returns the reason of a refusal as text
 */
export function readAssertion(
  type: unknown,
  claims: ReadonlyMap<string, unknown>,
  clientId: string,
): Assertion | string {
  if (type !== ID_JAG) return `expected the type ${ID_JAG}`;
  if (claims.get("client_id") !== clientId) return "expected an assertion for this client";
  const subject = claims.get("sub");
  if (typeof subject !== "string" || subject === "") return "expected a subject";
  const scope = claims.get("scope");
  const resource = claims.get("resource");
  return {
    subject,
    scope: typeof scope === "string" ? scope : undefined,
    resource: typeof resource === "string" ? resource : undefined,
  };
}
