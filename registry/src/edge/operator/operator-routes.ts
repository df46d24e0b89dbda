import { AuditPage, AuditQuery, readAuditQuery } from "@sonde/schemas/audit";
import { SondeError } from "@sonde/schemas/errors";
import { Digest, PublisherName } from "@sonde/schemas/names";
import {
  AddIdentity,
  AddPublisher,
  AddedIdentity,
  AddedPublisher,
  PublisherList,
  TOKEN_DAYS,
} from "@sonde/schemas/registry";
import { TrustedIdentity } from "@sonde/schemas/trust";
import type { HttpServer } from "@sonde/service";
import { keyIdOf, parsePublisherKey } from "@sonde/trust/pack";
import { Type } from "typebox";
import { actionsOf } from "../../core/authorize.ts";
import type { NewPublisher, PublisherStore } from "../store/publisher-store.ts";
import type { RightsLog } from "../store/rights-log.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Adds the operator's routes to the unix socket. Only root and the registry's user can open it, so
 * no token is needed.
 */
export function addOperatorRoutes(
  app: HttpServer,
  { publishers, rights, now }: { publishers: PublisherStore; rights: RightsLog; now: () => Date },
): void {
  const config = { right: "publishers", errors: ["NAME_REFUSED"] } as const;
  app.post(
    "/publishers",
    {
      schema: {
        body: AddPublisher,
        response: { 200: AddedPublisher },
        summary: "Lets a key publish under a name, with a new token",
      },
      config,
    },
    async (request): Promise<AddedPublisher> => {
      const { name, publicKey, takesReserved = false } = request.body;
      const keyId = keyIdOf(readKey(publicKey));
      const token = buildFirstToken(now());
      return await publishers.addPublisher({ name, keyId, publicKey, token, takesReserved });
    },
  );
  app.get(
    "/publishers",
    {
      schema: {
        response: { 200: PublisherList },
        summary: "All publishers, with their keys and identities",
      },
      config: { right: "publishers" },
    },
    (): Promise<PublisherList> => publishers.listPublishers(now()),
  );
  app.delete(
    "/publishers/:publisher/keys/:keyId",
    {
      schema: {
        params: Type.Object({ publisher: PublisherName, keyId: Digest }),
        response: { 200: PublisherList },
        summary: "Removes a key, which then publishes nothing more",
      },
      config: { right: "publishers", errors: ["NOT_FOUND"] },
    },
    async ({ params }): Promise<PublisherList> => {
      await publishers.removeKey(params.publisher, params.keyId);
      return await publishers.listPublishers(now());
    },
  );
  app.delete(
    "/publishers/:publisher/identities",
    {
      schema: {
        params: Type.Object({ publisher: PublisherName }),
        querystring: TrustedIdentity,
        response: { 200: PublisherList },
        summary: "Removes an identity, which then publishes nothing more",
      },
      config: { right: "publishers", errors: ["NOT_FOUND"] },
    },
    async ({ params, query }): Promise<PublisherList> => {
      await publishers.removeIdentity(params.publisher, query);
      return await publishers.listPublishers(now());
    },
  );
  app.post(
    "/identities",
    {
      schema: {
        body: AddIdentity,
        response: { 200: AddedIdentity },
        summary: "Lets an identity publish under a name, with a new token",
      },
      config,
    },
    async ({ body }): Promise<AddedIdentity> => {
      const { takesReserved = false, ...identity } = body;
      const token = buildFirstToken(now());
      return await publishers.addIdentity({ ...identity, token, takesReserved });
    },
  );
  app.get(
    "/audit",
    {
      schema: {
        querystring: AuditQuery,
        response: { 200: AuditPage },
        summary: "Who changed rights, as a hash chain",
      },
      config: { right: "publishers" },
    },
    async ({ query }): Promise<AuditPage> => {
      const { afterSeq, limit } = readAuditQuery(query);
      return await rights.read(afterSeq, limit);
    },
  );
}

/** Builds an owner's token, with which the publisher makes narrower ones. */
function buildFirstToken(createdAt: Date): NewPublisher["token"] {
  return {
    role: "owner",
    pack: null,
    actions: actionsOf("owner"),
    label: "made with the publisher",
    createdBy: "operator",
    createdAt,
    expiresAt: new Date(createdAt.getTime() + TOKEN_DAYS.maximum * DAY_MS),
  };
}

function readKey(publicKey: string): ReturnType<typeof parsePublisherKey> {
  try {
    return parsePublisherKey(publicKey);
  } catch (cause) {
    if (!(cause instanceof SondeError)) throw cause;
    // The key came with a request here, so the configuration's code would be wrong.
    throw new SondeError("BAD_REQUEST", cause.message, { cause });
  }
}
