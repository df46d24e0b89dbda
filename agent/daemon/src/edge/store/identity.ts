import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SondeError } from "@sonde/schemas/errors";
import { AgentName, Uuid } from "@sonde/schemas/names";
import { buildParser, parseJson } from "@sonde/schemas/parse";
import { RegistryHeadReport } from "@sonde/schemas/wire";
import { type Static, Type } from "typebox";

/** identity.json: what enrolment returned, besides the key and the certificates. */
export const IdentityFile = Type.Object(
  {
    hubId: Uuid,
    agentId: Uuid,
    agentName: AgentName,
    /** host:port of the hub's control listener. */
    controlAddress: Type.String({ maxLength: 300 }),
    /** SubjectPublicKeyInfo in PEM of the key that signs the hub's envelopes. */
    hubKey: Type.String({ maxLength: 2000 }),
    /** The hub's head of its registry's log at enrolment. */
    registryHead: RegistryHeadReport,
  },
  { additionalProperties: false },
);
export type IdentityFile = Static<typeof IdentityFile>;

/** The agent's identity, and the hub that it trusts. */
export type Identity = Omit<IdentityFile, "hubKey"> & {
  hubKey: KeyObject;
  /** Never leaves this process. Signs envelopes and the TLS handshake. */
  key: KeyObject;
  certificate: string;
  /** The only CA that may have issued the hub's certificate. */
  ca: string;
};

export const IDENTITY_FILES = {
  key: "key.pem",
  certificate: "certificate.pem",
  ca: "ca.pem",
  identity: "identity.json",
} as const;

const parseIdentityFile = buildParser(IdentityFile, "identity.json", "STARTING_FAILED");

/**
 * @throws SondeError STARTING_FAILED when this agent is not enrolled, RIGHT_MISSING when
 *   others can read its key
 */
export function readIdentity(folder: string): Identity {
  const read = (name: string): Buffer => readFile(join(folder, name), name === IDENTITY_FILES.key);
  const { hubKey, ...file } = parseIdentityFile(
    parseJson(read(IDENTITY_FILES.identity), "identity.json", "STARTING_FAILED"),
  );
  return {
    ...file,
    hubKey: createPublicKey(hubKey),
    key: createPrivateKey(read(IDENTITY_FILES.key)),
    certificate: read(IDENTITY_FILES.certificate).toString("utf8"),
    ca: read(IDENTITY_FILES.ca).toString("utf8"),
  };
}

/** The serial number of an identity's certificate, in lower-case hex, and its end. */
export function describeCertificate({ certificate }: Pick<Identity, "certificate">): {
  serial: string;
  endsAt: Date;
} {
  const { serialNumber, validToDate } = new X509Certificate(certificate);
  return { serial: serialNumber.toLowerCase(), endsAt: validToDate };
}

function readFile(path: string, isPrivate: boolean): Buffer {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    throw new SondeError("STARTING_FAILED", `${path}: expected an enrolled agent; enrol it first`);
  }
  try {
    if (isPrivate && (fstatSync(fd).mode & 0o077) !== 0) {
      throw new SondeError("RIGHT_MISSING", `${path}: expected a key that only its owner can read`);
    }
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}
