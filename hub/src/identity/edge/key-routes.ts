import { randomBytes, randomUUID } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import {
  ApiKeyList,
  CreateApiKey,
  CreatedApiKey,
  type KeyPolicy,
  RevokedApiKey,
} from "@sonde/schemas/hub";
import { Uuid } from "@sonde/schemas/names";
import { API_KEY_PREFIX } from "@sonde/schemas/wire";
import { Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import type { KeyStore } from "./key-store.ts";

/** Adds the routes that create, list and revoke API keys. */
export function addKeyRoutes({ app, auditLog, now }: Hub, keys: KeyStore): void {
  app.get(
    "/api/v1/api-keys",
    { config: { right: "keys.read" }, schema: { response: { 200: ApiKeyList } } },
    async () => ({ keys: await keys.listKeys() }),
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
          principal: request.principal.subject.id,
          detail: { id, name, policy },
        }),
      );
      const createdBy = request.principal.subject.id;
      await keys.addKey({ id, name, secret: key, policy, createdBy, at });
      return reply.code(201).send({ id, key });
    },
  );

  app.delete(
    "/api/v1/api-keys/:id",
    {
      config: { right: "keys.manage" },
      schema: { params: Type.Object({ id: Uuid }), response: { 200: RevokedApiKey } },
    },
    async (request): Promise<RevokedApiKey> => {
      const ended = await revoke(request.params.id, request.principal.subject.id);
      return { keys: await keys.listKeys(), ended };
    },
  );

  /**
   * Revokes a key with everything that was made with it. Otherwise a stolen key could outlive its
   * revocation by another that it made. Each end is recorded before it takes effect.
   *
   * @returns what ended with the key
   */
  async function revoke(id: string, principal: string): Promise<RevokedApiKey["ended"]> {
    const revoked: RevokedApiKey["ended"] = [];
    const at = now();
    let left = await keys.listInForce(id);
    if (!left.some((key) => key.id === id)) {
      throw new SondeError("NOT_FOUND", "expected the id of a key in force");
    }
    // The next look finds what was made meanwhile. A revoked key makes no more.
    for (; left.length > 0; left = await keys.listInForce(id)) {
      for (const key of left) {
        const detail = { id: key.id, ...(key.id !== id && { endedWith: id }) };
        await auditLog.append(buildAuditRecord(at, "key.revoked", { principal, detail }));
      }
      await keys.revokeKeys(
        left.map((key) => key.id),
        at,
      );
      revoked.push(...left);
    }
    return revoked.filter((key) => key.id !== id);
  }
}

/** Lists of agents and probes bind clients only, so other roles must have none. */
function requireWholePolicy({ role, agents, probes }: KeyPolicy): void {
  if (role === "client" || (agents === "*" && probes === "*")) return;
  throw new SondeError(
    "BAD_REQUEST",
    `expected agents and probes "*" for a key of role ${role}, got a list, which would not bind it`,
  );
}
