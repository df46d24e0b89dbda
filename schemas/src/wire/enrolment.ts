import { type Static, Type } from "typebox";
import { RegistryHeadReport } from "./messages.ts";
import { AgentName, Uuid } from "../names.ts";
import { buildParser } from "../parse/validator.ts";

// Enrolment runs on one TLS connection to the hub's enrol listener:
//   GET  /enrol/challenge                        -> EnrolChallenge
//   POST /enrol                                     EnrolRequest -> EnrolResponse

const closed = { additionalProperties: false } as const;

/** Enrolment tokens and API keys start so, to be found by secret scanners. */
export const TOKEN_PREFIX = "sonde_et_";
export const API_KEY_PREFIX = "sonde_ak_";

export const EnrolChallenge = Type.Object(
  { challenge: Type.String({ pattern: "^[A-Za-z0-9_-]{43}$" }) },
  closed,
);

export const EnrolRequest = Type.Object(
  {
    token: Type.String({ maxLength: 200 }),
    agentName: AgentName,
    /** PKCS#10 in PEM; only its public key is used. */
    csr: Type.String({ maxLength: 4000 }),
    /** Signature by the CSR's key over challenge, token hash and TLS exporter, base64. */
    proof: Type.String({ maxLength: 1400 }),
  },
  closed,
);
export type EnrolRequest = Static<typeof EnrolRequest>;

export const EnrolResponse = Type.Object(
  {
    hubId: Uuid,
    agentId: Uuid,
    certificate: Type.String({ maxLength: 8000 }),
    /** host:port of the control listener. */
    controlAddress: Type.String({ maxLength: 300 }),
    /** SubjectPublicKeyInfo in PEM of the key that signs the hub's envelopes. */
    hubKey: Type.String({ maxLength: 2000 }),
    /** How far the hub has followed its registry's log: what the agent is shown must contain it. */
    registryHead: RegistryHeadReport,
  },
  closed,
);
export type EnrolResponse = Static<typeof EnrolResponse>;

export const parseEnrolChallenge = buildParser(EnrolChallenge, "challenge", "HUB_UNTRUSTED");
export const parseEnrolResponse = buildParser(EnrolResponse, "enrolment answer", "HUB_UNTRUSTED");

/** How long an agent's certificate lives; the hub sends the next one after half of it. */
export const AGENT_CERTIFICATE_MS = 7 * 24 * 3_600_000;

/** The identity in an agent certificate's subject alternative name (identity rule 4). */
export function agentUri(hubId: Uuid, agentId: Uuid): string {
  return `sonde://${hubId}/agent/${agentId}`;
}
