import type { Manifest } from "@sonde/schemas/manifest";
import type { Digest } from "@sonde/schemas/names";
import type { AgentHold, AttestationSummary } from "@sonde/schemas/hub";
import type { Policy } from "@sonde/schemas/policy";
import type { Tag } from "@sonde/schemas/tags";
import type { Signer } from "@sonde/schemas/trust";
import type { ApprovalsBody, DesiredStateBody, HelloBody, PackReport } from "@sonde/schemas/wire";
import type { GivenGrants } from "./given-grants.ts";

/** An enrolled agent. */
export type KnownAgent = {
  id: string;
  name: string;
  /** Sorted. */
  tags: Tag[];
  /** PEM. Changes when the agent enrols again. */
  publicKey: string;
  enrolledAt: string;
  /** The end of its newest certificate that is not revoked. */
  certificateExpiresAt: string | null;
  lastSeenAt: string | null;
  /** Its clock minus the hub's at its last message; null before its first one. */
  clockSkewMs: number | null;
  /** When it last refused this hub, having seen a later state of it; null since its hello. */
  refusedHubAt: string | null;
  /** Sorted by kind. While there is one, no probe of the agent runs. */
  holds: AgentHold[];
  attestation: AttestationSummary;
  /** The agent's last hello; null before its first session. */
  hello: HelloBody | null;
  packs: PackReport[];
  desired: DesiredStateBody;
  /** What people granted at this hub. */
  hubGrants: GivenGrants;
  /** What the agent last said of the grants on its host; null of an earlier release. */
  approvals: ApprovalsBody | null;
  /** The hub that holds the agent's connection, or null. The epoch grows with each new holder. */
  link: { hub: string | null; epoch: number };
};

/** An archive that a hub of this installation verified. */
export type HubPack = {
  digest: Digest;
  name: string;
  version: string;
  signer: Signer;
  manifest: Manifest;
};

/** Words of a probe that a person approved. */
export type Pin = { probe: string; definitionSha256: Digest };

/** A policy that has a name. */
export type KeptPolicy = { name: string; policy: Policy };

/**
 * A changed fact, named by kind and id: a pack by digest, a pin by probe, a policy by name, the
 * holder of one by its subject's id, a hub of this database by name, all others by id. A new API
 * key is a kind of its own, since it has nothing open that could end.
 */
export type Change = {
  kind:
    | "agent"
    | "pack"
    | "pin"
    | "api-key"
    | "api-key-made"
    | "grant"
    | "client"
    | "person"
    | "session"
    | "policy"
    | "holder"
    | "hub";
  id: string;
};
