import type { Catalog } from "../catalog/index.ts";
import type { Hub } from "../hub.ts";
import { createPrincipal, holderOfKey } from "./core/principal.ts";
import { createSubjects, type Subjects } from "./core/subjects.ts";
import type { Authenticator } from "./edge/authenticate.ts";
import type { CallRates } from "./edge/call-rates.ts";
import { addKeyRoutes } from "./edge/key-routes.ts";
import type { KeyStore } from "./edge/key-store.ts";
import { addPolicyRoutes } from "./edge/policy-routes.ts";
import { createPolicyStore } from "./edge/policy-store.ts";

export {
  type AccessGrant,
  asOfNow,
  authorize,
  rolesFor,
  type Decision,
  hasEnded,
  type HeldRate,
  highestCapability,
  maySeeAgent,
  maySeePack,
  maySeeProbe,
  onlyObserving,
  type Principal,
  ROUTE_RIGHTS,
  type RouteRight,
} from "./core/authorize.ts";
export {
  createPrincipal,
  type Holder,
  holderOfKey,
  type PolicyBook,
} from "./core/principal.ts";
export type { Subjects } from "./core/subjects.ts";
export { type Authenticator, createAuthenticator } from "./edge/authenticate.ts";
export { type CallRates, createCallRates } from "./edge/call-rates.ts";
export { makerInForce } from "./edge/in-force.ts";
export { createKeyStore, type KeyStore } from "./edge/key-store.ts";
export { ensureOperatorKey } from "./edge/operator-key.ts";
export { migrations } from "./migrations.ts";

/** How often is looked for keys that ended by themselves, and for their open streams. */
const SWEEP_MS = 15_000;

/**
 * Installs API keys and policies. A key that any hub revoked is refused by all. A policy that any
 * hub changed is in force at all.
 *
 * @param uses.dismiss ends a principal's open streams; `dismissEnded` those of principals of which a
 *   policy has ended
 * @returns where other features add their kinds of subjects, which may hold policies too
 */
export function installIdentity(
  hub: Hub,
  uses: {
    keys: KeyStore;
    authenticator: Authenticator;
    rates: CallRates;
    catalog: Pick<Catalog, "entries">;
    dismiss: (principalId: string) => Promise<void>;
    dismissEnded: (now: Date) => void;
  },
): Subjects {
  const { keys, authenticator, rates, catalog } = uses;
  const subjects = createSubjects();
  subjects.add("key", async (keyId) => {
    const key = await keys.readKey(keyId, hub.now());
    if (key === null) return null;
    const id = `key:${key.id}`;
    return createPrincipal(hub.directory, { id, name: key.name }, [
      holderOfKey(id, key.policy, key.held),
    ]);
  });
  addKeyRoutes(hub, keys);
  addPolicyRoutes(hub, createPolicyStore(hub.sql, hub.directory), { subjects, catalog });
  const end = (keyId: string): void => {
    authenticator.forget(keyId);
    uses.dismiss(`key:${keyId}`).catch(hub.report);
  };
  hub.directory.onChange(({ kind, id }) => {
    if (kind === "api-key") end(id);
    if (kind === "person") {
      keys.listEndedWith(id).then((ended) => ended.forEach(end), hub.report);
    }
    // What it held at its authentication counts no longer.
    if (kind === "holder") authenticator.forget(id.replace(/^key:/, ""));
  });
  let sweptAt = hub.now();
  const sweep = async (): Promise<void> => {
    const until = hub.now();
    for (const id of await keys.listEnded(sweptAt, until)) end(id);
    sweptAt = until;
    uses.dismissEnded(until);
    await rates.expire();
  };
  const sweeping = setInterval(() => void sweep().catch(hub.report), SWEEP_MS);
  hub.onStop(() => {
    clearInterval(sweeping);
    return authenticator.close();
  });
  return subjects;
}
