import { type Static, Type } from "typebox";
import { RegistryHeadReport } from "./messages.ts";
import { AgentName, Uuid } from "../names.ts";
import { buildParser } from "../parse/validator.ts";

// Enrolment runs on one TLS connection to the hub's enrol listener:
//   GET  /enrol/challenge                        -> EnrolChallenge
//   POST /enrol                                     EnrolRequest -> EnrolResponse

const closed = { additionalProperties: false } as const;

/** Prefixes of enrolment tokens and API keys, by which secret scanners find them. */
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
    /** The hub's position in its registry's log. The log that the agent sees must contain it. */
    registryHead: RegistryHeadReport,
  },
  closed,
);
export type EnrolResponse = Static<typeof EnrolResponse>;

export const parseEnrolChallenge = buildParser(EnrolChallenge, "challenge", "HUB_UNTRUSTED");
export const parseEnrolResponse = buildParser(EnrolResponse, "enrolment answer", "HUB_UNTRUSTED");

/** Lifetime of an agent's certificate. The hub sends the next one after half of it. */
export const AGENT_CERTIFICATE_MS = 7 * 24 * 3_600_000;

/** The identity in the subject alternative name of an agent's certificate (identity rule 4). */
export function agentUri(hubId: Uuid, agentId: Uuid): string {
  return `sonde://${hubId}/agent/${agentId}`;
}
