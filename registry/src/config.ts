import { Capability } from "@sonde/schemas/names";
import { buildParser } from "@sonde/schemas/parse";
import { LogKeyText } from "@sonde/schemas/trust";
import { type Static, Type } from "typebox";

const closed = { additionalProperties: false } as const;

/** Without query and fragment; plain HTTP on loopback alone. */
const SAFE_URL =
  "^(https://[A-Za-z0-9.-]+|http://(127\\.0\\.0\\.1|localhost|\\[::1\\]))(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$";
const SafeUrl = Type.String({ pattern: SAFE_URL, maxLength: 300 });

/** An OIDC issuer whose identity tokens are looked at, and where its keys are. */
const TrustedIssuer = Type.Union([
  Type.Object(
    {
      kind: Type.Enum(["github", "gitlab"]),
      issuer: SafeUrl,
      /** By default where such an issuer has them. */
      jwksUri: Type.Optional(SafeUrl),
    },
    closed,
  ),
  Type.Object({ kind: Type.Literal("generic"), issuer: SafeUrl, jwksUri: SafeUrl }, closed),
]);
export type TrustedIssuer = Static<typeof TrustedIssuer>;

/** The registry's configuration file (JSON). A port of 0 is chosen once and then kept. */
export const RegistryConfig = Type.Object(
  {
    /** Folder of this registry alone: archives, database, operator socket. */
    dataDir: Type.String({ pattern: "^/", maxLength: 400 }),
    /** `postgres://...`; without it the registry runs its own PostgreSQL in dataDir. */
    databaseUrl: Type.Optional(Type.String({ minLength: 1 })),
    http: Type.Object(
      {
        host: Type.String({ minLength: 1 }),
        port: Type.Integer({ minimum: 0, maximum: 65535 }),
        /** True when a proxy on a trusted network ends TLS in front of this listener. */
        behindProxy: Type.Boolean(),
      },
      closed,
    ),
    /** Name of the transparency log, a URL without its scheme; by default made of the log's key. */
    logName: Type.Optional(Type.String({ pattern: "^[a-z0-9][a-z0-9.:/_-]{0,199}$" })),
    /**
     * This registry has no log of its own but serves that of another one, as `sonde registry
     * import` brings it. Nobody publishes here.
     */
    mirror: Type.Optional(
      Type.Object(
        {
          /** The key of the log that is mirrored, `NAME+KEYID+BASE64`: no other is ever taken in. */
          logKey: LogKeyText,
        },
        closed,
      ),
    ),
    /** Lets jobs of these issuers publish without a standing secret; by default none. */
    trustedPublishing: Type.Optional(
      Type.Object(
        {
          /** What identity tokens must be made for: this registry's address, as publishers give it. */
          audience: SafeUrl,
          issuers: Type.Array(TrustedIssuer, { minItems: 1, maxItems: 20 }),
        },
        closed,
      ),
    ),
    /** The bundled admit program, which reads and verifies uploads. */
    admitPath: Type.String({ pattern: "^/", maxLength: 400 }),
    /** The highest level a published probe may need; `observe` unless the operator wants more. */
    maxCapability: Capability,
    /**
     * Sigstore's trusted root (JSON), pinned: what keyless signatures are verified
     * against. Without it only publishers' keys count. Read once, at the start.
     */
    trustedRootFile: Type.Optional(Type.String({ pattern: "^/", maxLength: 400 })),
    /** What one client address may ask each minute; twice that may come at once. */
    rateLimits: Type.Optional(
      Type.Object(
        {
          readsPerMinute: Type.Integer({ minimum: 1 }),
          writesPerMinute: Type.Integer({ minimum: 1 }),
          /** Requests whose token was refused. */
          refusalsPerMinute: Type.Integer({ minimum: 1 }),
        },
        closed,
      ),
    ),
    /** End when standard input closes, so that no registry outlives its supervisor. */
    supervised: Type.Boolean(),
  },
  closed,
);
export type RegistryConfig = Static<typeof RegistryConfig>;

/** For a registry that says nothing: much for a fleet behind one address, little for guessing. */
export const DEFAULT_RATE_LIMITS = {
  readsPerMinute: 6000,
  writesPerMinute: 60,
  refusalsPerMinute: 20,
} as const;

export const parseRegistryConfig = buildParser(
  RegistryConfig,
  "registry configuration",
  "CONFIG_INVALID",
);
