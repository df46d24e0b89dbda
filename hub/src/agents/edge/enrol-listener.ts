import { createHash, randomBytes, randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { SondeError } from "@sonde/schemas/errors";
import {
  EnrolRequest,
  TOKEN_PREFIX,
  type EnrolResponse,
  type RegistryHeadReport,
} from "@sonde/schemas/wire";
import { type HttpServer, createHttpServer, createRateLimit } from "@sonde/service";
import { isSignedBy } from "@sonde/trust/envelope";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";

/** Label of the TLS exporter that binds a proof to its TLS session. */
const ENROL_EXPORTER_LABEL = "EXPORTER-sonde-enrol";
const ENROL_EXPORTER_BYTES = 32;
const IDLE_TIMEOUT_MS = 20_000;
/**
 * Attempts a minute (identity rule 1), for each address and for all addresses together. An attempt
 * above its address's limit does not count for all.
 */
const PER_ADDRESS = 5;
const IN_ALL = 100;

export type EnrolOptions = Pick<
  Hub,
  "addresses" | "auditLog" | "directory" | "keys" | "now" | "report"
> & {
  enrolments: EnrolmentStore;
  /** The log head that the hub has followed to. The log that the agent sees must contain it. */
  registryHead: () => RegistryHeadReport;
};

/**
 * Creates the enrol listener: TLS 1.3 without a client certificate. A token works once, and only
 * with a proof of the new key on the same TLS session.
 */
export function createEnrolListener(options: EnrolOptions): HttpServer {
  const { server, authority } = options.keys;
  const app = createHttpServer({
    report: options.report,
    tls: {
      certificate: `${server.certificate}\n${authority}`,
      privateKey: server.privateKey,
      minVersion: "TLSv1.3",
    },
    idleTimeoutMs: IDLE_TIMEOUT_MS,
  });
  const challenges = new WeakMap<Socket, string>();
  const takeAttempt = createAttemptLimit(() => options.now().getTime());

  // The token in the body authenticates the request.
  const config = { right: "anybody" } as const;
  app.get("/enrol/challenge", { config }, (request) => {
    const challenge = randomBytes(32).toString("base64url");
    challenges.set(request.raw.socket, challenge);
    return { challenge };
  });

  app.post("/enrol", { config, schema: { body: EnrolRequest } }, async (request, reply) => {
    if (!takeAttempt(request.ip)) {
      throw new SondeError("TOO_MANY_ATTEMPTS", "expected at most 5 attempts a minute, got more");
    }
    const { socket } = request.raw;
    const challenge = challenges.get(socket);
    challenges.delete(socket);
    try {
      const answer = await enrol(options, request.body, socket, challenge);
      return await reply.code(201).send(answer);
    } catch (thrown) {
      await options.auditLog.append(
        buildAuditRecord(options.now(), "token.refused", {
          status: "denied",
          code: thrown instanceof SondeError ? thrown.code : "INTERNAL",
          detail: { address: request.ip, agentName: request.body.agentName },
        }),
      );
      throw thrown;
    }
  });
  return app;
}

/** @returns a function that counts an attempt and tells whether it is within the rate limits */
function createAttemptLimit(nowMs: () => number): (address: string) => boolean {
  const perAddress = createRateLimit({ perMinute: PER_ADDRESS, atOnce: PER_ADDRESS }, nowMs);
  const inAll = createRateLimit({ perMinute: IN_ALL, atOnce: IN_ALL }, nowMs);
  return (address) => perAddress.take(address) === 0 && inAll.take("all") === 0;
}

async function enrol(
  options: EnrolOptions,
  request: EnrolRequest,
  socket: Socket,
  challenge: string | undefined,
): Promise<EnrolResponse> {
  const { keys } = options;
  // Loaded at the first enrolment: most hubs enrol rarely, and the X.509 library is large.
  const authority = await keys.openAuthority();
  const publicKey = await authority.readPublicKey(request.csr);
  const proven =
    challenge !== undefined &&
    socket instanceof TLSSocket &&
    isSignedBy(
      publicKey,
      buildProofText(request.token, challenge, socket),
      Buffer.from(request.proof, "base64"),
    );
  if (!proven) {
    throw new SondeError(
      "CSR_INVALID",
      "expected proof of the new key on this TLS session, got none",
    );
  }
  // A token for exactly this name replaces the key of a known agent, which keeps its id and packs.
  const known = options.directory.agents().find(({ name }) => name === request.agentName);
  const agentId = known?.id ?? randomUUID();
  const issued = await authority.issueAgentCertificate({
    publicKey,
    hubId: keys.hubId,
    agentId,
  });
  const at = options.now();
  await options.enrolments.enrol({
    secret: readSecret(request.token),
    id: agentId,
    name: request.agentName,
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
    serial: issued.serial,
    keyId: issued.keyId,
    certificateExpiresAt: issued.expiresAt,
    at,
  });
  await options.auditLog.append(
    buildAuditRecord(at, "agent.enrolled", {
      agent: request.agentName,
      detail: { agentId, serial: issued.serial, keyId: issued.keyId, anew: known !== undefined },
    }),
  );
  return {
    hubId: keys.hubId,
    agentId,
    certificate: issued.certificate,
    controlAddress: options.addresses.control,
    hubKey: keys.publicKey,
    registryHead: options.registryHead(),
  };
}

function buildProofText(token: string, challenge: string, socket: TLSSocket): Buffer {
  const exporter = socket.exportKeyingMaterial(
    ENROL_EXPORTER_BYTES,
    ENROL_EXPORTER_LABEL,
    Buffer.alloc(0),
  );
  const tokenHash = createHash("sha256").update(token, "utf8").digest("hex");
  return Buffer.from(`sonde-enrol-v1\n${challenge}\n${tokenHash}\n${exporter.toString("base64")}`);
}

/** Returns the token's secret. The part after the dot is a fingerprint for the agent. */
function readSecret(token: string): string {
  const [secret] = token.split(".");
  if (secret === undefined || !secret.startsWith(TOKEN_PREFIX)) {
    throw new SondeError("TOKEN_REFUSED", `expected a token that begins with ${TOKEN_PREFIX}`);
  }
  return secret;
}
