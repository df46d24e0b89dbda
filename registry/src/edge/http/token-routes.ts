import { PublisherName, Uuid } from "@sonde/schemas/names";
import {
  CreatePublishToken,
  CreatedPublishToken,
  PublishToken,
  PublishTokenList,
  TOKEN_DAYS,
} from "@sonde/schemas/registry";
import type { HttpServer } from "@sonde/service";
import { Type } from "typebox";
import { type Principal, actionsOf, authorizeGrant } from "../../core/authorize.ts";
import type { PublisherStore } from "../store/publisher-store.ts";
import type { TokenStore } from "../store/token-store.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const ofPublisher = { params: Type.Object({ publisher: PublisherName }) };
const config = { right: "tokens", errors: ["PUBLISHER_UNKNOWN"] } as const;

export type TokenRoutePorts = {
  publishers: PublisherStore;
  tokens: TokenStore;
  now: () => Date;
};

/**
 * Adds the routes of a publisher's tokens, for its owners and the operator. Only the answer that
 * creates a token has its secret.
 */
export function addTokenRoutes(app: HttpServer, ports: TokenRoutePorts): void {
  const { publishers, tokens, now } = ports;
  const path = "/api/v1/publishers/:publisher/tokens";
  const listed = {
    ...ofPublisher,
    response: { 200: PublishTokenList },
    summary: "Tokens, without their secrets",
  };
  app.get(path, { schema: listed, config }, async ({ params }): Promise<PublishTokenList> => {
    await publishers.demandPublisher(params.publisher);
    return { tokens: await tokens.listTokens(params.publisher) };
  });

  app.post(
    path,
    {
      schema: {
        ...ofPublisher,
        body: CreatePublishToken,
        response: { 201: CreatedPublishToken },
        summary: "Makes a token with no more rights than the caller's",
      },
      config,
    },
    async ({ params, body, caller }, reply): Promise<CreatedPublishToken> => {
      await publishers.demandPublisher(params.publisher);
      const { role, pack = null, actions = actionsOf(role), label, days } = body;
      const createdAt = now();
      const expiresAt = expiryOf(caller, days, createdAt);
      const grant = { publisher: params.publisher, role, pack, actions, expiresAt };
      authorizeGrant(caller, grant);
      const createdBy = caller.role === "operator" ? "operator" : caller.id;
      reply.code(201);
      return await tokens.createToken({ ...grant, label, createdBy, createdAt }, caller);
    },
  );

  app.delete(
    `${path}/:id`,
    {
      schema: {
        params: Type.Object({ publisher: PublisherName, id: Uuid }),
        response: { 200: PublishToken },
        summary: "Revokes a token with all that was made with it",
      },
      config: { right: "tokens", errors: ["NOT_FOUND"] },
    },
    ({ params, caller }): Promise<PublishToken> =>
      tokens.revokeToken(params.publisher, params.id, now(), caller),
  );
}

/**
 * Returns the requested end of a token. By default it is the usual lifetime, but at most the end of
 * the token that makes it.
 */
function expiryOf(maker: Principal, days: number | undefined, from: Date): Date {
  const wished = new Date(from.getTime() + (days ?? TOKEN_DAYS.default) * DAY_MS);
  if (days !== undefined || maker.role === "operator") return wished;
  return wished > maker.expiresAt ? maker.expiresAt : wished;
}
