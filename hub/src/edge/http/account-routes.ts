import { randomBytes, randomUUID } from "node:crypto";
import { type AuditEntry } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import {
  ApiKeyList,
  AuditPage,
  CallProvenance,
  CreateApiKey,
  CreatedApiKey,
  type KeyPolicy,
} from "@sonde/schemas/hub";
import { Uuid } from "@sonde/schemas/names";
import { describeSigner, type Signer } from "@sonde/schemas/trust";
import { API_KEY_PREFIX, type ResultBody } from "@sonde/schemas/wire";
import type { HttpServer } from "@sonde/service";
import { type Static, Type } from "typebox";
import type { AuditLog } from "../../core/audit-log.ts";
import { buildAuditRecord } from "../../core/audit-record.ts";
import type { Fleet } from "../../core/fleet.ts";
import type { AuditStore } from "../store/audit-store.ts";
import type { HubStore } from "../store/hub-store.ts";

export type AccountRoutesOptions = {
  fleet: Fleet;
  store: HubStore;
  auditStore: AuditStore;
  auditLog: AuditLog;
  /** Ends whatever the key still has open. */
  onKeyRevoked: (keyId: string) => Promise<void>;
  now: () => Date;
};

const MAX_PAGE = 1_000;
/** Query values arrive as text; the schema is strict, so digits are checked here. */
const AuditQuery = Type.Object(
  {
    afterSeq: Type.Optional(Type.String({ pattern: "^[0-9]{1,15}$" })),
    limit: Type.Optional(Type.String({ pattern: "^[0-9]{1,4}$" })),
  },
  { additionalProperties: false },
);

/** API keys, the audit log and how one answer came to be. */
export function addAccountRoutes(app: HttpServer, options: AccountRoutesOptions): void {
  const { store, auditLog, now } = options;

  app.get(
    "/api/v1/api-keys",
    { config: { right: "keys.manage" }, schema: { response: { 200: ApiKeyList } } },
    async () => ({ keys: await store.listKeys() }),
  );

  app.post(
    "/api/v1/api-keys",
    {
      config: { right: "keys.manage" },
      schema: { body: CreateApiKey, response: { 201: CreatedApiKey } },
    },
    async (request, reply) => {
      const { name, policy } = request.body;
      requireWholePolicy(policy);
      const id = randomUUID();
      const key = `${API_KEY_PREFIX}${randomBytes(32).toString("base64url")}`;
      const at = now();
      await auditLog.append(
        buildAuditRecord(at, "key.created", {
          principal: request.principal.id,
          detail: { id, name, policy },
        }),
      );
      await store.addKey({ id, name, secret: key, policy, at });
      return reply.code(201).send({ id, key });
    },
  );

  app.delete(
    "/api/v1/api-keys/:id",
    {
      config: { right: "keys.manage" },
      schema: { params: Type.Object({ id: Uuid }), response: { 200: ApiKeyList } },
    },
    async (request) => {
      const { id } = request.params;
      const at = now();
      const inForce = (await store.listKeys()).some(
        (key) => key.id === id && key.revokedAt === null,
      );
      if (!inForce) throw new SondeError("NOT_FOUND", "expected the id of a key in force");
      await auditLog.append(
        buildAuditRecord(at, "key.revoked", { principal: request.principal.id, detail: { id } }),
      );
      await store.revokeKey(id, at);
      await options.onKeyRevoked(id);
      return { keys: await store.listKeys() };
    },
  );

  app.get(
    "/api/v1/audit",
    {
      config: { right: "audit.read" },
      schema: { querystring: AuditQuery, response: { 200: AuditPage } },
    },
    async (request) => {
      const afterSeq = Number(request.query.afterSeq ?? 0);
      const limit = Math.min(Number(request.query.limit ?? 100), MAX_PAGE);
      await auditLog.append(
        buildAuditRecord(now(), "log.read", {
          principal: request.principal.id,
          detail: { afterSeq, limit },
        }),
      );
      const entries = await options.auditStore.read(afterSeq, limit);
      return { entries, head: auditLog.head() };
    },
  );

  app.get(
    "/api/v1/calls/:callId",
    {
      config: { right: "calls.read" },
      schema: { params: Type.Object({ callId: Uuid }), response: { 200: CallProvenance } },
    },
    async (request) => {
      await auditLog.flush();
      return describeCall(options, await options.auditStore.readCall(request.params.callId));
    },
  );
}

/** Lists of agents and probes bound what a client may ask; what the other roles do is for all. */
function requireWholePolicy({ role, agents, probes }: KeyPolicy): void {
  if (role === "client" || (agents === "*" && probes === "*")) return;
  throw new SondeError(
    "BAD_REQUEST",
    `expected agents and probes "*" for a key of role ${role}, got a list, which would not bind it`,
  );
}

type ResponseDetail = {
  hops: { hop: string; ms: number }[];
  timings?: ResultBody["timings"];
  reads?: ResultBody["reads"];
  agentHead?: ResultBody["auditHead"];
};

async function describeCall(
  options: AccountRoutesOptions,
  entries: AuditEntry[],
): Promise<Static<typeof CallProvenance>> {
  const request = entries.find(({ record }) => record.event === "call.request")?.record;
  const response = entries.find(({ record }) => record.event === "call.response")?.record;
  if (!request?.callId || !request.packDigest || !request.probe || !request.agent) {
    throw new SondeError("NOT_FOUND", "expected the id of a call that was let through");
  }
  const pack = await options.store.findPack(request.packDigest);
  if (pack === null) throw new SondeError("NOT_FOUND", "the call's pack is not known any more");
  const report = options.fleet
    .get(request.agent)
    .packs.find(({ digest }) => digest === request.packDigest);
  // The agent's statement may say more than this release knows.
  const { by, at } = report?.approved ?? {};
  const detail = (response?.detail ?? { hops: [] }) as ResponseDetail;
  const { total, ...stages } = detail.timings ?? { total: 0 };
  return {
    callId: request.callId,
    principal: request.principal ?? "",
    agent: request.agent,
    probe: request.probe,
    // Who had signed it at the time of the call.
    pack: { ...pack, signer: describeSigner(request.detail["signer"] as Signer) },
    approved: by === undefined || at === undefined ? null : { by, at },
    reads: detail.reads ?? [],
    hops: [
      ...detail.hops,
      ...Object.entries(stages).map(([name, ms]) => ({ hop: `agent: ${name}`, ms })),
      { hop: "agent: total", ms: total },
    ],
    audit: {
      hub: entries.map(({ seq, hash }) => ({ seq, hash })),
      agent: detail.agentHead ?? null,
    },
  };
}
