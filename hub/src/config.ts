import { buildParser } from "@sonde/schemas/parse";
import { TlsFiles } from "@sonde/service";
import { KeyAlgorithm } from "@sonde/schemas/wire";
import { PersonRole } from "@sonde/schemas/people";
import { type Static, Type } from "typebox";
import { ClientRules, IdentityProvider } from "./oauth-settings.ts";
import { SinkList } from "./sink-settings.ts";
import { WitnessedLogs, WitnessList } from "./witness-settings.ts";

const closed = { additionalProperties: false } as const;
/** HTTPS, or plain HTTP on loopback. */
const SAFE = "(https://[^/?#@\\s]+|http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]+)?)";
const SAFE_ORIGIN = `^${SAFE}$`;
const SAFE_ADDRESS = `^${SAFE}(/[^?#\\s]*)?$`;
const Port = Type.Integer({ minimum: 0, maximum: 65535 });

/** The hub's configuration file (JSON). A port of 0 is chosen once and then kept. */
export const HubConfig = Type.Object(
  {
    /** Folder of this hub alone: keys, database, verified packs. */
    dataDir: Type.String({ minLength: 1 }),
    /**
     * Folder of the CA key and the command key; by default `keys` in dataDir. Hubs on one database
     * share these keys, since agents see them as one hub.
     */
    keysDir: Type.Optional(Type.String({ minLength: 1 })),
    /** Of the command keys that this hub makes; ed25519 by default. One that exists stays. */
    keyAlgorithm: Type.Optional(KeyAlgorithm),
    /** `postgres://...`. By default the hub runs its own PostgreSQL in dataDir. */
    databaseUrl: Type.Optional(Type.String()),
    http: Type.Object(
      {
        host: Type.String({ minLength: 1 }),
        port: Port,
        /** PEM files. Required beyond loopback unless behindProxy. */
        tls: Type.Optional(TlsFiles),
        /** True when a proxy on a trusted network terminates TLS in front of this listener. */
        behindProxy: Type.Boolean(),
        /**
         * Addresses and networks of that proxy. Only their `X-Forwarded-For` is believed; by default
         * nobody's. Without it, limits and records name the proxy and not its clients.
         */
        trustedProxies: Type.Optional(Type.Array(Type.String(), { maxItems: 50 })),
        /**
         * Host names that clients use, an IPv6 address in brackets. A connection that comes to a
         * loopback address may use the loopback names too.
         */
        publicHosts: Type.Array(Type.String()),
        /**
         * The address by which people and their clients reach this hub, such as
         * `https://hub.example`. By default made of the first public host and the listener that
         * others reach; `http://localhost:PORT` without one. Sign-in and OAuth name it.
         */
        publicUrl: Type.Optional(
          Type.String({ pattern: "^https?://[A-Za-z0-9.\\[\\]:-]+/?$", maxLength: 300 }),
        ),
        /**
         * A second listener of the same routes for other machines, always with TLS: with the
         * operator's own certificate, or with one of the hub's CA for `agents.names`.
         */
        public: Type.Optional(
          Type.Object(
            { host: Type.String({ minLength: 1 }), port: Port, tls: Type.Optional(TlsFiles) },
            closed,
          ),
        ),
      },
      closed,
    ),
    agents: Type.Object(
      {
        host: Type.String({ minLength: 1 }),
        enrolPort: Port,
        controlPort: Port,
        /**
         * DNS names and addresses by which agents reach this hub. An agent keeps the one by which it
         * came to enrol; invitations have the first.
         */
        names: Type.Array(Type.String(), { minItems: 1 }),
      },
      closed,
    ),
    /** Single sign-on of people by OpenID Connect; without it there is none. */
    sso: Type.Optional(
      Type.Object(
        {
          /** How the sign-in page names it. */
          name: Type.String({ minLength: 1, maxLength: 60 }),
          /** Plain HTTP on loopback only. */
          issuer: Type.String({ pattern: SAFE_ADDRESS }),
          clientId: Type.String({ minLength: 1, maxLength: 300 }),
          clientSecretFile: Type.String({ minLength: 1 }),
          /**
           * Scheme, name and port by which browsers reach this hub. The provider sends them back to
           * `/login/sso/callback` there, and nowhere else.
           */
          address: Type.String({ pattern: SAFE_ORIGIN }),
          /** `openid profile email` by default. */
          scope: Type.Optional(Type.String({ minLength: 6, maxLength: 300 })),
          /** The claim that has the person's groups; `groups` by default. */
          groupsClaim: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
          /** The first one whose group the person is in decides. Without any, nobody comes in. */
          roles: Type.Array(
            Type.Object(
              { group: Type.String({ minLength: 1, maxLength: 300 }), role: PersonRole },
              closed,
            ),
            { minItems: 1, maxItems: 100 },
          ),
        },
        closed,
      ),
    ),
    /** trust.json: which publishers' packs this hub offers to clients. */
    trustPolicyPath: Type.String({ minLength: 1 }),
    /** Path of the bundled admit program. */
    admitPath: Type.String({ minLength: 1 }),
    /** Time limit of a call, in ms. Clients give up after about 45 s. */
    callTimeoutMs: Type.Integer({ minimum: 100, maximum: 58_000 }),
    /** How many agents one call may ask; 50 by default. */
    maxAgentsPerCall: Type.Optional(Type.Integer({ minimum: 1, maximum: 5_000 })),
    /**
     * How many tools the list of a key has; 40 by default. Of more, whole packs are found by
     * `search_tools` only, those that were used least.
     */
    maxListedTools: Type.Optional(Type.Integer({ minimum: 6, maximum: 1_000 })),
    /** Which OAuth clients people may let in, and which identity providers may in their place. */
    oauth: Type.Optional(
      Type.Object(
        {
          clients: Type.Optional(ClientRules),
          identityProviders: Type.Optional(Type.Array(IdentityProvider, { maxItems: 10 })),
        },
        closed,
      ),
    ),
    /** Traces for an OpenTelemetry collector; without it there are none. */
    traces: Type.Optional(
      Type.Object(
        {
          /** OTLP over HTTP, whole: `https://collector.example:4318/v1/traces`. */
          endpoint: Type.String({ pattern: SAFE_ADDRESS, maxLength: 500 }),
          /** A file with a bearer token for the collector. */
          tokenFile: Type.Optional(Type.String({ minLength: 1 })),
          /**
           * What `traceparent` of a client is: a `link` beside this hub's own trace, by default; the
           * `parent` in a trace of the client's, who then chooses its id; or nothing, with `ignore`.
           */
          clients: Type.Optional(Type.Enum(["link", "parent", "ignore"])),
        },
        closed,
      ),
    ),
    /** Where entries of the audit log go as well. */
    auditSinks: Type.Optional(SinkList),
    /** How long the bodies of answers are kept, which evidence of a call has in it. */
    evidence: Type.Optional(
      Type.Object(
        {
          /** 30 by default; with 0 none is kept. */
          resultDays: Type.Optional(Type.Integer({ minimum: 0, maximum: 3_650 })),
          /**
           * Whether what packs read is kept with the answers, of hosts whose agent.json allows that.
           * False by default.
           */
          reads: Type.Optional(Type.Boolean()),
          /** 1 GiB by default. The oldest go first. */
          resultBytes: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 50 })),
        },
        closed,
      ),
    ),
    audit: Type.Optional(
      Type.Object(
        {
          /**
           * How much content of the audit log is kept; by default all of it. What is beyond one of the
           * limits is dropped, but nothing that is younger than a day, and nothing on hold.
           */
          retention: Type.Optional(
            Type.Object(
              {
                maxDays: Type.Optional(Type.Integer({ minimum: 1, maximum: 36_500 })),
                /** Of the records; hashes and indexes come on top. */
                maxBytes: Type.Optional(Type.Integer({ minimum: 1_048_576 })),
              },
              { ...closed, minProperties: 1 },
            ),
          ),
        },
        closed,
      ),
    ),
    /** Where the checkpoints of the audit log go, to be kept or cosigned outside. */
    auditWitnesses: Type.Optional(WitnessList),
    /** Logs whose checkpoints this hub cosigns, each by its vkey. */
    witnessFor: Type.Optional(WitnessedLogs),
    /** End when standard input closes, so that no hub outlives its supervisor. */
    supervised: Type.Boolean(),
  },
  closed,
);
export type HubConfig = Static<typeof HubConfig>;

/** What a running hub takes over from its configuration file. */
export const LIVE_SETTINGS = [
  "audit.retention",
  "auditSinks",
  "auditWitnesses",
  "callTimeoutMs",
  "evidence",
  "http.publicHosts",
  "http.trustedProxies",
  "maxAgentsPerCall",
  "maxListedTools",
  "oauth.clients",
  "trustPolicyPath",
  "witnessFor",
];

export const parseHubConfig = buildParser(HubConfig, "hub configuration", "CONFIG_INVALID");
