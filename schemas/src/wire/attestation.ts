import { type Static, Type } from "typebox";
import { AgentName, Capability, Digest, PackName, Timestamp, Version } from "../names.ts";
import { buildOpenParser, buildParser } from "../parse/validator.ts";
import { ProcessRights } from "../process-rights.ts";

/** 32 random bytes in base64url. */
const Nonce = Type.String({ pattern: "^[A-Za-z0-9_-]{43}$" });
/** A name from a list that later releases may extend. */
const Name = Type.String({ pattern: "^[a-z][a-z0-9-]{0,39}$" });
const Text = Type.String({ maxLength: 200 });
const Path = Type.String({ maxLength: 300 });

/** The hub asks for a statement. The nonce is new, and good for one statement. */
export const AttestBody = Type.Object({ nonce: Nonce }, { additionalProperties: false });
export type AttestBody = Static<typeof AttestBody>;

/** A file that decides what the agent is or does, as it lies on the host now. */
export const StatedFile = Type.Object({
  /** `program`, `runtime`, `configuration`, `trust` or `unit`. */
  kind: Name,
  path: Path,
  /** Null when the agent may not read it, or it is no regular file. */
  sha256: Type.Union([Digest, Type.Null()]),
  /** Of a file without a digest: size and times, which change when the file does. */
  seen: Type.Optional(Type.String({ maxLength: 200 })),
});
export type StatedFile = Static<typeof StatedFile>;

/** A grant that counts on the host. */
export const StatedGrant = Type.Object({
  pack: PackName,
  /** The archive that was shown to the person who approved. */
  digest: Digest,
  /** SHA-256 of what was granted. */
  sha256: Digest,
});
export type StatedGrant = Static<typeof StatedGrant>;

/** A grant that counts on the host and was given at the hub. */
export const StatedHubGrant = Type.Object({
  pack: PackName,
  /** The archive for which it was given. */
  digest: Digest,
  /** Who gave it, as `NAME at the hub (ID)`, and when. */
  by: Text,
  at: Timestamp,
});
export type StatedHubGrant = Static<typeof StatedHubGrant>;

/** An archive in the host's store. */
export const StatedPack = Type.Object({
  name: PackName,
  version: Version,
  digest: Digest,
  /** Of the files that were verified; null when there are others now. */
  verified: Type.Union([Digest, Type.Null()]),
  /** Of the files that lie there now; null when they are not those of an archive any more. */
  content: Type.Union([Digest, Type.Null()]),
});
export type StatedPack = Static<typeof StatedPack>;

/** A process of the agent. A runner states its own rights: the agent may not look into it. */
export const StatedProcess = Type.Object({
  /** `agent` or `runner`. */
  role: Name,
  /** Names of the supplementary groups. */
  groupNames: Type.Array(Type.String({ maxLength: 64 }), { maxItems: 64 }),
  rights: ProcessRights,
});
export type StatedProcess = Static<typeof StatedProcess>;

/** What an agent says about itself and its host. */
export const AgentStatement = Type.Object({
  name: AgentName,
  agentVersion: Version,
  os: Text,
  kernel: Text,
  /** Differs after each boot, so it is no drift. */
  bootId: Type.String({ maxLength: 64 }),
  arch: Type.String({ maxLength: 40 }),
  /** The kernel's security modules in their order; `unknown` when it does not say. */
  lsm: Text,
  /** `on`, `off`, `none` (no UEFI) or `unknown`. */
  secureBoot: Name,
  /** The TPM's version, `none` or `unknown`. */
  tpm: Type.String({ maxLength: 20 }),
  /** Version of Node. */
  runtimeVersion: Type.String({ maxLength: 40 }),
  maxCapability: Capability,
  /** Digests of the program and the configuration in use: as they were when the agent started. */
  programSha256: Digest,
  configSha256: Digest,
  files: Type.Array(StatedFile, { maxItems: 200 }),
  grants: Type.Array(StatedGrant, { maxItems: 200 }),
  /** Absent in earlier releases. */
  hubGrants: Type.Optional(Type.Array(StatedHubGrant, { maxItems: 200 })),
  packs: Type.Array(StatedPack, { maxItems: 200 }),
  processes: Type.Array(StatedProcess, { maxItems: 80 }),
});
export type AgentStatement = Static<typeof AgentStatement>;

/** Answers `attest`. The envelope has the signature. */
export const AttestationBody = Type.Object({ nonce: Nonce, statement: AgentStatement });
export type AttestationBody = Static<typeof AttestationBody>;

/** The statement would differ from the one before: the hub should ask. */
export const HostChangedBody = Type.Object({});
export type HostChangedBody = Static<typeof HostChangedBody>;

export const parseAttestBody = buildParser(
  AttestBody,
  "attest",
  "ENVELOPE_INVALID",
  "PROTOCOL_UNSUPPORTED",
);
export const parseAttestationBody = buildOpenParser(
  AttestationBody,
  "attestation",
  "ENVELOPE_INVALID",
);
export const parseHostChangedBody = buildOpenParser(
  HostChangedBody,
  "host change",
  "ENVELOPE_INVALID",
);
