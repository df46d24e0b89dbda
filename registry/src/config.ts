import { Capability } from "@sonde/schemas/names";
import { buildParser } from "@sonde/schemas/parse";
import { LogKeyText } from "@sonde/schemas/trust";
import { TlsFiles } from "@sonde/service";
import { type Static, Type } from "typebox";

const closed = { additionalProperties: false } as const;

/** A URL without query and fragment. Plain HTTP is for loopback only. */
const SAFE_URL =
  "^(https://[A-Za-z0-9.-]+|http://(127\\.0\\.0\\.1|localhost|\\[::1\\]))(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$";
const SafeUrl = Type.String({ pattern: SAFE_URL, maxLength: 300 });

/** An OIDC issuer whose identity tokens are accepted, and the address of its keys. */
const TrustedIssuer = Type.Union([
  Type.Object(
    {
      kind: Type.Enum(["github", "gitlab"]),
      issuer: SafeUrl,
      /** By default the usual address for this kind of issuer. */
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
    /** `postgres://...`. By default the registry runs its own PostgreSQL in dataDir. */
    databaseUrl: Type.Optional(Type.String({ minLength: 1 })),
    http: Type.Object(
      {
        host: Type.String({ minLength: 1 }),
        port: Type.Integer({ minimum: 0, maximum: 65535 }),
        /** True when a proxy on a trusted network terminates TLS in front of this listener. */
        behindProxy: Type.Boolean(),
        /**
         * Addresses and networks of that proxy. Only their `X-Forwarded-For` is believed; by default
         * nobody's. Without it, limits and records name the proxy and not its clients.
         */
        trustedProxies: Type.Optional(Type.Array(Type.String(), { maxItems: 50 })),
        /**
         * A second listener of the same routes for other machines, always with TLS: with the
         * operator's own certificate, or with one of the registry's own authority for `names`.
         */
        public: Type.Optional(
          Type.Object(
            {
              host: Type.String({ minLength: 1 }),
              port: Type.Integer({ minimum: 0, maximum: 65535 }),
              /** DNS names and addresses by which other machines reach this registry. */
              names: Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 40 }),
              tls: Type.Optional(TlsFiles),
            },
            closed,
          ),
        ),
      },
      closed,
    ),
    /**
     * Name of the transparency log, a URL without its scheme. By default it is made from the log's
     * key.
     */
    logName: Type.Optional(Type.String({ pattern: "^[a-z0-9][a-z0-9.:/_-]{0,199}$" })),
    /**
     * Makes this registry a mirror: it serves another registry's log, as `sonde registry import`
     * brings it. Nobody can publish here.
     */
    mirror: Type.Optional(
      Type.Object(
        {
          /** Key of the mirrored log, `NAME+KEYID+BASE64`. Only this log can be imported. */
          logKey: LogKeyText,
        },
        closed,
      ),
    ),
    /**
     * Lets jobs of these issuers publish without a long-lived secret. By default no issuer is
     * trusted.
     */
    trustedPublishing: Type.Optional(
      Type.Object(
        {
          /**
           * The audience that identity tokens must have: this registry's address, as publishers use
           * it.
           */
          audience: SafeUrl,
          issuers: Type.Array(TrustedIssuer, { minItems: 1, maxItems: 20 }),
        },
        closed,
      ),
    ),
    /** Path of the bundled admit program, which reads and verifies uploads. */
    admitPath: Type.String({ pattern: "^/", maxLength: 400 }),
    /** The highest capability that a published probe may need. The default is `observe`. */
    maxCapability: Capability,
    /**
     * Sigstore's trusted root (JSON), pinned, for verifying keyless signatures. Without it only
     * publishers' keys are accepted. Read at the start and at each reload.
     */
    trustedRootFile: Type.Optional(Type.String({ pattern: "^/", maxLength: 400 })),
    /** Rate limits for each client address, with bursts of twice the limit. */
    rateLimits: Type.Optional(
      Type.Object(
        {
          readsPerMinute: Type.Integer({ minimum: 1 }),
          writesPerMinute: Type.Integer({ minimum: 1 }),
          /** Requests whose token was refused, or has not the right. */
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

/**
 * Defaults: high enough for a fleet behind one address, low enough to stop the guessing of tokens.
 */
export const DEFAULT_RATE_LIMITS = {
  readsPerMinute: 6000,
  writesPerMinute: 60,
  refusalsPerMinute: 20,
} as const;

/** What a running registry takes over from its configuration file. */
export const LIVE_SETTINGS = [
  "http.trustedProxies",
  "maxCapability",
  "rateLimits",
  "trustedRootFile",
];

export const parseRegistryConfig = buildParser(
  RegistryConfig,
  "registry configuration",
  "CONFIG_INVALID",
);
