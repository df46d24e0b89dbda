import { SondeError } from "@sonde/schemas/errors";
import { PublisherName, Uuid } from "@sonde/schemas/names";
import {
  CreateTrustedPublisher,
  ExchangeIdentity,
  ExchangedToken,
  TrustedPublisher,
  TrustedPublisherList,
} from "@sonde/schemas/registry";
import type { HttpServer, RefusalCounts } from "@sonde/service";
import { Type } from "typebox";
import { authorizeGrant } from "../../core/authorize.ts";
import type { JobIdentities } from "../job-identities.ts";
import type { PublisherStore } from "../store/publisher-store.ts";
import type { TrustedPublisherStore } from "../store/trusted-publisher-store.ts";

const TOKEN_LIFE_MS = 15 * 60 * 1000;
const ofPublisher = { params: Type.Object({ publisher: PublisherName }) };
const config = { right: "tokens", errors: ["PUBLISHER_UNKNOWN"] } as const;

export type TrustedRoutePorts = {
  publishers: PublisherStore;
  trusted: TrustedPublisherStore;
  identities: JobIdentities;
  /** Counts refused identity tokens. */
  refusals: RefusalCounts;
  now: () => Date;
};

/** Adds the routes of a publisher's trusted publishers, for its owners and the operator. */
export function addTrustedRoutes(app: HttpServer, ports: TrustedRoutePorts): void {
  const { publishers, trusted, now } = ports;
  const path = "/api/v1/publishers/:publisher/trusted-publishers";
  app.get(
    path,
    {
      schema: {
        ...ofPublisher,
        response: { 200: TrustedPublisherList },
        summary: "Trusted publishers, whose jobs publish without a secret",
      },
      config,
    },
    async ({ params }): Promise<TrustedPublisherList> => {
      await publishers.demandPublisher(params.publisher);
      return { trustedPublishers: await trusted.listTrusted(params.publisher) };
    },
  );

  app.post(
    path,
    {
      schema: {
        ...ofPublisher,
        body: CreateTrustedPublisher,
        response: { 201: TrustedPublisher },
        summary: "Adds a trusted publisher, by claims of its identity token",
      },
      config,
    },
    async ({ params, body, caller }, reply): Promise<TrustedPublisher> => {
      const { publisher } = params;
      await publishers.demandPublisher(publisher);
      const { pack = null, issuer, identity } = body;
      demandIssuer(ports.identities, issuer, identity.kind);
      const createdAt = now();
      authorizeGrant(caller, {
        publisher,
        pack,
        role: "ci",
        actions: ["publish"],
        expiresAt: createdAt,
      });
      const createdBy = caller.role === "operator" ? "operator" : caller.id;
      reply.code(201);
      const made = { publisher, pack, issuer, identity, createdBy, createdAt };
      return await trusted.addTrusted(made, caller);
    },
  );

  app.delete(
    `${path}/:id`,
    {
      schema: {
        params: Type.Object({ publisher: PublisherName, id: Uuid }),
        response: { 200: TrustedPublisher },
        summary: "Removes a trusted publisher and revokes its tokens",
      },
      config: { right: "tokens", errors: ["NOT_FOUND"] },
    },
    ({ params, caller }): Promise<TrustedPublisher> =>
      trusted.removeTrusted(params.publisher, params.id, now(), caller),
  );
}

/**
 * Adds the exchange of an identity token for a publish token. The identity token authenticates it.
 */
export function addExchangeRoute(app: HttpServer, ports: TrustedRoutePorts): void {
  const { trusted, identities, refusals, now } = ports;
  app.post(
    "/api/v1/trusted-publishing/token",
    {
      schema: {
        body: ExchangeIdentity,
        response: { 201: ExchangedToken },
        summary: "Exchanges a job's identity token for a token of 15 minutes",
      },
      config: { right: "anybody", errors: ["IDENTITY_REFUSED", "ISSUER_UNAVAILABLE"] },
    },
    async ({ body: { pack, identityToken }, ip }, reply): Promise<ExchangedToken> => {
      const publisher = pack.slice(0, pack.indexOf("/"));
      const at = now();
      const expiresAt = new Date(at.getTime() + TOKEN_LIFE_MS);
      const exchange = async () => {
        const verified = await identities.verify(identityToken);
        return await trusted.exchange({ ...verified, publisher, pack, at, expiresAt });
      };
      const { token } = await exchange().catch((thrown: unknown) => {
        if (thrown instanceof SondeError) refusals.add(ip, thrown.code);
        throw thrown;
      });
      reply.code(201).header("cache-control", "no-store");
      return { token, pack, expiresAt: expiresAt.toISOString() };
    },
  );
}

function demandIssuer(identities: JobIdentities, issuer: string, kind: string): void {
  const expected = identities.kindOf(issuer);
  if (expected === kind) return;
  throw new SondeError(
    "BAD_REQUEST",
    expected === null
      ? `expected an issuer of this registry's configuration, got ${issuer}`
      : `expected a ${expected} identity for ${issuer}, got ${kind}`,
  );
}
