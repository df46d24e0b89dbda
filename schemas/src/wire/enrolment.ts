import { type Static, Type } from "typebox";
import { RegistryHeadReport } from "./messages.ts";
import { SondeError } from "../errors.ts";
import { AgentName, Uuid } from "../names.ts";
import { buildParser } from "../parse/validator.ts";

// Enrolment runs on one TLS connection to the hub's enrol listener:
//   GET  /enrol/challenge                        -> EnrolChallenge
//   POST /enrol                                     EnrolRequest -> EnrolResponse
//   POST /enrol/recover                             RecoverRequest -> RecoverResponse

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

/** An agent whose certificate opens nothing any more asks for the next one, by proof of its key. */
export const RecoverRequest = Type.Object(
  {
    /** Its last certificate in PEM. */
    certificate: Type.String({ maxLength: 8000 }),
    /** Signature by its key over challenge, serial number and TLS exporter, base64. */
    proof: Type.String({ maxLength: 1400 }),
  },
  closed,
);
export type RecoverRequest = Static<typeof RecoverRequest>;

export const RecoverResponse = Type.Object(
  { certificate: Type.String({ maxLength: 8000 }) },
  closed,
);
export type RecoverResponse = Static<typeof RecoverResponse>;

export const parseRecoverResponse = buildParser(RecoverResponse, "recovery", "HUB_UNTRUSTED");
export const parseEnrolChallenge = buildParser(EnrolChallenge, "challenge", "HUB_UNTRUSTED");
export const parseEnrolResponse = buildParser(EnrolResponse, "enrolment answer", "HUB_UNTRUSTED");

/** @returns host:port, an IPv6 address in brackets */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** @throws SondeError BAD_REQUEST for anything but what `formatAddress` makes */
export function parseAddress(text: string): { host: string; port: number } {
  const found = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]{1,255}):([0-9]{1,5})$/.exec(text);
  const [host, port] = [found?.[1]?.replaceAll(/[[\]]/g, ""), Number(found?.[2])];
  if (host !== undefined && port > 0 && port < 65_536) return { host, port };
  throw new SondeError("BAD_REQUEST", `expected HOST:PORT, got ${JSON.stringify(text)}`);
}

/** Lifetime of an agent's certificate. The hub sends the next one around half of it. */
export const AGENT_CERTIFICATE_MS = 24 * 3_600_000;

/** How long after its certificate's end an agent may come back by proof of its key. */
export const RECOVERABLE_MS = 30 * 24 * 3_600_000;

/** The identity in the subject alternative name of an agent's certificate (identity rule 4). */
export function agentUri(hubId: Uuid, agentId: Uuid): string {
  return `sonde://${hubId}/agent/${agentId}`;
}
