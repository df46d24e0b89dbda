import { type Static, Type } from "typebox";

const closed = { additionalProperties: false } as const;

const Bytes = Type.String({ pattern: "^[A-Za-z0-9+/]+={0,2}$", maxLength: 8000 });
const Instant = Type.String({
  pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?Z$",
});
const EnumName = Type.String({ pattern: "^[A-Z][A-Z0-9_]{0,60}$" });
const Text = Type.String({ maxLength: 300 });
const LogId = Type.Object({ keyId: Bytes }, closed);

/** The start is mandatory: without one, an authority would be valid since the beginning of time. */
const Period = Type.Object({ start: Instant, end: Type.Optional(Instant) }, closed);

const Log = Type.Object(
  {
    baseUrl: Text,
    hashAlgorithm: EnumName,
    publicKey: Type.Object({ rawBytes: Bytes, keyDetails: EnumName, validFor: Period }, closed),
    logId: LogId,
    checkpointKeyId: Type.Optional(LogId),
    operator: Type.Optional(Text),
  },
  closed,
);

const Authority = Type.Object(
  {
    subject: Type.Optional(Type.Object({ organization: Text, commonName: Text }, closed)),
    uri: Type.Optional(Text),
    certChain: Type.Object(
      {
        certificates: Type.Array(Type.Object({ rawBytes: Bytes }, closed), {
          minItems: 1,
          maxItems: 8,
        }),
      },
      closed,
    ),
    validFor: Period,
    operator: Type.Optional(Text),
  },
  closed,
);

const logs = Type.Array(Log, { minItems: 1, maxItems: 16 });
const authorities = Type.Array(Authority, { minItems: 1, maxItems: 16 });

/**
 * Whose certificates, log entries and timestamps count in a keyless signature: the `TrustedRoot` of
 * sigstore/protobuf-specs in JSON, at most 16 of each kind. Each kind needs at least one, because
 * every signature must show all of them.
 */
export const TrustedRoot = Type.Object(
  {
    mediaType: Type.String({
      pattern:
        "^application/vnd\\.dev\\.sigstore\\.trustedroot(\\.v0\\.[12]\\+json|\\+json;version=0\\.1)$",
    }),
    tlogs: logs,
    certificateAuthorities: authorities,
    ctlogs: logs,
    timestampAuthorities: authorities,
  },
  closed,
);
export type TrustedRoot = Static<typeof TrustedRoot>;
