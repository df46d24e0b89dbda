import type { Digest } from "@sonde/schemas/names";

/** A call from an envelope that was checked. */
export type Call = {
  callId: string;
  principal: string | null;
  /** The hub's name for the principal; null from a hub of an earlier release. */
  askedBy: string | null;
  probe: string;
  packDigest: Digest | null;
  policyHash: Digest | null;
  params: Record<string, unknown>;
  timeoutMs: number;
  /** Whether the answer has digests of what was read. A hub of release 0.1.0 refuses such an answer. */
  tellsDigests: boolean;
  /** Whether the hub asks for what was read, to keep it as evidence. */
  sendReads: boolean;
};

/** What the hub gets for a call. */
export type Answer = {
  /** Of the result message. */
  body: Uint8Array;
  /** Of the message before it, with what the guest got of its reads; null when there is none. */
  reads: Uint8Array | null;
};
