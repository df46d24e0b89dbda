import { type Static, Type } from "typebox";
import { buildParser } from "../parse/validator.ts";
import { DsseEnvelope } from "./envelope.ts";

/**
 * The newest message in which a hub repeated the head of its agent's audit log: what an agent can
 * show of the hub's word. The header has the head as `peerHead`.
 */
export const AttestedHead = Type.Object(
  {
    /** SubjectPublicKeyInfo in PEM of the key that signed it. */
    hubKey: Type.String({ maxLength: 2000 }),
    envelope: DsseEnvelope,
  },
  { additionalProperties: false },
);
export type AttestedHead = Static<typeof AttestedHead>;

export const parseAttestedHead = buildParser(
  AttestedHead,
  "the hub's word on the audit log",
  "AUDIT_UNAVAILABLE",
);
