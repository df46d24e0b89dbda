import { Capability } from "@sonde/schemas/names";
import { type Static, Type } from "typebox";

// What the configuration says of OAuth. hub/src/oauth/ acts by it.

const closed = { additionalProperties: false } as const;
const HttpsOrigin = Type.String({ pattern: "^https://[a-z0-9.-]+(:[0-9]{1,5})?$", maxLength: 300 });
const Host = Type.String({ pattern: "^[a-z0-9.-]+(:[0-9]{1,5})?$", maxLength: 300 });
const Network = Type.String({ pattern: "^[0-9a-f.:]+/[0-9]{1,3}$", maxLength: 60 });

/**
 * Which clients a person may let in. A client that no rule names is refused before anybody is asked:
 * a consent page for `https://claude.evil.example` is how people are tricked.
 */
export const ClientRules = Type.Object(
  {
    /** Redirect addresses, whole. Claude's two by default. */
    redirects: Type.Optional(Type.Array(Type.String({ pattern: "^https://", maxLength: 500 }))),
    /** Origins at which any path may be a redirect address. None by default. */
    origins: Type.Optional(Type.Array(HttpsOrigin, { maxItems: 100 })),
    /** Hosts whose addresses may be a client id, the place of its metadata. Claude's by default. */
    documentHosts: Type.Optional(Type.Array(Host, { maxItems: 100 })),
    /** Networks of one's own where such a host may be. It is on the public internet by default. */
    documentNetworks: Type.Optional(Type.Array(Network, { maxItems: 20 })),
    /** Whether programs of a terminal, which listen on a loopback port, may be clients. */
    loopback: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type ClientRules = Static<typeof ClientRules>;

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
    ceiling: Type.Optional(Capability),
  },
  closed,
);
export type IdentityProvider = Static<typeof IdentityProvider>;
