import { randomUUID } from "node:crypto";
import { SondeError } from "@sonde/schemas/errors";
import {
  ApiKeyList,
  type ApiKeySummary,
  CreateApiKey,
  CreatedApiKey,
  type KeyPolicy,
  PageQuery,
  RevokedApiKey,
  RotateApiKey,
  RotatedApiKey,
} from "@sonde/schemas/hub";
import { Uuid } from "@sonde/schemas/names";
import { Type } from "typebox";
import { buildAuditRecord } from "../../audit/index.ts";
import type { Hub } from "../../hub.ts";
import { createKeySecret } from "./key-secret.ts";
import { requireSoundPolicy } from "../core/require-sound-policy.ts";
import type { KeyStore } from "./key-store.ts";

/** Adds the routes that create, list, rotate and revoke API keys. */
export function addKeyRoutes(hub: Hub, keys: KeyStore): void {
  const { app, auditLog, directory, now, pages } = hub;
  const policies = () => directory.policies();
  app.get(
    "/api/v1/api-keys",
    {
      config: { right: "keys.read", errors: ["CURSOR_REFUSED"] },
      schema: {
        summary: "All API keys, never the secrets",
        querystring: PageQuery,
        response: { 200: ApiKeyList },
      },
    },
    async (request) => {
      const keyOf = ({ createdAt, id }: ApiKeySummary) => `${createdAt} ${id}`;
      const { page, ...more } = pages.cut("keys", request, await keys.listKeys(), keyOf);
      return { keys: page, ...more };
    },
  );

  app.post(
    "/api/v1/api-keys",
    {
      config: { right: "keys.manage" },
      schema: {
        summary: "Makes an API key, which is shown once",
        body: CreateApiKey,
        response: { 201: CreatedApiKey },
      },
    },
    async (request, reply) => {
      const { name, policy, held = null } = request.body;
      requireWholePolicy(policy);
      if (held !== null) requireSoundPolicy(held, policies());
      const expiresAt = readExpiry(request.body.expiresAt, now());
      const id = randomUUID();
      const key = createKeySecret();
      const at = now();
      await auditLog.append(
        buildAuditRecord(at, "key.created", {
          principal: request.principal.subject.id,
          detail: { id, name, policy, held, expiresAt },
        }),
      );
      const { id: createdBy, person: of = createdBy } = request.principal.subject;
      const person = of.startsWith("person:") ? of.slice("person:".length) : null;
      await keys.addKey({ id, name, secret: key, policy, createdBy, person, at, expiresAt, held });
      return reply.code(201).send({ id, key });
    },
  );

  app.post(
    "/api/v1/api-keys/:id/rotate",
    {
      config: { right: "keys.manage", errors: ["NOT_FOUND"] },
      schema: {
        summary: "Gives a key a new secret, which is shown once, beside the present one",
        params: Type.Object({ id: Uuid }),
        body: RotateApiKey,
        response: { 201: RotatedApiKey },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const at = now();
      if ((await keys.readKey(id, at)) === null) throw noSuchKey();
      const previousEndsAt = new Date(at.getTime() + request.body.overlapMinutes * 60_000);
      await auditLog.append(
        buildAuditRecord(at, "key.rotated", {
          principal: request.principal.subject.id,
          detail: { id, previousEndsAt: previousEndsAt.toISOString() },
        }),
      );
      const key = createKeySecret();
      if (!(await keys.rotateKey(id, key, at, previousEndsAt))) throw noSuchKey();
      return reply.code(201).send({ id, key, previousEndsAt: previousEndsAt.toISOString() });
    },
  );

  app.delete(
    "/api/v1/api-keys/:id",
    {
      config: { right: "keys.manage", errors: ["NOT_FOUND"] },
      schema: {
        summary: "Revokes a key and all that was made with it",
        params: Type.Object({ id: Uuid }),
        response: { 200: RevokedApiKey },
      },
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
    if (!left.some((key) => key.id === id)) throw noSuchKey();
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

function noSuchKey(): SondeError {
  return new SondeError("NOT_FOUND", "expected the id of a key in force");
}

function readExpiry(text: string | undefined, now: Date): Date | null {
  if (text === undefined) return null;
  const at = new Date(text);
  if (at > now) return at;
  throw new SondeError("BAD_REQUEST", `expiresAt: expected a time to come, got ${text}`);
}
