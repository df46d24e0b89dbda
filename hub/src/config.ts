import { buildParser } from "@sonde/schemas/parse";
import { type Static, Type } from "typebox";

const closed = { additionalProperties: false } as const;
const Port = Type.Integer({ minimum: 0, maximum: 65535 });

/** The hub's configuration file (JSON). Ports of 0 are chosen once and then kept. */
export const HubConfig = Type.Object(
  {
    /** Folder of this hub alone: keys, database, verified packs. */
    dataDir: Type.String({ minLength: 1 }),
    /**
     * Folder of the CA's and the command key, `keys` in dataDir unless it is given. Several hubs on
     * one database are one hub to their agents, so they have the same keys.
     */
    keysDir: Type.Optional(Type.String({ minLength: 1 })),
    /** `postgres://...`; without it the hub runs its own PostgreSQL in dataDir. */
    databaseUrl: Type.Optional(Type.String()),
    http: Type.Object(
      {
        host: Type.String({ minLength: 1 }),
        port: Port,
        /** PEM files; required beyond loopback unless behindProxy. */
        tls: Type.Optional(
          Type.Object({ certificatePath: Type.String(), privateKeyPath: Type.String() }, closed),
        ),
        /** True when a proxy on a trusted network ends TLS in front of this listener. */
        behindProxy: Type.Boolean(),
        /** Host names clients use, besides the loopback ones. */
        publicHosts: Type.Array(Type.String()),
      },
      closed,
    ),
    agents: Type.Object(
      {
        host: Type.String({ minLength: 1 }),
        enrolPort: Port,
        controlPort: Port,
        /** DNS names and addresses agents reach this hub by; the first is given to them. */
        names: Type.Array(Type.String(), { minItems: 1 }),
      },
      closed,
    ),
    /** trust.json: whose packs this hub shows to clients. */
    trustPolicyPath: Type.String({ minLength: 1 }),
    /** The bundled admit program. */
    admitPath: Type.String({ minLength: 1 }),
    /** How long a call may take, in ms; clients give up at about 45 s. */
    callTimeoutMs: Type.Integer({ minimum: 100, maximum: 58_000 }),
    /** End when standard input closes, so that no hub outlives its supervisor. */
    supervised: Type.Boolean(),
  },
  closed,
);
export type HubConfig = Static<typeof HubConfig>;

export const parseHubConfig = buildParser(HubConfig, "hub configuration", "CONFIG_INVALID");
