import { toSondeError } from "@sonde/schemas/errors";
import { RegistryLogStatus } from "@sonde/schemas/hub";
import type { TrustPolicy } from "@sonde/schemas/trust";
import { followRegistry } from "@sonde/trust/admit";
import type { Hub } from "../hub.ts";
import { RECENT_MS, RegistryFollower } from "./core/registry-follower.ts";
import { createRegistryLogStore } from "./edge/registry-log-store.ts";

export type { RegistryFollower } from "./core/registry-follower.ts";

/** How often the registry's log is looked at without another reason. */
const FOLLOW_EVERY_MS = 60_000;

/** Follows the registry's log and compares what agents were shown of it. */
export function installRegistryLog(
  hub: Hub,
  uses: { readPolicy: () => TrustPolicy },
): RegistryFollower {
  const { config, sql, links, auditLog, now, elapsed, report } = hub;
  const registry = new RegistryFollower({
    readPolicy: uses.readPolicy,
    follow: (request, onEntry) => followRegistry(config.admitPath, request, onEntry),
    store: createRegistryLogStore(sql),
    auditLog,
    now,
    elapsed,
    // Said again, so that agents look at the log too.
    onNews: (packs) => links.remind(packs),
  });
  hub.app.get(
    "/api/v1/registry",
    { config: { right: "tools.read" }, schema: { response: { 200: RegistryLogStatus } } },
    () => registry.status(),
  );
  // What is wrong stands in the follower's status and, for an alarm, in the audit log.
  const follow = () => {
    registry.follow(RECENT_MS).catch((thrown: unknown) => {
      const error = toSondeError(thrown);
      // A registry that is down is no defect of the hub.
      if (error.code !== "REGISTRY_UNAVAILABLE") report(error);
    });
  };
  follow();
  const timer = setInterval(follow, FOLLOW_EVERY_MS);
  hub.onStop(() => clearInterval(timer));
  return registry;
}
