import { MAX_SINKS, SinkName } from "@sonde/schemas/hub";
import { TlsFiles } from "@sonde/service";
import { type Static, Type } from "typebox";
import { caPath, FilePath, ReceiverAddress } from "./receiver-settings.ts";

// What the configuration says of sinks of the audit log. hub/src/audit-sinks/ acts by it.

const closed = { additionalProperties: false } as const;
const common = {
  /** Names its place in the log. A sink that comes back under its name goes on where it was. */
  name: SinkName,
  /** Where a new sink begins: with what is recorded from `now` on, by default, or at the `start`. */
  from: Type.Optional(Type.Enum(["now", "start"])),
};

/** RFC 5424 over TLS with octet counting (RFC 5425). */
export const SyslogSettings = Type.Object(
  {
    ...common,
    kind: Type.Literal("syslog"),
    host: Type.String({ pattern: "^[A-Za-z0-9.:-]{1,253}$" }),
    /** 6514 by default. */
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    caPath,
    /** The hub's own certificate, for receivers that ask for one. */
    tls: Type.Optional(TlsFiles),
    /** A longer message is cut; 8192 by default. */
    maxMessageBytes: Type.Optional(Type.Integer({ minimum: 2_048, maximum: 65_536 })),
  },
  closed,
);
export type SyslogSettings = Static<typeof SyslogSettings>;

/** JSON by POST, signed by the scheme of Standard Webhooks. */
export const WebhookSettings = Type.Object(
  {
    ...common,
    kind: Type.Literal("webhook"),
    url: ReceiverAddress,
    /** A file with the secret, `whsec_...`; of two lines during a rotation. */
    keyPath: FilePath,
    caPath,
  },
  closed,
);
export type WebhookSettings = Static<typeof WebhookSettings>;

/** Logs of OTLP over HTTP, as JSON. */
export const OtlpSettings = Type.Object(
  {
    ...common,
    kind: Type.Literal("otlp"),
    /** Whole: `https://collector.example:4318/v1/logs`. */
    endpoint: ReceiverAddress,
    /** A file with a bearer token for the collector. */
    tokenPath: Type.Optional(FilePath),
    caPath,
  },
  closed,
);
export type OtlpSettings = Static<typeof OtlpSettings>;

/** JSON lines, appended to a file of this machine. */
export const FileSettings = Type.Object(
  { ...common, kind: Type.Literal("file"), path: FilePath },
  closed,
);
export type FileSettings = Static<typeof FileSettings>;

const SinkSettings = Type.Union([SyslogSettings, WebhookSettings, OtlpSettings, FileSettings]);
export type SinkSettings = Static<typeof SinkSettings>;

export const SinkList = Type.Array(SinkSettings, { maxItems: MAX_SINKS });
