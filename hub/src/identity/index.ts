import type { Hub } from "../hub.ts";
import type { Authenticator } from "./edge/authenticate.ts";
import { addKeyRoutes } from "./edge/key-routes.ts";
import type { KeyStore } from "./edge/key-store.ts";

export {
  type AccessGrant,
  authorize,
  rolesFor,
  type Decision,
  grantsOf,
  maySeeAgent,
  maySeePack,
  maySeeProbe,
  onlyObserving,
  type Principal,
  ROUTE_RIGHTS,
  type RouteRight,
} from "./core/authorize.ts";
export { type Authenticator, createAuthenticator } from "./edge/authenticate.ts";
export { createKeyStore, type KeyStore } from "./edge/key-store.ts";
export { ensureOperatorKey } from "./edge/operator-key.ts";
export { migrations } from "./migrations.ts";

/**
 * Installs API keys. A key that any hub revoked is refused by all.
 *
 * @param uses.dismiss ends a principal's open streams
 */
export function installIdentity(
  hub: Hub,
  uses: {
    keys: KeyStore;
    authenticator: Authenticator;
    dismiss: (principalId: string) => Promise<void>;
  },
): void {
  addKeyRoutes(hub, uses.keys);
  hub.directory.onChange(({ kind, id }) => {
    if (kind !== "api-key") return;
    uses.authenticator.forget(id);
    uses.dismiss(`key:${id}`).catch(hub.report);
  });
  hub.onStop(() => uses.authenticator.close());
}
