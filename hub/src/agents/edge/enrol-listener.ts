import { createHash, randomBytes, randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type ErrorCode, SondeError } from "@sonde/schemas/errors";
import type { Tag } from "@sonde/schemas/tags";
import {
  EnrolRequest,
  TOKEN_PREFIX,
  type EnrolResponse,
  type RegistryHeadReport,
} from "@sonde/schemas/wire";
import {
  type HttpServer,
  createHttpServer,
  createRateLimit,
  createRefusalCounts,
} from "@sonde/service";
import { isSignedBy } from "@sonde/trust/envelope";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { chooseCommandKey } from "../../keys/choose-command-key.ts";
import type { AgentCopies } from "./agent-copies.ts";
import type { AgentHolds } from "./agent-holds.ts";
import type { EnrolmentStore } from "./enrolment-store.ts";
import { addRecoveryRoute } from "./recover-agent.ts";

/** Label of the TLS exporter that binds a proof to its TLS session. */
const ENROL_EXPORTER_LABEL = "EXPORTER-sonde-enrol";
const ENROL_EXPORTER_BYTES = 32;
const IDLE_TIMEOUT_MS = 20_000;
/**
 * Attempts a minute of each address (identity rule 1). Nothing but a look-up limits them in all: 256
 * random bits cannot be guessed, and many addresses must not shut enrolment for others.
 */
const PER_ADDRESS = 5;
/** Refused attempts a minute that have a row of their own. */
const RECORDED = 100;

export type EnrolOptions = Pick<
  Hub,
  "addresses" | "auditLog" | "directory" | "keys" | "now" | "report"
> & {
  enrolments: EnrolmentStore;
  copies: AgentCopies;
  holds: Pick<AgentHolds, "restrictUntilAttested">;
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
  const takeChallenge = (socket: Socket): string | undefined => {
    const challenge = challenges.get(socket);
    challenges.delete(socket);
    return challenge;
  };
  // Attempts above a limit: counted, since a flood of them must not become a flood of rows.
  const refusals = createRefusalCounts({ event: "token.refused", ...options });
  app.addHook("onClose", () => refusals.close());
  const nowMs = () => options.now().getTime();
  const attempts = createRateLimit({ perMinute: PER_ADDRESS, atOnce: PER_ADDRESS }, nowMs);
  const rows = createRateLimit({ perMinute: RECORDED, atOnce: RECORDED }, nowMs);
  const recordRefusal = async (address: string, agentName: string, code: ErrorCode) => {
    if (rows.take("all") > 0) return refusals.add(address, code);
    const detail = { address, agentName };
    await options.auditLog.append(
      buildAuditRecord(options.now(), "token.refused", { status: "denied", code, detail }),
    );
  };

  // The token in the body authenticates the request.
  const config = { right: "anybody" } as const;
  app.get("/enrol/challenge", { config }, (request) => {
    const challenge = randomBytes(32).toString("base64url");
    challenges.set(request.raw.socket, challenge);
    return { challenge };
  });

  app.post("/enrol", { config, schema: { body: EnrolRequest } }, async (request, reply) => {
    if (attempts.take(request.ip) > 0) {
      refusals.add(request.ip, "TOO_MANY_ATTEMPTS");
      throw new SondeError("TOO_MANY_ATTEMPTS", "expected at most 5 attempts a minute, got more");
    }
    const { socket } = request.raw;
    try {
      const answer = await enrol(options, request.body, socket, takeChallenge(socket));
      return await reply.code(201).send(answer);
    } catch (thrown) {
      const code = thrown instanceof SondeError ? thrown.code : "INTERNAL";
      await recordRefusal(request.ip, request.body.agentName, code);
      throw thrown;
    }
  });

  addRecoveryRoute(app, options, takeChallenge);
  return app;
}

async function enrol(
  options: EnrolOptions,
  request: EnrolRequest,
  socket: Socket,
  challenge: string | undefined,
): Promise<EnrolResponse> {
  const { keys } = options;
  const secret = readSecret(request.token);
  await options.enrolments.requireUsable(secret, request.agentName, options.now());
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
  const { serial, keyId } = issued;
  const record = (event: "agent.enrolling" | "agent.enrolled", more: { tags?: Tag[] } = {}) =>
    options.auditLog.append(
      buildAuditRecord(at, event, {
        agent: request.agentName,
        detail: { agentId, serial, keyId, anew: known !== undefined, ...more },
      }),
    );
  // Whatever fails from here on, the log has the certificate that may open something.
  await record("agent.enrolling");
  const tags = await options.enrolments.enrol({
    secret,
    id: agentId,
    name: request.agentName,
    isKnown: known !== undefined,
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
    serial,
    keyId,
    certificateExpiresAt: issued.expiresAt,
    at,
  });
  await record("agent.enrolled", { tags });
  const signing = chooseCommandKey(keys.signing.held(), { followsKeySets: true, enrolledAt: at });
  return {
    hubId: keys.hubId,
    agentId,
    certificate: issued.certificate,
    controlAddress: options.addresses.controlOf(nameReached(socket)),
    hubKey: signing.publicKey.export({ type: "spki", format: "pem" }).toString(),
    registryHead: options.registryHead(),
  };
}

/** The name or the address by which the peer reached this hub; null when it is unknown. */
function nameReached(socket: TLSSocket): string | null {
  // A name of ours: TLS has verified none yet, and the caller looks it up among the hub's own.
  if (typeof socket.servername === "string") return socket.servername.toLowerCase();
  return socket.localAddress?.replace(/^::ffff:/, "") ?? null;
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
