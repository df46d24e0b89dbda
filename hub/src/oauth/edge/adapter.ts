import { SondeError } from "@sonde/schemas/errors";
import { type Adapter, type AdapterPayload, Provider, errors } from "oidc-provider";
import { hashSecret } from "../../directory/index.ts";
import { judgeSecondUse } from "../core/refresh-rule.ts";
import type { Clients } from "./clients.ts";
import type { GrantStore, OAuthGrant } from "./grant-store.ts";
import type { ItemStore, Payload } from "./item-store.ts";

export type AdapterPorts = {
  items: ItemStore;
  grants: GrantStore;
  clients: Clients;
  now: () => Date;
  /** Ends a grant of which a code or a refresh token was used twice, or that its client revoked. */
  endGrant: (id: string, because: "token-reused" | "revoked-by-client") => Promise<void>;
};

/** Codes are remembered longer than they last, so that a late second use still ends the grant. */
const REMEMBERED_SECONDS = 600;

/** How the library stores what it makes, one adapter for each kind of thing. */
export function createAdapter(ports: AdapterPorts, model: string): Adapter {
  switch (model) {
    case "Client":
      return buildClientAdapter(ports);
    case "Grant":
      return buildGrantAdapter(ports);
    case "Session":
      return NO_SESSIONS;
    default:
      return buildItemAdapter(ports, model);
  }
}

function buildItemAdapter({ items, grants, endGrant, now }: AdapterPorts, model: string): Adapter {
  const from = (): string => Provider.ctx?.ip ?? "";
  const paceOf = createPace(now);
  return {
    async upsert(id, payload, ttl = 0) {
      const kept = model === "AuthorizationCode" ? ttl + REMEMBERED_SECONDS : ttl;
      await items.put(model, id, payload as Payload, kept);
      if (model === "RefreshToken" && payload.grantId !== undefined) {
        await grants.touch(payload.grantId);
      }
    },
    async find(id) {
      if (model === "DeviceCode" && Provider.ctx?.oidc.route === "token") paceOf(id);
      const found = await items.find(model, id);
      if (found === null) return undefined;
      const { payload, consumed } = found;
      if (consumed === null) return payload;
      const isRefresh = model === "RefreshToken" && Provider.ctx?.oidc.route === "token";
      if (isRefresh && judgeSecondUse(consumed, { at: now(), from: from() }) === "at-once") {
        throw new errors.InvalidGrant("another request used the refresh token at the same time");
      }
      return { ...payload, consumed: true };
    },
    async findByUserCode(userCode) {
      const found = await items.findByUserCode(model, userCode);
      return found === null ? undefined : found.payload;
    },
    findByUid: () => Promise.resolve(undefined),
    async consume(id) {
      if (await items.consume(model, id, from())) return;
      // Two requests at once: the one that lost the race is a second use, as a later one is.
      if (model === "AuthorizationCode") {
        const grantId = (await items.find(model, id))?.payload.grantId;
        if (grantId !== undefined) await endGrant(grantId, "token-reused");
      }
      throw new errors.InvalidGrant("used already");
    },
    destroy: (id) => items.remove(model, id),
    // The end of the grant removes all that hangs on it, in one transaction.
    revokeByGrantId: () => Promise.resolve(),
  };
}

/** RFC 8628, 3.5: a terminal asks at most every five seconds; a little less is let pass. */
const PACE_MS = 4_000;
const MAX_PACED = 1_000;

/** @returns a function that throws `slow_down` when a code is asked for again too soon */
function createPace(now: () => Date): (code: string) => void {
  const asked = new Map<string, number>();
  return (code) => {
    const at = now().getTime();
    const last = asked.get(hashSecret(code));
    if (asked.size >= MAX_PACED) asked.clear();
    asked.set(hashSecret(code), at);
    if (last !== undefined && at - last < PACE_MS) throw new errors.SlowDown();
  };
}

function buildGrantAdapter({ grants, endGrant }: AdapterPorts): Adapter {
  return {
    ...NO_SESSIONS,
    upsert: () => Promise.reject(new Error("a grant is made by the consent page only")),
    async find(id) {
      const grant = await grants.find(id);
      return grant === null ? undefined : toGrantPayload(grant);
    },
    async destroy(id) {
      const isOwn = Provider.ctx?.oidc.route === "revocation";
      await endGrant(id, isOwn ? "revoked-by-client" : "token-reused");
    },
  };
}

function toGrantPayload(grant: OAuthGrant & { expiresAt: Date }): AdapterPayload {
  return {
    jti: grant.id,
    kind: "Grant",
    exp: Math.floor(grant.expiresAt.getTime() / 1000),
    accountId: grant.personId,
    clientId: grant.clientId,
    resources: { [grant.resource]: grant.scopes.join(" ") },
  };
}

function buildClientAdapter({ clients }: AdapterPorts): Adapter {
  return {
    ...NO_SESSIONS,
    async upsert(id, payload) {
      try {
        await clients.register(id, payload, Provider.ctx?.ip ?? "");
      } catch (thrown) {
        if (!(thrown instanceof SondeError)) throw thrown;
        if (thrown.code === "TOO_MANY_ATTEMPTS") {
          throw new errors.CustomOIDCProviderError("temporarily_unavailable", thrown.message);
        }
        throw new errors.InvalidClientMetadata(`redirect_uris: ${thrown.message}`);
      }
    },
    async find(id) {
      return (await clients.find(id)) ?? undefined;
    },
  };
}

/** Whoever is signed in is known by the hub's own session, so the library has none. */
const NO_SESSIONS: Adapter = {
  upsert: () => Promise.resolve(),
  find: () => Promise.resolve(undefined),
  findByUserCode: () => Promise.resolve(undefined),
  findByUid: () => Promise.resolve(undefined),
  consume: () => Promise.resolve(),
  destroy: () => Promise.resolve(),
  revokeByGrantId: () => Promise.resolve(),
};
