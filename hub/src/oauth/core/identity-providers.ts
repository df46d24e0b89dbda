import { type Static, Type } from "typebox";
import { MCP_SCOPES } from "./scopes.ts";

const closed = { additionalProperties: false } as const;
const Address = Type.String({ pattern: "^https?://[^\\s]+$", maxLength: 300 });

/**
 * An identity provider of the company that may let clients in for its people, in place of a consent
 * page (enterprise-managed authorization). None by default.
 */
export const IdentityProvider = Type.Object(
  {
    /** As in the `iss` of its assertions, and of the accounts that come from it. */
    issuer: Address,
    /** Where its keys are. Addresses in an assertion are ignored. */
    jwksUri: Address,
    /** Client ids that it may let in. */
    clients: Type.Array(Type.String({ minLength: 1, maxLength: 500 }), {
      minItems: 1,
      maxItems: 100,
    }),
    /** The highest scope that it may give; `observe` by default. */
    ceiling: Type.Optional(Type.Enum([...MCP_SCOPES])),
  },
  closed,
);
export type IdentityProvider = Static<typeof IdentityProvider>;

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
