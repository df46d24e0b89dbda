import { buildParser } from "@sonde/schemas/parse";
import { type Static, Type } from "typebox";

const closed = { additionalProperties: false } as const;
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
    /** `postgres://...`. By default the hub runs its own PostgreSQL in dataDir. */
    databaseUrl: Type.Optional(Type.String()),
    http: Type.Object(
      {
        host: Type.String({ minLength: 1 }),
        port: Port,
        /** PEM files. Required beyond loopback unless behindProxy. */
        tls: Type.Optional(
          Type.Object({ certificatePath: Type.String(), privateKeyPath: Type.String() }, closed),
        ),
        /** True when a proxy on a trusted network terminates TLS in front of this listener. */
        behindProxy: Type.Boolean(),
        /** Host names that clients use, besides the loopback names. */
        publicHosts: Type.Array(Type.String()),
      },
      closed,
    ),
    agents: Type.Object(
      {
        host: Type.String({ minLength: 1 }),
        enrolPort: Port,
        controlPort: Port,
        /** DNS names and addresses by which agents reach this hub. Agents are given the first. */
        names: Type.Array(Type.String(), { minItems: 1 }),
      },
      closed,
    ),
    /** trust.json: which publishers' packs this hub offers to clients. */
    trustPolicyPath: Type.String({ minLength: 1 }),
    /** Path of the bundled admit program. */
    admitPath: Type.String({ minLength: 1 }),
    /** Time limit of a call, in ms. Clients give up after about 45 s. */
    callTimeoutMs: Type.Integer({ minimum: 100, maximum: 58_000 }),
    /** End when standard input closes, so that no hub outlives its supervisor. */
    supervised: Type.Boolean(),
  },
  closed,
);
export type HubConfig = Static<typeof HubConfig>;

export const parseHubConfig = buildParser(HubConfig, "hub configuration", "CONFIG_INVALID");
