import type { Manifest } from "@sonde/schemas/manifest";
import type { Digest } from "@sonde/schemas/names";
import type { Signer } from "@sonde/schemas/trust";
import type { DesiredStateBody, HelloBody, PackReport } from "@sonde/schemas/wire";

/** An enrolled agent. */
export type KnownAgent = {
  id: string;
  name: string;
  /** PEM; another one once the agent was enrolled anew. */
  publicKey: string;
  enrolledAt: string;
  lastSeenAt: string | null;
  /** What it last stated about itself; null before its first session. */
  hello: HelloBody | null;
  packs: PackReport[];
  desired: DesiredStateBody;
  /** Whose connection it is, or nobody's; the epoch grows with each holder. */
  link: { hub: string | null; epoch: number };
};

/** An archive that a hub of this installation verified itself. */
export type HubPack = {
  digest: Digest;
  name: string;
  version: string;
  signer: Signer;
  manifest: Manifest;
};

/** The words of a probe that a person approved. */
export type Pin = { probe: string; definitionSha256: Digest };

/**
 * One fact that is another now: an agent by id, a pack by digest, a pin by probe, an API key by id,
 * a hub of this database by its name.
 */
export type Change = {
  kind: "agent" | "pack" | "pin" | "api-key" | "hub";
  id: string;
};
